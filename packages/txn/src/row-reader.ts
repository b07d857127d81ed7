import {
  Descent,
  INFO_OVERFLOW,
  INFO_TOMBSTONE,
  OverflowReader,
  Probe,
  RowFinder,
  type TreeState,
  cellValueAt,
  cellValueLength,
  entryInfo,
  leafVersion,
  readOverflow,
} from "@kvs/btree";
import { type Pager } from "@kvs/pager";
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

  constructor(pager: Pager) {
    this.#pager = pager;
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
    return this.#found()?.read();
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
    return this.#pager.attempt(() => found.read());
  }

  /** The same, blocking the event loop. */
  readSync(tree: TreeState, key: Uint8Array, timestamp: Timestamp): VersionedValue | undefined {
    const found = this.#pager.attemptSync(this.#steps(tree, key, timestamp));
    if (found === undefined) return undefined;
    return this.#pager.attemptSync(() => found.read());
  }

  #steps(tree: TreeState, key: Uint8Array, timestamp: Timestamp): () => FoundValue | undefined {
    const descent = new Descent(tree, this.#pager);
    descent.probe.set(key, key.length, timestamp);
    return () => (this.#finder.findBy(descent) ? this.#found() : undefined);
  }

  /** What the finder stands on: a value at hand, or one to be read from its pages. */
  #found(): FoundValue | undefined {
    const { view, slot } = this.#finder;
    const flags = entryInfo(view, slot);
    if ((flags & INFO_TOMBSTONE) !== 0) return undefined;
    const version = leafVersion(view, slot);
    const from = cellValueAt(view, slot);
    const to = from + cellValueLength(view, slot);
    if ((flags & INFO_OVERFLOW) === 0) return new FoundValue(version, view.u8.slice(from, to));
    const overflow = readOverflow(view.u8, from, to);
    return new FoundValue(version, new OverflowReader(this.#pager, overflow));
  }
}

/** A value whose bytes are at hand, or still in their pages. */
class FoundValue {
  readonly #version: Timestamp;
  readonly #source: Uint8Array | OverflowReader;

  constructor(version: Timestamp, source: Uint8Array | OverflowReader) {
    this.#version = version;
    this.#source = source;
  }

  /** @throws {PageMiss}: call again. */
  read(): VersionedValue {
    const source = this.#source;
    const value = source instanceof OverflowReader ? source.read() : source;
    return { value, version: this.#version };
  }
}
