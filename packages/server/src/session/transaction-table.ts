import { KvsError } from "@kvs/env";
import {
  type HostedDatabase,
  TRANSACTION_TIMEOUT_MS,
  type TransactionOptions,
  protocolError,
} from "@kvs/protocol";
import { SessionTransaction } from "./session-transaction.ts";

export interface TransactionTableOptions {
  readonly transactionsMax: number;
  /** The longest time without a call that a client may ask for. */
  readonly timeoutMsMax: number;
  /** Sabotage: a connection that ends leaves its transactions behind. */
  readonly survivesConnection: boolean;
}

/** A transaction that was begun, and its number on the connection. */
export interface BegunTransaction {
  readonly number: number;
  readonly id: string;
}

/**
 * The transactions of one connection. Numbers are 1, 2, 3 …, and never used again.
 *
 * One that ended by itself, because nobody used it or others were in its way, stays until there is
 * need for its room, so that a late call learns why.
 */
export class TransactionTable {
  readonly #options: TransactionTableOptions;
  readonly #transactions = new Map<number, SessionTransaction>();
  #beginning = 0;
  #lastNumber = 0;
  #isOver = false;

  constructor(options: TransactionTableOptions) {
    this.#options = options;
  }

  /** Transactions that hold, or may come to hold, anything. */
  get openCount(): number {
    let count = this.#beginning;
    for (const transaction of this.#transactions.values()) if (transaction.isOpen) count++;
    return count;
  }

  /** @throws {KvsError} `TOO_MANY_TRANSACTIONS` (retryable), and as `Database.begin`. */
  async begin(database: HostedDatabase, options: TransactionOptions): Promise<BegunTransaction> {
    this.#makeRoom();
    const { timeoutMs = TRANSACTION_TIMEOUT_MS } = options;
    const bounded = Math.min(timeoutMs, this.#options.timeoutMsMax);
    this.#beginning++;
    try {
      const hosted = await database.begin({ ...options, timeoutMs: bounded });
      if (this.#isOver) await hosted.rollback();
      const number = ++this.#lastNumber;
      this.#transactions.set(number, new SessionTransaction(hosted));
      return { number, id: hosted.id };
    } finally {
      this.#beginning--;
    }
  }

  find(number: number): SessionTransaction | undefined {
    return this.#transactions.get(number);
  }

  /** @throws {KvsError} `TXN_ENDED` if there is none with this number. */
  get(number: number): SessionTransaction {
    const transaction = this.#transactions.get(number);
    if (transaction !== undefined) return transaction;
    // The code is one of @kvs/txn, of which a server knows nothing.
    const message = `transaction ${number} of this connection has ended, or was never begun; begin another`;
    throw new KvsError("TXN_ENDED", message, { outcome: "none", details: { number } });
  }

  /** Forgets one that its client has ended. */
  remove(number: number): void {
    this.#transactions.delete(number);
  }

  /** Rolls back all that are not being committed. None is begun any more. */
  end(): void {
    this.#isOver = true;
    if (this.#options.survivesConnection) return;
    for (const transaction of this.#transactions.values()) {
      transaction.rollback().catch(() => undefined); // what failed has ended, too
    }
    this.#transactions.clear();
  }

  #makeRoom(): void {
    const { transactionsMax } = this.#options;
    if (this.#transactions.size + this.#beginning < transactionsMax) return;
    for (const [number, { isOpen }] of this.#transactions) {
      if (!isOpen) this.#transactions.delete(number);
    }
    if (this.#transactions.size + this.#beginning < transactionsMax) return;
    throw protocolError(
      "TOO_MANY_TRANSACTIONS",
      `${transactionsMax} transactions of this connection are open, as many as it may have; ` +
        "commit some, or roll them back",
      { details: { transactionsMax } },
    );
  }
}
