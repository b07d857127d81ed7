import { type DocumentObject } from "@kvs/codec";
import { type Collection } from "./collection.ts";
import { type Database, type TransactionFigures } from "./database.ts";
import { type Isolation, type Transaction, type TransactionOptions } from "./transaction.ts";

/**
 * A database as a server hosts it: the interface for users, and the same reads and writes of keys on
 * bytes, so that a value goes from the wire to the disk and back without being decoded.
 *
 * 1. Keys are what `encodeKey` makes, and values what `encodeDocument` makes: the server checks both
 *    before a write. Keys of reads are any bytes of 1 to `KEY_MAX_BYTES`; no such key: absent.
 * 2. Bytes given to a call may be views of a larger frame. They stay unchanged until the promise of
 *    the call settles; copy what has to live longer.
 * 3. A write is durable once its promise fulfils. What rejects is a `KvsError` whose outcome is
 *    true, or a bug.
 * 4. A write started earlier in the same turn, or in an earlier one, takes effect before a later one.
 */
export interface HostedDatabase extends Database, RawAccess {
  begin(options?: Isolation | TransactionOptions): Promise<HostedTransaction>;
}

/** A transaction as a server hosts it. By rule 3 its writes take effect when it is committed. */
export interface HostedTransaction extends Transaction, RawAccess {
  /** Whether it was neither committed nor rolled back, by its caller or for a reason of its own. */
  readonly isOpen: boolean;
  /** As `getRaw`, and nobody else writes the key before the transaction ends. */
  getForUpdateRaw(key: Uint8Array): Promise<RawEntry | undefined>;
}

/** Keys and values as bytes, and documents: of a database, or within a transaction. */
export interface RawAccess {
  /** As `collection`, of plain objects. @throws {KvsError} `QUERY_BAD_NAME`. */
  documents(collection: string): Collection<DocumentObject>;
  /**
   * The value under a key. Answers at once if no page has to be read: then the bytes are a view that
   * is valid until the database is used again. The bytes of a promised entry are the caller's.
   */
  getRaw(key: Uint8Array): RawEntry | undefined | Promise<RawEntry | undefined>;
  /** @returns The version. @throws {KvsError} `VERSION_MISMATCH`. */
  putRaw(key: Uint8Array, value: Uint8Array, options: RawPutOptions): Promise<number>;
  /** @returns Whether it was there. @throws {KvsError} `VERSION_MISMATCH`. */
  deleteRaw(key: Uint8Array, options: RawCondition): Promise<boolean>;
  /** All or nothing; of several on one key the last one counts. @returns The version. */
  batchRaw(operations: readonly RawOperation[]): Promise<number>;
  /**
   * As `insertMany` of the collection with this name, for many documents, encoded: they are decoded
   * and evaluated over several turns.
   *
   * @param ordered Called at most once: writes that start after it take effect after this one, by
   *   rule 4; before that they may overtake it.
   * @throws {KvsError} as `insertMany`; `CODEC_…` for what is no document.
   */
  insertRaw(
    collection: string,
    documents: readonly Uint8Array[],
    ordered: () => void,
  ): Promise<string[]>;
  /** Walks over keys as of the moment of the first step. */
  scanRaw(range: RawRange): RawCursor;
}

export interface RawEntry {
  readonly value: Uint8Array;
  readonly version: number;
}

export interface RawCondition {
  /** Only if the key has this version; 0: only if it is absent; `undefined`: in any case. */
  readonly ifVersion: number | undefined;
}

export interface RawPutOptions extends RawCondition {
  /** Milliseconds until the value expires, 1 to `TTL_MS_MAX`; `undefined`: never. */
  readonly ttlMs: number | undefined;
}

export type RawOperation =
  | {
      readonly type: "put";
      readonly key: Uint8Array;
      readonly value: Uint8Array;
      readonly ttlMs: number | undefined;
    }
  | { readonly type: "delete"; readonly key: Uint8Array };

/** Keys in [from, to) as `memcmp` orders them. The bounds are bytes, not always keys. */
export interface RawRange {
  /** `undefined`: from the first. */
  readonly from: Uint8Array | undefined;
  /** `undefined`: to the last. */
  readonly to: Uint8Array | undefined;
  readonly isReverse: boolean;
  /** Leaves values out. */
  readonly isKeysOnly: boolean;
  /** Entries at most; `undefined`: all. */
  readonly limit: number | undefined;
}

export interface RawScanEntry {
  readonly key: Uint8Array;
  /** `undefined` if only keys were asked for. */
  readonly value: Uint8Array | undefined;
  readonly version: number;
}

/** A walk over entries, a bounded number at a time. */
export interface RawCursor {
  /**
   * The next entries: at most `entriesMax`, and none after the one whose bytes reach `bytesMax`.
   * Not called again before the promise settled, nor after `isEnd` or an error.
   */
  next(entriesMax: number, bytesMax: number): Promise<RawBatch>;
  /** Gives up what the walk holds. Called once, at any moment, also while a step is under way. */
  close(): void;
}

export interface RawBatch {
  readonly entries: readonly RawScanEntry[];
  /** Whether there are no more. */
  readonly isEnd: boolean;
}

/** Where a server gets its databases from. */
export interface DatabaseProvider {
  /**
   * Opens the database of this name, which may be new: then its first write makes it. The server
   * opens a name once, shares the database among its connections, and closes it.
   *
   * @throws {KvsError} with outcome `none`; the client that asked gets it.
   */
  open(name: string): Promise<HostedDatabase>;
  /** What the transactions of all its databases do, if it knows. */
  transactionFigures?(): TransactionFigures;
}
