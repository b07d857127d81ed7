import { type KvsError } from "@kvs/env";
import { MAIN_TREE, checkSizes } from "../batch-format.ts";
import { type LockOwner } from "../locks/lock-table.ts";
import { type VersionedValue } from "../row-reader.ts";
import { type Entry } from "../scan.ts";
import { type Snapshot } from "../snapshots.ts";
import { type Timestamp } from "../timestamp.ts";
import { keyName } from "./key-name.ts";
import { ReadSet } from "./read-set.ts";
import {
  conflictError,
  endedError,
  readOnlyError,
  tooLargeError,
  tooOldToValidate,
} from "./transaction-error.ts";
import { type ResolvedTransactionOptions, type Savepoint } from "./transaction-options.ts";
import { findConflict } from "./find-conflict.ts";
import { type TransactionScan, scanTransaction } from "./transaction-scan.ts";
import { type ProposeWrites, type TransactionContext } from "./transaction-context.ts";
import { WriteSet } from "./write-set.ts";

/**
 * Reads and writes of which all take effect at one moment, or none. Begin it with
 * `Transactions.begin`, and end it with `commit` or `rollback`.
 *
 * 1. It sees what was committed before it began to read, and its own writes.
 * 2. Nobody sees its writes before `commit` has answered.
 * 3. What its level promises is checked at commit, and on the way where waiting would be in vain: then
 *    a call throws `TXN_CONFLICT` or `TXN_DEADLOCK`, and the transaction is rolled back.
 *
 * Calls may overlap; each sees the writes whose calls have returned. Keys and values are copied.
 */
export class Transaction implements LockOwner, AsyncDisposable {
  readonly id: string;
  readonly age: number;
  readonly options: ResolvedTransactionOptions;
  /** When it began, on the monotonic clock. */
  readonly beganMs: number;
  readonly #context: TransactionContext;
  readonly #writes = new WriteSet();
  readonly #reads: ReadSet | undefined;
  #snapshot: Snapshot | undefined;
  /** Whether anybody was told anything as of the snapshot. */
  #hasRead = false;
  #state: "open" | "committing" | "ended" = "open";
  /** Why it was ended by somebody else. */
  #endedBy: KvsError | undefined;
  #lastUseMs: number;

  constructor(context: TransactionContext, options: ResolvedTransactionOptions) {
    this.#context = context;
    this.age = context.nextAge();
    this.id = context.nameOf(this.age);
    this.options = options;
    const isChecked = options.isolation === "serializable" && !options.readOnly;
    this.#reads = isChecked ? new ReadSet() : undefined;
    this.beganMs = context.nowMs();
    this.#lastUseMs = this.beganMs;
  }

  get isOpen(): boolean {
    return this.#state === "open";
  }

  get isCommitting(): boolean {
    return this.#state === "committing";
  }

  /** When it was called last, on the monotonic clock. */
  get lastUseMs(): number {
    return this.#lastUseMs;
  }

  /** What it reads at; `undefined` before its first read. */
  get readTimestamp(): Timestamp | undefined {
    return this.#snapshot?.timestamp;
  }

  get writeBytes(): number {
    return this.#writes.sizeBytes;
  }

  /**
   * The value of a key, in bytes of the caller's own; `undefined` if it is absent.
   *
   * @throws {KvsError} `TXN_ENDED`, `TXN_TIMEOUT`, `TXN_SNAPSHOT_TOO_OLD`; errors of reading.
   */
  async get(key: Uint8Array, tree: number = MAIN_TREE): Promise<Uint8Array | undefined> {
    return (await this.getEntry(key, tree))?.value;
  }

  /** As `get`, with the version of the value; 0 for one that this transaction wrote. */
  async getEntry(key: Uint8Array, tree: number = MAIN_TREE): Promise<VersionedValue | undefined> {
    return this.read(key, tree);
  }

