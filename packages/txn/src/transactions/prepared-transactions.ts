import { ByteWriter, decodeUtf8, encodeUtf8, utf8Length } from "@kvs/codec";
import { type Clock, type KvsError, Mutex, assert } from "@kvs/env";
import { BatchReader, MUTATION_DELETE, writeMutation } from "../batch-format.ts";
import { type LockOwner, type LockTable } from "../locks/lock-table.ts";
import { type Timestamp } from "../timestamp.ts";
import { type ConflictWindow } from "./conflict-window.ts";
import {
  GLOBAL_ID_BYTES_MAX,
  type PreparedRow,
  decodePreparedRow,
  encodePreparedRow,
  namesOfBatch,
} from "./prepared-format.ts";
import { type Transaction } from "./transaction.ts";
import { type TransactionSource } from "./transaction-context.ts";
import { transactionError } from "./transaction-error.ts";

/** Prepared transactions at most: their locks and writes are held in memory. */
const PREPARED_MAX = 10_000;

/** A prepared transaction that waits for its decision. */
export interface InDoubt {
  readonly globalId: string;
  readonly coordinator: string;
  readonly preparedAtMs: number;
  /** How many keys it keeps locked. */
  readonly keyCount: number;
}

/** What became of a decision. */
export type PreparedOutcome =
  | { readonly outcome: "committed"; readonly version: Timestamp }
  | { readonly outcome: "rolled-back" };

export interface PreparedTransactionsParts {
  readonly source: TransactionSource;
  readonly clock: Clock;
  readonly locks: LockTable;
  readonly window: ConflictWindow;
  /** The system tree that holds them. */
  readonly tree: number;
  readonly nextAge: () => number;
  /** Proposes a batch that writes these keys. */
  readonly propose: (
    names: readonly string[],
    encode: (writer: ByteWriter) => void,
  ) => Promise<Timestamp>;
  /** Sabotage: what is prepared keeps no locks over a restart. */
  readonly forgetsLocks: boolean;
}

/** One that is prepared: who holds its locks. */
interface Held {
  readonly owner: LockOwner;
  readonly row: Extract<PreparedRow, { state: "prepared" }>;
  readonly names: readonly string[];
}

/**
 * Transactions that are prepared: all that could make them fail is behind them, their writes are
 * durable, their keys locked, and somebody else decides. They survive a restart.
 *
 * 1. Until it is decided nobody else writes its keys, and no serializable transaction commits that read
 *    them as they were.
 * 2. A decision is durable when its call answers, and repeating it answers the same. The other decision
 *    is then refused.
 * 3. An id that was rolled back, even before anything was prepared under it, can never be prepared.
 * 4. An id that nobody knows is an error: whether its transaction took effect is never guessed.
 *
 * Source: Gray & Reuter, "Transaction Processing" (1993), §7.5, presumed abort.
 */
export class PreparedTransactions {
  readonly #parts: PreparedTransactionsParts;
  readonly #held = new Map<string, Held>();
  /** One decision at a time: two about one id must see each other. */
  readonly #mutex = new Mutex();

  constructor(parts: PreparedTransactionsParts) {
    this.#parts = parts;
  }

  /** Takes up what was prepared before a restart, with its locks. Call it before anything else. */
  async load(): Promise<void> {
    const { source, tree, forgetsLocks } = this.#parts;
    for await (const batch of source.scanBatches({ tree })) {
      for (let index = 0; index < batch.count; index++) {
        const row = decodePreparedRow(batch.value(index));
        if (row.state !== "prepared" || forgetsLocks) continue;
        const globalId = decodeUtf8(batch.key(index));
        const held = this.#lockAll(globalId, namesOfBatch(row.batch));
        this.#held.set(globalId, { ...held, row });
      }
    }
  }

