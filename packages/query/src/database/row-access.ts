import { type Clock, type TurnBudget } from "@kvs/env";
import {
  type Entry,
  type Mutation,
  type ScanOptions,
  type Timestamp,
  type VersionedValue,
} from "@kvs/txn";
import { type UuidSource } from "./uuid.ts";

/**
 * How keys and documents reach their rows: each write by itself (`RowStore`), or within a transaction
 * (`TransactionRows`). Evaluation is the same for both.
 */
export interface RowAccess {
  readonly clock: Clock;
  readonly uuids: UuidSource;
  /** What evaluation may take of one turn. */
  readonly budget: TurnBudget;
  /** The newest timestamp that its reads see. */
  readonly publishedTs: Timestamp;
  /** Milliseconds since 1970: the clock's, or the newest batch's where the clock went back. */
  nowMs(): number;
  /**
   * Notes that a caller's write begins, before its first wait.
   *
   * @returns What `end` takes when it has ended, however it did.
   */
  begin(): boolean;
  end(isCounted: boolean): void;
  /** The row under this key, at once if no page has to be loaded. */
  read(row: Uint8Array): VersionedValue | undefined | Promise<VersionedValue | undefined>;
  /**
   * Evaluates one write and makes it take effect: by itself, or with its transaction.
   *
   * @param keys The rows it reads and writes. No other write touches them meanwhile.
   * @param evaluate Reads what it needs, and returns the mutations; none: nothing is written.
   * @returns The commit timestamp, 0 if it is still to come, `undefined` if there was nothing to write.
   */
  write(
    keys: readonly Uint8Array[],
    evaluate: () => readonly Mutation[] | Promise<readonly Mutation[]>,
  ): Promise<Timestamp | undefined>;
  /** Walks over rows in order, as of one moment, some at a time. */
  walk(options: ScanOptions): AsyncGenerator<readonly Entry[], void, undefined>;
  /**
   * A transaction reads of a space that is not there yet.
   *
   * @param row Any row that may be read.
   * @param make Makes the space.
   * @returns The space, if it is there now.
   */
  noteAbsentSpace?(
    row: Uint8Array,
    make: () => number | Promise<number>,
  ): Promise<number | undefined>;
}
