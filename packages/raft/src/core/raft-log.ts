/**
 * The log as the core sees it: identities of all entries, payloads of the recent ones.
 *
 *   base        handed to Ready    last
 *     |  compacted  |                |
 *   ──┴─────────────┴────────────────┴─▶ index
 *        persistedIndex somewhere between base and "handed to Ready"
 *
 * 1. Terms of all entries in (base, last] are in memory; payloads from `#cacheFirst` on.
 * 2. What was not handed to a Ready, or is not persisted, or not applied, is never evicted.
 * 3. `persistedIndex` never exceeds what is durable, even if entries were cut off and replaced
 *    while a write was under way.
 * 4. A damaged entry has an identity, but is never read or acknowledged.
 */
import { assert } from "@kvs/env";

import { bytesOf, type EntryBatch, lastIndexOf, limitBatch, sliceBatch } from "./entry.ts";
import { type LogIndex, type Term } from "./ids.ts";
import { lastStartAt } from "./last-start.ts";
import { type DamagedRange, type EntryReader, type LogImage } from "./log-store.ts";
import { TermRuns, UNKNOWN_TERM } from "./term-runs.ts";

/** Dropped heads of the cache array that are tolerated before it is copied. */
const CACHE_HOLES_MAX = 1024;

export class RaftLog {
  readonly #runs: TermRuns;
  readonly #reader: EntryReader;
  /** Contiguous, the last one ends at `lastIndex`; `#cache[#head]` is the oldest one held. */
  #cache: EntryBatch[] = [];
  #head = 0;
  #cacheBytes = 0;
  #persistedIndex: LogIndex;
  /** The first entry that no Ready has carried yet. */
  #unhandedFrom: LogIndex;
  /** Entries from here on were carried by a Ready and cut off afterwards; 0: none. */
  #cutFrom: LogIndex = 0;
  #damaged: DamagedRange[];

