import { ByteWriter } from "@kvs/codec";
import { type Environment, type Timer, assert, isKvsError } from "@kvs/env";
import { type CommitPipe } from "../commit-pipe.ts";
import { type Mutation, encodeBatch } from "../batch-format.ts";
import { MAIN_TREE } from "../batch-format.ts";
import { type LockOwner, LockTable } from "../locks/lock-table.ts";
import { type Timestamp } from "../timestamp.ts";
import { ConflictWindow } from "./conflict-window.ts";
import { keyName, keyOfName, treeOfName } from "./key-name.ts";
import { PreparedTransactions } from "./prepared-transactions.ts";
import { Transaction } from "./transaction.ts";
import { type TransactionContext, type TransactionSource } from "./transaction-context.ts";
import { describeName, transactionError } from "./transaction-error.ts";
import {
  type Isolation,
  LOCK_TIMEOUT_MS_DEFAULT,
  type TransactionOptions,
  resolveTransactionOptions,
} from "./transaction-options.ts";

/** Open transactions at most. */
const OPEN_MAX = 10_000;
/** Memory that the writes of one transaction take at most: less than a batch has. */
const WRITE_BYTES_MAX: number = 60 << 20;
/** How often forgotten transactions are looked for. */
const SWEEP_MS = 1000;
/** A transaction that reads the past for longer keeps too many versions. */
const SNAPSHOT_AGE_MS_MAX = 600_000;
/** Ends of transactions after which the window is trimmed. */
const ENDS_PER_TRIM = 32;
/** Tries of a single write that was the youngest of a deadlock. */
const WRITE_TRIES_MAX = 10;

export interface TransactionsOptions {
  readonly source: TransactionSource;
  readonly pipe: CommitPipe;
  /** Where in the user's code a call was made, for messages; called only when it has to wait. */
  readonly callSite?: () => string | undefined;
  /** What a key is to people, for messages; `undefined`: as text or bytes. */
  readonly describeKey?: (key: Uint8Array, tree: number) => string | undefined;
  /** The tree for prepared transactions; without it there are none. */
  readonly preparedTree?: number;
  readonly openMax?: number;
  readonly writeBytesMax?: number;
  readonly snapshotAgeMsMax?: number;
}

/** What transactions are doing. Counters begin when they are opened. */
export interface TransactionStats {
  readonly open: number;
  /** Milliseconds since the oldest open one began. */
  readonly oldestMs: number;
  readonly locks: number;
  readonly waits: number;
  readonly deadlocks: number;
  readonly conflicts: number;
  /** Transactions that were committed, and those that ended otherwise. */
  readonly committed: number;
  readonly rolledBack: number;
}

/** A key of a tree. */
export interface TreeKey {
  readonly tree?: number;
  readonly key: Uint8Array;
}

/**
 * Begins transactions, and keeps them and all single writes out of each other's way. Every write to
 * the store goes through it.
 *
 * How: writes lock their keys from before they are evaluated until they are published; commits are
 * validated against the window of what was written since, in the turn in which they are proposed.
 */
export class Transactions {
  readonly #environment: Environment;
  readonly #options: TransactionsOptions;
  readonly #locks: LockTable;
  readonly #window = new ConflictWindow();
  readonly #open = new Set<Transaction>();
  readonly #encoder = new ByteWriter({ initialBytes: 4096 });
  readonly #context: TransactionContext;
  readonly #prepared: PreparedTransactions | undefined;
  readonly #epoch: string;
  readonly #dropsInFlight: boolean;
  readonly #unlocksEarly: boolean;
  readonly #leaksLocks: boolean;
  #lastAge = 0;
  #endsSinceTrim = 0;
  #sweep: Timer | undefined;
  #conflicts = 0;
  #committed = 0;
  #rolledBack = 0;
  #isClosed = false;

