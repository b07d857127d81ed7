import { type DocumentValue, type Key } from "@kvs/codec";

/** Ordered keys, each with a value: anything a document may hold. */
export interface KeyValue {
  get<V = DocumentValue>(key: Key): Promise<V | undefined>;
  /** The value and its version: the commit timestamp of the write that put it there. */
  getEntry<V = DocumentValue>(key: Key): Promise<ValueEntry<V> | undefined>;
  /**
   * Puts a value under a key.
   *
   * @throws {KvsError} `VERSION_MISMATCH` if `ifVersion` does not hold; nothing happened.
   *   `CODEC_KEY_TOO_LARGE`, `CODEC_TOO_LARGE`, `CODEC_TOO_DEEP`, `CODEC_UNSUPPORTED`.
   */
  put(key: Key, value: unknown, options?: PutOptions): Promise<{ readonly version: number }>;
  /**
   * Removes a key.
   *
   * @returns Whether it was there.
   * @throws {KvsError} `VERSION_MISMATCH`.
   */
  delete(key: Key, options?: VersionCondition): Promise<boolean>;
  /**
   * Walks over keys in order, as of the moment of the first step. Leave the loop to end early. On a
   * server it may end with `CURSOR_EXPIRED` or `CONNECTION_LOST`, as a `Cursor` may.
   */
  scan<V = DocumentValue>(range?: KeyRangeOptions): AsyncIterable<KeyEntry<V>>;
  /** Applies operations, all or nothing. Of several on one key the last one counts. */
  batch(operations: readonly KeyOperation[]): Promise<{ readonly version: number }>;
}

export interface ValueEntry<V> {
  readonly value: V;
  readonly version: number;
}

export interface KeyEntry<V> extends ValueEntry<V> {
  readonly key: Key;
}

export interface VersionCondition {
  /** Only if the key has this version; 0: only if it is absent. */
  readonly ifVersion?: number;
}

export interface PutOptions extends VersionCondition {
  /** Milliseconds until the value expires, 1 to 2^40. Default: never. */
  readonly ttlMs?: number;
}

/** Which keys to walk over. `prefix` is a text that keys begin with, or the first parts of a key. */
export interface KeyRangeOptions {
  readonly gt?: Key;
  readonly gte?: Key;
  readonly lt?: Key;
  readonly lte?: Key;
  readonly prefix?: Key;
  readonly reverse?: boolean;
  readonly limit?: number;
  /** Leaves values out (`undefined`). */
  readonly keysOnly?: boolean;
}

export type KeyOperation =
  | { readonly type: "put"; readonly key: Key; readonly value: unknown; readonly ttlMs?: number }
  | { readonly type: "delete"; readonly key: Key };