  /** Those that wait for a decision, the oldest first. */
  inDoubt(): InDoubt[] {
    const all = [...this.#held].map(([globalId, { row, names }]) => ({
      globalId,
      coordinator: row.coordinator,
      preparedAtMs: row.preparedAtMs,
      keyCount: names.length,
    }));
    return all.toSorted((a, b) => a.preparedAtMs - b.preparedAtMs);
  }

  /**
   * Prepares a transaction under an id that its coordinator chose. It ends here; what is prepared
   * waits for `commit` or `rollback`.
   *
   * @throws {KvsError} `TXN_PREPARED_EXISTS`, `TXN_TOO_MANY_PREPARED`: it is still open. `TXN_CONFLICT`,
   *   `TXN_DEADLOCK`, `TXN_LOCK_TIMEOUT`: it is rolled back. As `CommitPipe.propose`: if the outcome is
   *   unknown, ask for the id after the store is open again.
   */
  prepare(transaction: Transaction, globalId: string, coordinator: string): Promise<void> {
    return this.#mutex.run(async () => {
      this.#checkId(globalId);
      if ((await this.#find(globalId)) !== undefined) throw existsError(globalId);
      if (this.#held.size >= PREPARED_MAX) throw tooManyError();
      const { locks, window, tree, propose, clock } = this.#parts;
      const key = encodeUtf8(globalId);
      let held: Omit<Held, "owner"> | undefined;
      await transaction.prepareWith((names, encode) => {
        window.pin(names);
        const writer = new ByteWriter();
        encode(writer);
        const preparedAtMs = Math.max(clock.wallMs(), 0);
        const row = {
          state: "prepared",
          preparedAtMs,
          coordinator,
          batch: writer.toBytes(),
        } as const;
        held = { names, row };
        const value = encodePreparedRow(row);
        return propose([], (batch) => writeOne(batch, { tree, key, value })).catch(
          (error: unknown) => {
            window.unpin(names);
            throw error;
          },
        );
      });
      assert(held !== undefined, "what is prepared was proposed");
      const owner = this.#ownerOf(globalId);
      locks.transfer(transaction, owner);
      this.#held.set(globalId, { owner, ...held });
      transaction.handOver();
    });
  }

  /**
   * Makes what was prepared take effect.
   *
   * @throws {KvsError} `TXN_UNKNOWN_PREPARED`, `TXN_PREPARED_DECIDED` (it was rolled back); as
   *   `CommitPipe.propose`: it is still prepared, or nobody can tell.
   */
  commit(globalId: string): Promise<PreparedOutcome> {
    return this.#mutex.run(async () => {
      const held = this.#held.get(globalId);
      if (held === undefined) return this.#decided(globalId, "committed");
      const { tree, propose, window } = this.#parts;
      const key = encodeUtf8(globalId);
      const version = await propose(held.names, (writer) => {
        const value = encodePreparedRow({ state: "committed" });
        copyBatch(writer, held.row.batch, { tree, key, value });
      });
      window.unpin(held.names);
      this.#letGo(globalId, held);
      return { outcome: "committed", version };
    });
  }

  /**
   * Takes back what was prepared; of an id that was never prepared, makes sure that it never is.
   *
   * @throws {KvsError} `TXN_PREPARED_DECIDED` (it was committed); as `commit`.
   */
  rollback(globalId: string): Promise<PreparedOutcome> {
    return this.#mutex.run(async () => {
      this.#checkId(globalId);
      const held = this.#held.get(globalId);
      const found = held === undefined ? await this.#find(globalId) : undefined;
      if (found !== undefined) return this.#decided(globalId, "rolled-back");
      const { tree, propose, window } = this.#parts;
      const key = encodeUtf8(globalId);
      const value = encodePreparedRow({ state: "rolled-back" });
      await propose([], (writer) => writeOne(writer, { tree, key, value }));
      if (held !== undefined) {
        window.unpin(held.names);
        this.#letGo(globalId, held);
      }
      return { outcome: "rolled-back" };
    });
  }

  /** @throws {KvsError} `TXN_UNKNOWN_PREPARED` unless it is prepared, or was decided. */
  async requireKnown(globalId: string): Promise<void> {
    if (this.#held.has(globalId)) return;
    if ((await this.#find(globalId)) === undefined) throw unknownError(globalId);
  }

  /**
   * Forgets what became of an id, once nobody will ask again.
   *
   * @throws {KvsError} `TXN_PREPARED_EXISTS` if it is not decided.
   */
  forget(globalId: string): Promise<void> {
    return this.#mutex.run(async () => {
      if (this.#held.has(globalId)) throw existsError(globalId);
      if ((await this.#find(globalId)) === undefined) return;
      const { tree, propose } = this.#parts;
      const key = encodeUtf8(globalId);
      await propose([], (writer) => writeOne(writer, { tree, key, value: undefined }));
    });
  }

  async #decided(globalId: string, wanted: PreparedOutcome["outcome"]): Promise<PreparedOutcome> {
    const found = await this.#find(globalId);
    if (found === undefined) throw unknownError(globalId);
    const { row, version } = found;
    assert(row.state !== "prepared", "what is prepared is held");
    if (row.state !== wanted) throw decidedError(globalId, row.state);
    return wanted === "committed" ? { outcome: wanted, version } : { outcome: wanted };
  }

  async #find(
    globalId: string,
  ): Promise<{ readonly row: PreparedRow; readonly version: Timestamp } | undefined> {
    const { source, tree } = this.#parts;
    const found = await source.read(encodeUtf8(globalId), { tree });
    if (found === undefined) return undefined;
    return { row: decodePreparedRow(found.value), version: found.version };
  }

  #lockAll(globalId: string, names: readonly string[]): Pick<Held, "owner" | "names"> {
    const { locks, window } = this.#parts;
    const owner = this.#ownerOf(globalId);
    window.pin(names);
    for (const key of names) {
      const waiting = locks.acquire({ owner, key, timeoutMs: 0 });
      assert(waiting === undefined, "two prepared transactions never write the same key");
    }
    return { owner, names };
  }

  #ownerOf(globalId: string): LockOwner {
    return {
      id: `prepared ${globalId}`,
      age: this.#parts.nextAge(),
      onVictim: () => assert(false, "what is prepared waits for nobody"),
    };
  }

  #letGo(globalId: string, { owner }: Held): void {
    this.#held.delete(globalId);
    this.#parts.locks.releaseAll(owner);
  }

  #checkId(globalId: string): void {
    const bytes = utf8Length(globalId);
    assert(bytes >= 1 && bytes <= GLOBAL_ID_BYTES_MAX, "a global id has 1 to 200 bytes");
  }
}