  constructor(environment: Environment, options: TransactionsOptions) {
    const { hooks, clock, random } = environment;
    this.#environment = environment;
    this.#options = options;
    this.#epoch = random.nextUint32().toString(36);
    this.#locks = new LockTable({
      clock,
      describeKey: (name) => this.#describe(name),
      keepsVictimLocks: hooks.hasMutant("txn.victim-keeps-locks"),
      losesWakeUps: hooks.hasMutant("txn.lost-wake-up"),
      ignoresCycles: hooks.hasMutant("txn.ignore-cycles"),
    });
    this.#dropsInFlight = hooks.hasMutant("txn.drop-in-flight");
    this.#unlocksEarly = hooks.hasMutant("txn.unlock-before-publish");
    this.#leaksLocks = hooks.hasMutant("txn.rollback-leaks-locks");
    this.#context = this.#makeContext();
    const { preparedTree: tree, source } = options;
    this.#prepared =
      tree === undefined
        ? undefined
        : new PreparedTransactions({
            source,
            clock,
            locks: this.#locks,
            window: this.#window,
            tree,
            nextAge: () => ++this.#lastAge,
            propose: (names, encode) => this.#propose(names, encode),
            forgetsLocks: hooks.hasMutant("txn.prepare-forgets-locks"),
          });
  }

  /**
   * Opens the transactions of a store, and takes up the transactions that were prepared before a restart.
   * Begin nothing before it has answered.
   */
  static async open(environment: Environment, options: TransactionsOptions): Promise<Transactions> {
    const transactions = new Transactions(environment, options);
    await transactions.#prepared?.load();
    return transactions;
  }

  /** Prepared transactions. */
  get prepared(): PreparedTransactions {
    assert(
      this.#prepared !== undefined,
      "transactions are prepared where there is a tree for them",
    );
    return this.#prepared;
  }

  /**
   * Begins a transaction. It reads as of its first read.
   *
   * @throws {KvsError} `TXN_TOO_MANY` (retryable).
   */
  begin(options?: TransactionOptions | Isolation): Transaction {
    const openMax = this.#options.openMax ?? OPEN_MAX;
    if (this.#open.size >= openMax) {
      const message = `${openMax} transactions are open already; begin this one again later`;
      throw transactionError("TXN_TOO_MANY", message, { open: this.#open.size });
    }
    const transaction = new Transaction(this.#context, resolveTransactionOptions(options));
    this.#open.add(transaction);
    this.#scheduleSweep();
    return transaction;
  }

  /**
   * Evaluates and commits one write that belongs to no transaction.
   *
   * @param keys What it reads and writes. Nobody else writes them meanwhile.
   * @param evaluate Reads what it needs, and returns the mutations; none: nothing is committed.
   * @returns The commit timestamp, or `undefined` if there was nothing to commit.
   * @throws {KvsError} `TXN_LOCK_TIMEOUT`, `TXN_TOO_MANY_WAITS`, `TXN_DEADLOCK` (retryable, outcome
   *   none); as `CommitPipe.propose`; what `evaluate` throws.
   */
  async write(
    keys: readonly TreeKey[],
    evaluate: () => readonly Mutation[] | Promise<readonly Mutation[]>,
  ): Promise<Timestamp | undefined> {
    const names = distinctNames(keys);
    const owner = await this.#lockForWrite(names);
    try {
      const evaluated = evaluate();
      const mutations = evaluated instanceof Promise ? await evaluated : evaluated;
      if (mutations.length === 0) return undefined;
      return await this.#propose(names, (writer) => encodeBatch(writer, mutations));
    } finally {
      this.#locks.releaseAll(owner);
      this.#trimSometimes();
    }
  }

  stats(): TransactionStats {
    const nowMs = this.#environment.clock.monotonicMs();
    let oldestMs = 0;
    for (const { beganMs } of this.#open) oldestMs = Math.max(oldestMs, nowMs - beganMs);
    return {
      open: this.#open.size,
      oldestMs,
      locks: this.#locks.heldCount,
      waits: this.#locks.waitCount,
      deadlocks: this.#locks.deadlockCount,
      conflicts: this.#conflicts,
      committed: this.#committed,
      rolledBack: this.#rolledBack,
    };
  }

  /** Rolls back every open transaction. */
  close(): void {
    this.#isClosed = true;
    this.#sweep?.cancel();
    const message = "the store is closed; what was not committed is rolled back";
    for (const transaction of this.#open) {
      if (!transaction.isCommitting) transaction.giveUp(transactionError("TXN_ENDED", message));
    }
  }

  #makeContext(): TransactionContext {
    const { source } = this.#options;
    const { hooks, clock } = this.#environment;
    return {
      source,
      window: this.#window,
      sabotage: {
        skipsPoints: hooks.hasMutant("txn.skip-point-validation"),
        skipsRanges: hooks.hasMutant("txn.skip-range-validation"),
        skipsWriteCheck: hooks.hasMutant("txn.skip-write-check"),
        refreshesUnchecked: hooks.hasMutant("txn.refresh-without-check"),
        savepointKeepsWrites: hooks.hasMutant("txn.savepoint-keeps-writes"),
      },
      writeBytesMax: this.#options.writeBytesMax ?? WRITE_BYTES_MAX,
      nextAge: () => ++this.#lastAge,
      nameOf: (age) => `t-${this.#epoch}-${age}`,
      nowMs: () => clock.monotonicMs(),
      publishedTs: () => source.publishedTs,
      acquire: (owner, name) => this.#acquire(owner, name),
      releaseLocks: (owner, error) => {
        if (!this.#leaksLocks) this.#locks.releaseAll(owner, error);
      },
      describe: (name) => this.#describe(name),
      noteConflict: () => void this.#conflicts++,
      propose: (names, encode) => this.#propose(names, encode),
      ended: (owner, isCommitted) => this.#noteEnd(owner as Transaction, isCommitted),
    };
  }

  #describe(name: string): string {
    const described = this.#options.describeKey?.(keyOfName(name), treeOfName(name));
    return described ?? describeName(name);
  }

  #acquire(owner: LockOwner, name: string): Promise<void> | undefined {
    const timeoutMs =
      owner instanceof Transaction ? owner.options.lockTimeoutMs : LOCK_TIMEOUT_MS_DEFAULT;
    return this.#locks.acquire({ owner, key: name, timeoutMs, site: this.#options.callSite });
  }

  /** Locks all keys, in one turn; one that is the youngest of a deadlock tries again. */
  async #lockForWrite(names: readonly string[]): Promise<LockOwner> {
    const age = ++this.#lastAge;
    for (let tries = 1; ; tries++) {
      const owner: LockOwner = {
        id: `write ${age}`,
        age,
        onVictim: (error) => this.#locks.releaseAll(owner, () => error),
      };
      try {
        let waits: Promise<void>[] | undefined;
        for (const name of names) {
          const waiting = this.#acquire(owner, name);
          if (waiting !== undefined) (waits ??= []).push(waiting);
        }
        if (waits !== undefined) await Promise.all(waits);
        return owner;
      } catch (error) {
        this.#locks.releaseAll(owner, isKvsError(error) ? () => error : undefined);
        if (!isKvsError(error, "TXN_DEADLOCK") || tries === WRITE_TRIES_MAX) throw error;
      }
    }
  }

  async #propose(
    names: readonly string[],
    encode: (writer: ByteWriter) => void,
  ): Promise<Timestamp> {
    const entry = this.#window.note(this.#dropsInFlight ? [] : names);
    try {
      encode(this.#encoder);
      const proposed = this.#options.pipe.propose(this.#encoder.toBytes());
      if (this.#unlocksEarly) entry.timestamp = this.#options.source.publishedTs;
      const { version } = await proposed;
      this.#window.settle(entry, version);
      return version;
    } catch (error) {
      const isUnknown = isKvsError(error) && error.outcome !== "none";
      if (isUnknown) this.#window.settle(entry, this.#options.source.publishedTs);
      else this.#window.remove(entry);
      throw error;
    }
  }

  #noteEnd(transaction: Transaction, isCommitted: boolean): void {
    if (isCommitted) this.#committed++;
    else this.#rolledBack++;
    this.#open.delete(transaction);
    this.#trimSometimes();
  }

  #trimSometimes(): void {
    if (++this.#endsSinceTrim < ENDS_PER_TRIM && this.#open.size > 0) return;
    this.#endsSinceTrim = 0;
    let oldest = this.#options.source.publishedTs;
    for (const { readTimestamp } of this.#open) {
      if (readTimestamp !== undefined && readTimestamp < oldest) oldest = readTimestamp;
    }
    if (oldest > this.#window.floor) this.#window.trim(oldest);
  }

  #scheduleSweep(): void {
    if (this.#sweep !== undefined || this.#isClosed) return;
    this.#sweep = this.#environment.clock.schedule(SWEEP_MS, () => {
      this.#sweep = undefined;
      this.#giveUpForgotten();
      if (this.#open.size > 0) this.#scheduleSweep();
    });
  }

  #giveUpForgotten(): void {
    const nowMs = this.#environment.clock.monotonicMs();
    const ageMsMax = this.#options.snapshotAgeMsMax ?? SNAPSHOT_AGE_MS_MAX;
    for (const transaction of this.#open) {
      if (transaction.isCommitting) continue;
      const { id, options, lastUseMs, beganMs, readTimestamp } = transaction;
      if (nowMs - lastUseMs > options.timeoutMs) {
        const message = `nobody used transaction ${id} for ${options.timeoutMs} ms; it is rolled back`;
        transaction.giveUp(transactionError("TXN_TIMEOUT", message, { transaction: id }));
      } else if (readTimestamp !== undefined && nowMs - beganMs > ageMsMax) {
        const message = `transaction ${id} is open for more than ${ageMsMax} ms; the past that it reads is given up`;
        transaction.giveUp(transactionError("TXN_SNAPSHOT_TOO_OLD", message, { transaction: id }));
      }
    }
  }
}

function distinctNames(keys: readonly TreeKey[]): readonly string[] {
  const names = keys.map(({ tree, key }) => keyName(tree ?? MAIN_TREE, key));
  return names.length === 1 ? names : [...new Set(names)];
}
