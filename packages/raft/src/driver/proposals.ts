/**
 * Who waits for what was proposed. An entry is known by its index and term: what is applied at an index
 * with another term took its place, and with a later term the place of all that follow, too.
 */
import { assert, KvsError } from "@kvs/env";

import { type EntryBatch, lastIndexOf } from "../core/entry.ts";
import { type LogIndex, type Term } from "../core/ids.ts";
import { dropped, undecided } from "./driver-error.ts";

/** One promise waits for these entries. */
interface Waiting {
  readonly firstIndex: LogIndex;
  readonly lastIndex: LogIndex;
  readonly term: Term;
  readonly deadlineTick: number;
  readonly resolve: (index: LogIndex) => void;
  readonly reject: (error: unknown) => void;
}

export type ProposalPlace = Omit<Waiting, "resolve" | "reject">;

/** Promises that wait at a time; more are refused. */
export const PROPOSALS_MAX = 100_000;

export class Proposals {
  #waiting: Waiting[] = [];
  /** Those before it are settled: the array is copied now and then, not for each. */
  #head = 0;
  readonly #isLax: boolean;

  /** @param isLax Sabotage: whatever is applied at the index counts as the proposal. */
  constructor(isLax = false) {
    this.#isLax = isLax;
  }

  get count(): number {
    return this.#waiting.length - this.#head;
  }

  add(place: ProposalPlace, resolve: Waiting["resolve"], reject: Waiting["reject"]): void {
    const last = this.#waiting.at(-1);
    assert(
      this.count === 0 || last === undefined || place.term >= last.term,
      "proposals are made in the order of their terms",
    );
    this.#waiting.push({ ...place, resolve, reject });
  }

  /** The entries of `batch` were applied. */
  applied(batch: EntryBatch): void {
    const last = lastIndexOf(batch);
    for (;;) {
      const next = this.#waiting[this.#head];
      if (next === undefined || next.term > batch.term || next.firstIndex > last) break;
      if (next.term < batch.term && !this.#isLax) {
        this.#head++;
        next.reject(dropped(batch.firstIndex, batch.firstIndex > next.firstIndex));
      } else if (next.lastIndex <= last) {
        this.#head++;
        next.resolve(next.lastIndex);
      } else break;
    }
    // A later term before what they wait for: none of them will ever be committed.
    while (!this.#isLax && (this.#waiting[this.#head]?.term ?? Infinity) < batch.term) {
      const next = this.#waiting[this.#head++]!;
      next.reject(dropped(next.firstIndex, false));
    }
    this.#compact();
  }

  /** An image took the place of the entries up to `index`: nobody can tell whose they were. */
  skipped(index: LogIndex): void {
    this.#rejectWhile((next) => next.firstIndex <= index, "an image of the state arrived");
  }

  /** Gives up what waits for too long. */
  expire(tick: number): void {
    this.#rejectWhile((next) => next.deadlineTick <= tick, "the time allowed passed");
  }

  /** Gives everything up. */
  abort(): void {
    this.#rejectWhile(() => true, "the replica stopped");
  }

  #rejectWhile(isOver: (next: Waiting) => boolean, why: string): void {
    for (;;) {
      const next = this.#waiting[this.#head];
      if (next === undefined || !isOver(next)) break;
      this.#head++;
      next.reject(undecided(next.lastIndex, why));
    }
    this.#compact();
  }

  #compact(): void {
    if (this.#head < 1024 && this.#head < this.#waiting.length) return;
    this.#waiting = this.#waiting.slice(this.#head);
    this.#head = 0;
  }
}

/** Refused before anything was appended. */
export function tooManyProposals(): KvsError {
  const message = `${PROPOSALS_MAX} proposals wait to be applied; retry when some are`;
  return new KvsError("RAFT_OVERLOADED", message, { outcome: "none", retryable: true });
}