interface TreeRow {
  readonly tree: number;
  readonly key: Uint8Array;
  readonly value: Uint8Array | undefined;
}

/** A batch of one mutation. */
function writeOne(writer: ByteWriter, { tree, key, value }: TreeRow): void {
  writer.reset();
  writer.varint(1);
  writeMutation(writer, tree, key, value);
}

/** A batch with one mutation more. */
function copyBatch(writer: ByteWriter, batch: Uint8Array, { tree, key, value }: TreeRow): void {
  const reader = new BatchReader().reset(batch);
  writer.reset();
  writer.varint(reader.remaining + 1);
  writeMutation(writer, tree, key, value);
  while (reader.next()) {
    const isDelete = reader.type === MUTATION_DELETE;
    const written = isDelete ? undefined : batch.subarray(reader.valueFrom, reader.valueTo);
    writeMutation(writer, reader.tree, batch.subarray(reader.keyFrom, reader.keyTo), written);
  }
}

function existsError(globalId: string): KvsError {
  const message =
    `there is a transaction, prepared or decided, under the id ${JSON.stringify(globalId)}; ` +
    "choose an id that was never used";
  return transactionError("TXN_PREPARED_EXISTS", message, { globalId });
}

function tooManyError(): KvsError {
  const message = `${PREPARED_MAX} transactions wait for a decision; decide some of them first`;
  return transactionError("TXN_TOO_MANY_PREPARED", message);
}

function unknownError(globalId: string): KvsError {
  const message =
    `nothing is known here of the id ${JSON.stringify(globalId)}: it was never prepared, ` +
    "or forgotten after its decision; ask its coordinator";
  return transactionError("TXN_UNKNOWN_PREPARED", message, { globalId });
}

function decidedError(globalId: string, state: "committed" | "rolled-back"): KvsError {
  const how = state === "committed" ? "committed" : "rolled back";
  const message = `the transaction ${JSON.stringify(globalId)} was ${how}; that stays so`;
  return transactionError("TXN_PREPARED_DECIDED", message, { globalId, state });
}
