import { type ByteWriter } from "@kvs/codec";
import { type KvsError } from "@kvs/env";
import { type LockOwner } from "../locks/lock-table.ts";
import { type Snapshot } from "../snapshots.ts";
import { type Store } from "../store.ts";
import { type Timestamp } from "../timestamp.ts";
import { type ConflictWindow } from "./conflict-window.ts";
import { type ReadSabotage } from "./read-set.ts";

/** What transactions read: a store, or something that reads like one. */
export type TransactionSource = Pick<Store, "read" | "scanBatches" | "publishedTs"> & {
  snapshot(): Snapshot;
};

/** What goes wrong on purpose. */
export interface TransactionSabotage extends ReadSabotage {
  readonly skipsWriteCheck: boolean;
  readonly refreshesUnchecked: boolean;
  readonly savepointKeepsWrites: boolean;
}

/** What a transaction needs of those that begin it. */
export interface TransactionContext {
  readonly source: TransactionSource;
  readonly window: ConflictWindow;
  readonly sabotage: TransactionSabotage;
  /** Memory that the writes of one transaction may take. */
  readonly writeBytesMax: number;
  nextAge(): number;
  nameOf(age: number): string;
  nowMs(): number;
  publishedTs(): Timestamp;
  /** `undefined` if the lock is held now. */
  acquire(owner: LockOwner, name: string): Promise<void> | undefined;
  /** @param error Makes what its waits are told, if it has any. */
  releaseLocks(owner: LockOwner, error: () => KvsError): void;
  /** A key for people. */
  describe(name: string): string;
  noteConflict(): void;
  /** Notes the batch, proposes it in this turn, and waits until it is published. */
  propose(names: readonly string[], encode: (writer: ByteWriter) => void): Promise<Timestamp>;
  ended(owner: LockOwner, isCommitted: boolean): void;
}

/** Has writes made durable: the names of their keys, and what encodes them as a batch. */
export type ProposeWrites = (
  names: readonly string[],
  encode: (writer: ByteWriter) => void,
) => Promise<unknown>;
