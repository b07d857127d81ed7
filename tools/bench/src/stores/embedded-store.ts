/** A key and its value. */
export interface Pair {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/**
 * An ordered store in this process, ours or a peer's, as its users would call it: keys and values
 * are bytes on every side, values are copies of the caller's own, and a write that is answered is
 * durable.
 */
export interface EmbeddedStore {
  /** Whether writes that are asked for at the same time are synced one after the other. */
  readonly syncsEachWrite: boolean;
  /** Reads keys one after the other, synchronously; returns how many were there. */
  getEach(keys: readonly Uint8Array[]): number;
  /** Writes one key. */
  put(key: Uint8Array, value: Uint8Array): Promise<unknown>;
  /** Writes all, in one transaction. */
  putAll(pairs: readonly Pair[]): Promise<unknown>;
  /** Reads up to `count` entries in order, beginning at a key; returns how many there were. */
  scan(from: Uint8Array, count: number): Promise<number>;
  /** As `getEach`, without a copy of the value, where a store can: its bytes are good until the next. */
  viewEach?(keys: readonly Uint8Array[]): number;
  /** Fills the empty store with sorted pairs, where there is a way of its own for it. */
  fill?(pairs: Iterable<Pair>): Promise<unknown>;
  /** Makes its files as small as it can while it goes on, where a store can. */
  compact?(): Promise<unknown>;
  /** Makes a checkpoint, where a store has them in our sense. */
  checkpoint?(): Promise<unknown>;
  /** Checkpoints completed since it was opened. */
  checkpointCount?(): number;
  close(): Promise<unknown>;
}

/** Opens a store in a folder of its own, which exists. */
export type OpenStore = (folder: string) => Promise<EmbeddedStore>;

/** Memory for cached data of every store that has such an option: all data of a suite fits. */
export const CACHE_BYTES: number = 512 << 20;