  constructor(image: LogImage, reader: EntryReader) {
    this.#runs = new TermRuns(image.base.index, image.base.term);
    this.#reader = reader;
    for (const [at, run] of image.runs.entries()) {
      assert(run.firstIndex === this.#runs.lastIndex + 1, "the runs of an image are contiguous");
      const end = (image.runs[at + 1]?.firstIndex ?? image.lastIndex + 1) - 1;
      this.#runs.append(end, run.term);
    }
    assert(this.#runs.lastIndex === image.lastIndex, "the runs of an image reach its last entry");
    this.#persistedIndex = image.lastIndex;
    this.#unhandedFrom = image.lastIndex + 1;
    this.#damaged = [...image.damaged];
  }

  get baseIndex(): LogIndex {
    return this.#runs.baseIndex;
  }

  get baseTerm(): Term {
    return this.#runs.baseTerm;
  }

  get lastIndex(): LogIndex {
    return this.#runs.lastIndex;
  }

  get lastTerm(): Term {
    return this.#runs.lastTerm;
  }

  /** The last entry that a crash would leave, together with all before it. */
  get persistedIndex(): LogIndex {
    return this.#persistedIndex;
  }

  get damaged(): readonly DamagedRange[] {
    return this.#damaged;
  }

  /** The term of an entry or of the base; `UNKNOWN_TERM` outside of the log. */
  termAt(index: LogIndex): Term {
    return this.#runs.termAt(index);
  }

  /** Whether the log holds this very entry; by log matching, then all before it too. */
  matches(index: LogIndex, term: Term): boolean {
    return this.#runs.termAt(index) === term && term !== UNKNOWN_TERM;
  }

  /** Where to look next for the last common entry with a log that has `term` at `index`. */
  lastIndexAtOrBelow(index: LogIndex, term: Term): LogIndex {
    return this.#runs.lastIndexAtOrBelow(index, term);
  }

  /** The first entry of `batch` that this log lacks or has with another term; `undefined`: none. */
  firstDifference(batch: EntryBatch): LogIndex | undefined {
    const end = lastIndexOf(batch);
    let at = Math.max(batch.firstIndex, this.baseIndex + 1);
    while (at <= end) {
      if (at > this.lastIndex || this.#runs.termAt(at) !== batch.term) return at;
      at = this.#runs.endOfRun(at) + 1;
    }
    return undefined;
  }

  append(batch: EntryBatch): void {
    assert(batch.firstIndex === this.lastIndex + 1, "entries are appended without a gap");
    this.#runs.append(lastIndexOf(batch), batch.term);
    this.#cache.push(batch);
    this.#cacheBytes += bytesOf(batch);
  }

  /** Cuts off the entries from `index` on. The caller knows that none of them is committed. */
  truncate(index: LogIndex): void {
    this.#runs.truncate(index);
    this.#persistedIndex = Math.min(this.#persistedIndex, index - 1);
    if (index < this.#unhandedFrom) {
      this.#cutFrom = this.#cutFrom === 0 ? index : Math.min(this.#cutFrom, index);
      this.#unhandedFrom = index;
    }
    while (this.#cache.length > this.#head && lastIndexOf(this.#cache.at(-1)!) >= index) {
      const batch = this.#cache.pop()!;
      this.#cacheBytes -= bytesOf(batch);
      if (batch.firstIndex < index) {
        const kept = sliceBatch(batch, batch.firstIndex, index);
        this.#cache.push(kept);
        this.#cacheBytes += bytesOf(kept);
      }
    }
    this.#clipDamage(0, index - 1);
  }

  /** Drops the entries up to `index`. */
  compact(index: LogIndex): void {
    assert(index <= this.#persistedIndex, "only durable entries are compacted");
    this.#runs.compact(index);
    while (this.#head < this.#cache.length && lastIndexOf(this.#cache[this.#head]!) <= index) {
      this.#dropHead();
    }
    this.#clipDamage(index + 1, this.lastIndex);
  }

  /** Replaces the whole log by an empty one behind `index`. The new base is durable already. */
  reset(index: LogIndex, term: Term): void {
    this.#runs.reset(index, term);
    this.#cache = [];
    this.#head = 0;
    this.#cacheBytes = 0;
    this.#persistedIndex = index;
    this.#unhandedFrom = index + 1;
    this.#cutFrom = 0;
    this.#damaged = [];
  }

  /**
   * Entries from `from` to `to`, both inclusive, as many from the start as weigh `maxBytes`, but at
   * least one; none from the first damaged one on.
   *
   * @returns `undefined` while the store loads them.
   */
  read(from: LogIndex, to: LogIndex, maxBytes: number): readonly EntryBatch[] | undefined {
    assert(from > this.baseIndex && to <= this.lastIndex, "what is read is in the log");
    const end = Math.min(to, this.readableTo(from));
    if (from > end) return [];
    const position = this.#find(from);
    if (position === -1) {
      const cacheFirst = this.#cache[this.#head]?.firstIndex ?? this.lastIndex + 1;
      return this.#reader.read(from, Math.min(end, cacheFirst - 1), maxBytes);
    }
    return this.#collect(position, from, { end, maxBytes });
  }

  /** The last entry that can be read without meeting damage, reading from `from` on. */
  readableTo(from: LogIndex): LogIndex {
    for (const range of this.#damaged) if (range.to >= from) return range.from - 1;
    return this.lastIndex;
  }

  /** The damage up to an index, which acknowledgements must not exceed: just before the first. */
  soundTo(index: LogIndex): LogIndex {
    const first = this.#damaged[0];
    return first === undefined ? index : Math.min(index, first.from - 1);
  }

  /** Removes the entries of [from, to] from the damaged ones: they are durable again. */
  repaired(from: LogIndex, to: LogIndex): void {
    const left: DamagedRange[] = [];
    for (const range of this.#damaged) {
      if (range.from < from) left.push({ from: range.from, to: Math.min(range.to, from - 1) });
      if (range.to > to) left.push({ from: Math.max(range.from, to + 1), to: range.to });
    }
    this.#damaged = left;
  }

  /** What has to be written since the last call: where to cut first, and what to append. */
  takeUnhanded(): { readonly cutFrom: LogIndex; readonly entries: readonly EntryBatch[] } {
    const cutFrom = this.#cutFrom;
    this.#cutFrom = 0;
    if (this.#unhandedFrom > this.lastIndex) return { cutFrom, entries: [] };
    const position = this.#find(this.#unhandedFrom);
    assert(position !== -1, "entries that were never written are in memory");
    const limits = { end: this.lastIndex, maxBytes: Number.POSITIVE_INFINITY };
    const entries = this.#collect(position, this.#unhandedFrom, limits);
    this.#unhandedFrom = this.lastIndex + 1;
    return { cutFrom, entries };
  }

  get hasUnhanded(): boolean {
    return this.#cutFrom !== 0 || this.#unhandedFrom <= this.lastIndex;
  }

  /** Notes that the entries up to `index` are durable, and were not cut off meanwhile. */
  persisted(index: LogIndex): void {
    assert(index < this.#unhandedFrom, "only what a Ready carried can be durable");
    if (index > this.#persistedIndex) this.#persistedIndex = index;
  }

  /** Frees memory above `maxBytes`, oldest first. Keeps what is not durable or not applied. */
  evict(maxBytes: number, appliedIndex: LogIndex): void {
    const bound = Math.min(this.#persistedIndex, appliedIndex, this.#unhandedFrom - 1);
    while (this.#cacheBytes > maxBytes && this.#head < this.#cache.length) {
      if (lastIndexOf(this.#cache[this.#head]!) > bound) return;
      this.#dropHead();
    }
  }

  get cacheBytes(): number {
    return this.#cacheBytes;
  }

  #dropHead(): void {
    this.#cacheBytes -= bytesOf(this.#cache[this.#head]!);
    this.#head++;
    if (this.#head < CACHE_HOLES_MAX || this.#head * 2 < this.#cache.length) return;
    this.#cache = this.#cache.slice(this.#head);
    this.#head = 0;
  }

  /** The position of the cached batch with this entry, or -1. */
  #find(index: LogIndex): number {
    const cache = this.#cache;
    const low = this.#head;
    const high = cache.length - 1;
    if (low > high || cache[low]!.firstIndex > index || index > this.lastIndex) return -1;
    if (cache[high]!.firstIndex <= index) return high; // the newest batch, nearly always
    return lastStartAt(cache, index, low);
  }

  #collect(
    position: number,
    from: LogIndex,
    limits: { readonly end: LogIndex; readonly maxBytes: number },
  ): EntryBatch[] {
    const collected: EntryBatch[] = [];
    let room = limits.maxBytes;
    let index = from;
    for (let at = position; index <= limits.end; at++) {
      const batch = this.#cache[at]!;
      const last = Math.min(lastIndexOf(batch), limits.end);
      const wanted = sliceBatch(batch, index, last + 1);
      const bytes = bytesOf(wanted);
      if (bytes > room) {
        if (collected.length === 0 || room > 0) {
          const limited = limitBatch(wanted, room);
          if (collected.length === 0 || bytesOf(limited) <= room) collected.push(limited);
        }
        break;
      }
      collected.push(wanted);
      room -= bytes;
      index = last + 1;
    }
    return collected;
  }

  #clipDamage(from: LogIndex, to: LogIndex): void {
    if (this.#damaged.length === 0) return;
    this.#damaged = this.#damaged
      .map((range) => ({ from: Math.max(range.from, from), to: Math.min(range.to, to) }))
      .filter((range) => range.from <= range.to);
  }
}