  /** As `getEntry`, at once if no page has to be loaded. */
  read(
    key: Uint8Array,
    tree: number = MAIN_TREE,
  ): VersionedValue | undefined | Promise<VersionedValue | undefined> {
    this.#use();
    if (this.#reads !== undefined || this.#writes.size > 0) {
      const name = keyName(tree, key);
      if (this.#writes.has(name)) return this.#own(name);
      this.#reads?.addPoint(name);
    }
    return this.#readCommitted(key, tree);
  }

  /**
   * As `getEntry`, and locks the key: nobody else writes it before this transaction ends.
   *
   * @throws {KvsError} as `put`.
   */
  async getForUpdate(
    key: Uint8Array,
    tree: number = MAIN_TREE,
  ): Promise<VersionedValue | undefined> {
    const waiting = this.lock(key, tree);
    if (waiting !== undefined) await waiting;
    return this.read(key, tree);
  }

  /** As `getForUpdate`, without reading. @returns `undefined` if the key is locked now. */
  lock(key: Uint8Array, tree: number = MAIN_TREE): Promise<void> | undefined {
    this.#useToWrite();
    return this.#lock(keyName(tree, key));
  }

  /** The entries of a range in order, its own writes among them. @throws {KvsError} as `get`. */
  scan(range: TransactionScan = {}): AsyncGenerator<Entry, void, undefined> {
    this.#use();
    return scanTransaction(
      {
        writes: this.#writes,
        reads: this.#reads,
        committed: (options) => this.#scanCommitted(options),
        use: () => this.#use(),
      },
      range,
    );
  }

  /**
   * Sets the value of a key.
   *
   * @throws {KvsError} `TXN_READ_ONLY`, `TXN_ENDED`, `TXN_TOO_LARGE`, `TXN_KEY_TOO_LARGE`,
   *   `TXN_VALUE_TOO_LARGE`: it is still open. `TXN_CONFLICT`, `TXN_DEADLOCK`, `TXN_LOCK_TIMEOUT`,
   *   `TXN_TIMEOUT` (retryable): it is rolled back.
   */
  put(key: Uint8Array, value: Uint8Array, tree: number = MAIN_TREE): Promise<void> {
    return this.#write(key, value, tree);
  }

  /** Removes a key. @throws {KvsError} as `put`. */
  delete(key: Uint8Array, tree: number = MAIN_TREE): Promise<void> {
    return this.#write(key, undefined, tree);
  }

  /** A moment to go back to with `rollbackTo`. */
  savepoint(): Savepoint {
    this.#use();
    return { transaction: this.id, mark: this.#writes.mark() };
  }

  /**
   * Takes back what was written since the savepoint. Locks stay, and so does what was read.
   *
   * @throws {KvsError} `TXN_ENDED` if the savepoint is of another transaction, or was left before.
   */
  rollbackTo(savepoint: Savepoint): void {
    this.#use();
    if (savepoint.transaction !== this.id || savepoint.mark > this.#writes.mark()) {
      throw endedError(this.id, "has no such savepoint, or left it before");
    }
    if (!this.#context.sabotage.savepointKeepsWrites) this.#writes.rollbackTo(savepoint.mark);
  }

  /**
   * Makes all writes take effect at once.
   *
   * @returns When they are durable: the timestamp under which they are visible.
   * @throws {KvsError} `TXN_CONFLICT`, `TXN_DEADLOCK`, `TXN_LOCK_TIMEOUT` (retryable, outcome none);
   *   as `CommitPipe.propose`, with outcome "unknown" if nobody can tell. It has ended in each case.
   */
  async commit(): Promise<{ readonly version: Timestamp }> {
    this.#use();
    this.#state = "committing";
    let isCommitted = false;
    try {
      if (this.#writes.size === 0) {
        isCommitted = true;
        return { version: this.#snapshot?.timestamp ?? this.#context.publishedTs() };
      }
      if (this.options.mode === "optimistic") await this.#lockAll();
      this.#validate(); // from here to `propose` in one turn
      const version = await this.#context.propose([...this.#writes.names()], (writer) =>
        this.#writes.encode(writer),
      );
      isCommitted = true;
      return { version };
    } finally {
      this.#end(undefined, isCommitted);
    }
  }

  /** Ends it without any effect; one that has ended stays as it is. */
  async rollback(): Promise<void> {
    if (this.#state === "open") this.#end(undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.rollback();
  }

  /** It is the youngest of a deadlock. */
  onVictim(error: KvsError): void {
    this.giveUp(error);
  }

  /** Ends it for a reason that every later call is told. */
  giveUp(error: KvsError): void {
    if (this.#state === "ended") return;
    this.#endedBy = error;
    this.#end(error);
  }

  /**
   * Locks and checks all, as `commit` does, and hands the writes to `propose` in that turn. Afterwards
   * it waits for `handOver`; if anything fails, it has ended.
   */
  async prepareWith(propose: ProposeWrites): Promise<void> {
    this.#use();
    this.#state = "committing";
    try {
      if (this.options.mode === "optimistic") await this.#lockAll();
      this.#validate();
      await propose([...this.#writes.names()], (writer) => this.#writes.encode(writer));
    } catch (error) {
      this.#end(undefined);
      throw error;
    }
  }

  /** The transaction lives on elsewhere, with its locks: here it has ended. */
  handOver(): void {
    this.#state = "ended";
    this.#snapshot?.close();
    this.#context.ended(this, true);
  }

  #own(name: string): VersionedValue | undefined {
    const value = this.#writes.get(name)?.value;
    return value === undefined ? undefined : { value: value.slice(), version: 0 };
  }

  #readCommitted(
    key: Uint8Array,
    tree: number,
  ): VersionedValue | undefined | Promise<VersionedValue | undefined> {
    const snapshot = this.#takeSnapshot();
    const found = this.#context.source.read(
      key,
      snapshot === undefined ? { tree } : { tree, snapshot },
    );
    if (!(found instanceof Promise)) return found;
    return found.then((entry) => {
      this.#requireOpen();
      return entry;
    });
  }

  #scanCommitted(range: TransactionScan): ReturnType<TransactionContext["source"]["scanBatches"]> {
    const snapshot = this.#takeSnapshot();
    const options = snapshot === undefined ? range : { ...range, snapshot };
    return this.#context.source.scanBatches(options);
  }

  /** What its reads are as of; `undefined` where each statement sees the newest. */
  #takeSnapshot(): Snapshot | undefined {
    if (this.options.isolation === "read-committed") return undefined;
    this.#hasRead = true;
    this.#snapshot ??= this.#context.source.snapshot();
    return this.#snapshot;
  }

  async #write(key: Uint8Array, value: Uint8Array | undefined, tree: number): Promise<void> {
    this.#useToWrite();
    const length = value?.length ?? 0;
    checkSizes(key.length, length);
    const name = keyName(tree, key);
    const waiting = this.options.mode === "pessimistic" ? this.#lock(name) : undefined;
    const own = waiting === undefined ? value : value?.slice();
    if (waiting !== undefined) await waiting;
    this.#requireRoom(key.length + length);
    if (own === undefined) this.#writes.delete(name);
    else this.#writes.put(name, own);
  }

  #lock(name: string): Promise<void> | undefined {
    const waiting = this.#context.acquire(this, name);
    if (waiting !== undefined) return this.#lockLater(name, waiting);
    this.#catchUpWith(name);
    return undefined;
  }

