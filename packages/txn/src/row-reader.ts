import {
  Descent,
  INFO_OVERFLOW,
  INFO_TOMBSTONE,
  OverflowReader,
  Probe,
  RowFinder,
  type TreeState,
  type ValuePacking,
  cellValueAt,
  cellValueLength,
  entryInfo,
  leafVersion,
  readOverflow,
} from "@kvs/btree";
import { type Pager } from "@kvs/pager";
import { BytePool } from "./byte-pool.ts";
import { type Timestamp } from "./timestamp.ts";

/** A value and the timestamp of the batch that wrote it. */
export interface VersionedValue {
  /** The reader's own. */
  readonly value: Uint8Array;
  readonly version: Timestamp;
}

/**
 * Reads single rows as of a timestamp. The first try is synchronous over resident pages; what misses
 * goes on from where it stopped, page by page.
 *
 * The caller keeps a snapshot at the timestamp while it waits, so that neither the version nor the
 * pages of its value go away.
 */
export class RowReader {
  readonly #pager: Pager;
  readonly #finder: RowFinder;
  readonly #probe = new Probe();
  readonly #packing: ValuePacking;
  readonly #copies = new BytePool();

  constructor(pager: Pager, packing: ValuePacking) {
    this.#pager = pager;
    this.#packing = packing;
    this.#finder = new RowFinder(pager);
  }

  /**
   * The row of `key` at `timestamp`, `undefined` if there is none, without waiting.
   *
   * @throws {PageMiss} if a page is not resident.
   */
  readResident(tree: TreeState, key: Uint8Array, timestamp: Timestamp): VersionedValue | undefined {
    this.#probe.set(key, key.length, timestamp);
    if (!this.#finder.find(tree, this.#probe)) return undefined;
    const found = this.#found();
    return found instanceof LongValue ? found.read() : found;
  }

  /**
   * The bytes of the value of `key` where they lie in its page, not copied: gone with the next call
   * that reads or writes. A long value is put together, and so is a copy.
   *
   * @throws {PageMiss} if a page is not resident.
   */
  viewResident(tree: TreeState, key: Uint8Array, timestamp: Timestamp): Uint8Array | undefined {
    this.#probe.set(key, key.length, timestamp);
    if (!this.#finder.find(tree, this.#probe)) return undefined;
    const { view, slot } = this.#finder;
    const flags = entryInfo(view, slot);
    if ((flags & INFO_TOMBSTONE) !== 0) return undefined;
    const from = cellValueAt(view, slot);
    const to = from + cellValueLength(view, slot);
    if ((flags & INFO_OVERFLOW) === 0) return view.u8.subarray(from, to);
    const overflow = readOverflow(view.u8, from, to);
    return new OverflowReader(this.#pager, overflow, this.#packing).read();
  }

  /** The same, loading what is missing while others run. */
  async read(
    tree: TreeState,
    key: Uint8Array,
    timestamp: Timestamp,
  ): Promise<VersionedValue | undefined> {
    const step = this.#steps(tree, key, timestamp);
    const found = await this.#pager.attempt(step);
    if (found === undefined) return undefined;
    return found instanceof LongValue ? this.#pager.attempt(() => found.read()) : found;
  }

  /** The same, blocking the event loop. */
  readSync(tree: TreeState, key: Uint8Array, timestamp: Timestamp): VersionedValue | undefined {
    const found = this.#pager.attemptSync(this.#steps(tree, key, timestamp));
    if (found === undefined) return undefined;
    return found instanceof LongValue ? this.#pager.attemptSync(() => found.read()) : found;
  }

  #steps(tree: TreeState, key: Uint8Array, timestamp: Timestamp): () => Found {
    const descent = new Descent(tree, this.#pager);
    descent.probe.set(key, key.length, timestamp);
    return () => (this.#finder.findBy(descent) ? this.#found() : undefined);
  }

  /** What the finder stands on: a value at hand, or one to be read from its pages. */
  #found(): Found {
    const { view, slot } = this.#finder;
    const flags = entryInfo(view, slot);
    if ((flags & INFO_TOMBSTONE) !== 0) return undefined;
    const version = leafVersion(view, slot);
    const from = cellValueAt(view, slot);
    const to = from + cellValueLength(view, slot);
    if ((flags & INFO_OVERFLOW) === 0) {
      return { value: this.#copies.copy(view.u8, from, to), version };
    }
    const overflow = readOverflow(view.u8, from, to);
    return new LongValue(version, new OverflowReader(this.#pager, overflow, this.#packing));
  }
}

/** A row that was looked for: its value, or where that is, or `undefined`: there is none. */
type Found = VersionedValue | LongValue | undefined;

/** A value whose bytes are still in pages of their own. */
class LongValue {
  readonly #version: Timestamp;
  readonly #source: OverflowReader;

  constructor(version: Timestamp, source: OverflowReader) {
    this.#version = version;
    this.#source = source;
  }

  /** @throws {PageMiss}: call again. */
  read(): VersionedValue {
    return { value: this.#source.read(), version: this.#version };
  }
}
