import { assert } from "@kvs/env";

import { type LogIndex, type Term } from "./ids.ts";

/** What `termAt` answers for an index that the log does not know. Equal to no term. */
export const UNKNOWN_TERM = -1;

/** From `firstIndex` on, up to the next run, entries have this term. */
export interface TermRun {
  readonly firstIndex: LogIndex;
  readonly term: Term;
}

/**
 * The term of every entry of a log, as runs of equal terms: a log has few of them, so all fit in
 * memory although its payloads do not. Terms ascend with the index (§5.3).
 */
export class TermRuns {
  readonly #starts: LogIndex[] = [];
  readonly #terms: Term[] = [];
  #baseIndex: LogIndex;
  #baseTerm: Term;
  #lastIndex: LogIndex;

  constructor(baseIndex: LogIndex, baseTerm: Term) {
    this.#baseIndex = baseIndex;
    this.#baseTerm = baseTerm;
    this.#lastIndex = baseIndex;
  }

  /** The entry before the first of the log: the last one compacted, or index 0. */
  get baseIndex(): LogIndex {
    return this.#baseIndex;
  }

  get baseTerm(): Term {
    return this.#baseTerm;
  }

  get lastIndex(): LogIndex {
    return this.#lastIndex;
  }

  get lastTerm(): Term {
    return this.#terms.at(-1) ?? this.#baseTerm;
  }

  /** The term of an entry or of the base; `UNKNOWN_TERM` outside of the log. */
  termAt(index: LogIndex): Term {
    if (index === this.#lastIndex) return this.lastTerm;
    if (index === this.#baseIndex) return this.#baseTerm;
    if (index < this.#baseIndex || index > this.#lastIndex) return UNKNOWN_TERM;
    return this.#terms[this.#runOf(index)]!;
  }

  /** Adds entries of one term behind the last. */
  append(lastIndex: LogIndex, term: Term): void {
    assert(lastIndex > this.#lastIndex, "an append adds entries");
    assert(term >= this.lastTerm, "terms ascend along the log");
    if (this.#terms.length === 0 || term !== this.lastTerm) {
      this.#starts.push(this.#lastIndex + 1);
      this.#terms.push(term);
    }
    this.#lastIndex = lastIndex;
  }

  /** Forgets the entries from `index` on. */
  truncate(index: LogIndex): void {
    assert(index > this.#baseIndex && index <= this.#lastIndex, "only entries are cut off");
    while (this.#starts.length > 0 && this.#starts.at(-1)! >= index) {
      this.#starts.pop();
      this.#terms.pop();
    }
    this.#lastIndex = index - 1;
  }

  /** Forgets the entries up to `index`, of which only index and term stay, as the base. */
  compact(index: LogIndex): void {
    assert(index >= this.#baseIndex && index <= this.#lastIndex, "only entries are compacted");
    this.#baseTerm = this.termAt(index);
    this.#baseIndex = index;
    let dropped = 0;
    while (dropped + 1 < this.#starts.length && this.#starts[dropped + 1]! <= index + 1) dropped++;
    if (index === this.#lastIndex) dropped = this.#starts.length;
    this.#starts.splice(0, dropped);
    this.#terms.splice(0, dropped);
    if (this.#starts.length > 0) this.#starts[0] = Math.max(this.#starts[0]!, index + 1);
  }

  /** Forgets everything: the log is empty behind a new base. */
  reset(baseIndex: LogIndex, baseTerm: Term): void {
    this.#starts.length = 0;
    this.#terms.length = 0;
    this.#baseIndex = baseIndex;
    this.#baseTerm = baseTerm;
    this.#lastIndex = baseIndex;
  }

  /** The largest index up to `index` whose term is at most `term`; never below the base. */
  lastIndexAtOrBelow(index: LogIndex, term: Term): LogIndex {
    let at = Math.min(index, this.#lastIndex);
    while (at > this.#baseIndex && this.termAt(at) > term) at = this.#starts[this.#runOf(at)]! - 1;
    return Math.max(at, this.#baseIndex);
  }

  /** The last entry of the run to which `index` belongs. */
  endOfRun(index: LogIndex): LogIndex {
    assert(index > this.#baseIndex && index <= this.#lastIndex, "the entry is in the log");
    return (this.#starts[this.#runOf(index) + 1] ?? this.#lastIndex + 1) - 1;
  }

  runs(): TermRun[] {
    return this.#starts.map((firstIndex, at) => ({ firstIndex, term: this.#terms[at]! }));
  }

  /** The position of the last run that starts at or before `index`. */
  #runOf(index: LogIndex): number {
    let low = 0;
    let high = this.#starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.#starts[middle]! <= index) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