  async #lockLater(name: string, waiting: Promise<void>): Promise<void> {
    try {
      await waiting;
    } catch (error) {
      this.#end(undefined);
      throw error;
    }
    this.#use();
    this.#catchUpWith(name);
  }

  /** Every key in one turn, so that two commits never wait for each other in a circle. */
  async #lockAll(): Promise<void> {
    const waits: Promise<void>[] = [];
    for (const name of this.#writes.names()) {
      const waiting = this.#context.acquire(this, name);
      if (waiting !== undefined) waits.push(waiting);
      if (this.#endedBy !== undefined) break; // that wait made it the victim of a deadlock
    }
    await Promise.all(waits);
    if (this.#endedBy !== undefined) throw this.#endedBy;
  }

  /** A key that is locked now may have been written since the snapshot was taken. */
  #catchUpWith(name: string): void {
    const { window, sabotage, source } = this.#context;
    const snapshot = this.#snapshot;
    if (snapshot === undefined || sabotage.skipsWriteCheck) return;
    if (!window.isWrittenAfter(name, snapshot.timestamp)) return;
    const isUntouched =
      this.#reads === undefined
        ? !this.#hasRead
        : findConflict(this.#context, snapshot.timestamp, undefined, this.#reads) === undefined;
    if (!isUntouched && !sabotage.refreshesUnchecked) throw this.#failWith(this.#conflict(name));
    this.#snapshot = source.snapshot(); // all that it saw is the same there
    snapshot.close();
  }

  /** @throws {KvsError} `TXN_CONFLICT`. */
  #validate(): void {
    const timestamp = this.#snapshot?.timestamp;
    if (timestamp === undefined) return;
    const conflict = findConflict(this.#context, timestamp, this.#writes, this.#reads);
    if (conflict !== undefined) throw this.#conflict(conflict.name);
  }

  #conflict(name: string | undefined): KvsError {
    this.#context.noteConflict();
    if (name === undefined) return tooOldToValidate(this.id);
    return conflictError(this.id, this.#context.describe(name));
  }

  #failWith(error: KvsError): KvsError {
    this.giveUp(error);
    return error;
  }

  #requireRoom(bytes: number): void {
    const { writeBytesMax } = this.#context;
    const { sizeBytes } = this.#writes;
    if (sizeBytes + bytes > writeBytesMax) throw tooLargeError(this.id, sizeBytes, writeBytesMax);
  }

  #useToWrite(): void {
    this.#use();
    if (this.options.readOnly) throw readOnlyError(this.id);
  }

  #use(): void {
    this.#requireOpen();
    this.#lastUseMs = this.#context.nowMs();
  }

  #requireOpen(): void {
    if (this.#endedBy !== undefined) throw this.#endedBy;
    if (this.#state === "open") return;
    throw endedError(this.id, this.#state === "ended" ? "has ended" : "is being committed");
  }

  #end(error: KvsError | undefined, isCommitted = false): void {
    if (this.#state === "ended") return;
    this.#state = "ended";
    this.#snapshot?.close();
    this.#context.releaseLocks(
      this,
      () => error ?? endedError(this.id, "ended while this call waited"),
    );
    this.#context.ended(this, isCommitted);
  }
}
