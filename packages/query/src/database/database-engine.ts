import { type Environment } from "@kvs/env";
import {
  type DatabaseProvider,
  type HostedDatabase,
  type TransactionFigures,
  checkDatabaseName,
} from "@kvs/protocol";
import { type CommitPipe, type StoreStats, Transactions } from "@kvs/txn";
import { userCallSite } from "./call-site.ts";
import { Expiry } from "./expiry.ts";
import { LocalDatabase } from "./local-database.ts";
import { type RowSource, RowStore } from "./row-store.ts";
import { SpaceList } from "./space-list.ts";

/** What databases live in: a store of rows, and the way in for changes. */
export interface EngineParts {
  readonly rows: RowSource;
  readonly pipe: CommitPipe;
  /** The tree for prepared transactions; without it nothing is prepared. */
  readonly preparedTree?: number;
  checkpoint(): Promise<void>;
  stats(): StoreStats;
  /** Bytes on disk, log included. */
  diskBytes(): Promise<number>;
}

/**
 * The databases of one store. It evaluates writes and sends them through the commit pipe; it does
 * not own the store: close this first, then the store.
 */
export class DatabaseEngine implements DatabaseProvider {
  readonly #environment: Environment;
  readonly #parts: EngineParts;
  readonly #transactions: Transactions;
  readonly #rows: RowStore;
  readonly #spaces: SpaceList;
  readonly #expiry: Expiry;

  private constructor(environment: Environment, parts: EngineParts, transactions: Transactions) {
    const { clock, random } = environment;
    this.#environment = environment;
    this.#parts = parts;
    this.#transactions = transactions;
    this.#rows = new RowStore({ clock, random, rows: parts.rows, transactions });
    this.#spaces = new SpaceList(this.#rows);
    this.#expiry = new Expiry(this.#rows);
  }

  /** Begins to serve the databases of a store, and to remove what expires. */
  static async open(environment: Environment, parts: EngineParts): Promise<DatabaseEngine> {
    const { rows: source, pipe, preparedTree } = parts;
    const prepared = preparedTree === undefined ? {} : { preparedTree };
    let engine: DatabaseEngine | undefined = undefined;
    const transactions = await Transactions.open(environment, {
      source,
      pipe,
      callSite: userCallSite,
      describeKey: (row, tree) => (engine === undefined ? undefined : engine.#describe(row, tree)),
      ...prepared,
    });
    engine = new DatabaseEngine(environment, parts, transactions);
    await engine.#expiry.start();
    return engine;
  }

  /** @throws {KvsError} `BAD_DATABASE_NAME`. */
  open(name: string): Promise<HostedDatabase> {
    return Promise.resolve(this.database(name));
  }

  /**
   * The database of this name, which its first write makes.
   *
   * @param closed What closing it does besides.
   * @throws {KvsError} `BAD_DATABASE_NAME`.
   */
  database(name: string, closed: () => Promise<void> = nothing): LocalDatabase {
    checkDatabaseName(name);
    const { clock, random } = this.#environment;
    return new LocalDatabase(name, {
      clock,
      random,
      transactions: this.#transactions,
      engine: this.#parts,
      rows: this.#rows,
      spaces: this.#spaces,
      expiry: this.#expiry,
      closed,
    });
  }

  transactionFigures(): TransactionFigures {
    return this.#transactions.stats();
  }

  /** The transactions of all databases. */
  get transactions(): Transactions {
    return this.#transactions;
  }

  /** Names of the databases that something was written into, sorted. */
  databases(): Promise<string[]> {
    return this.#spaces.databases();
  }

  #describe(row: Uint8Array, tree: number): string | undefined {
    return tree === this.#parts.preparedTree ? undefined : this.#spaces.describe(row);
  }

  /** Rolls transactions back, waits for the writes that have begun, and stops removing what expires. */
  async close(): Promise<void> {
    this.#transactions.close();
    await this.#rows.idle();
    await this.#expiry.stop();
  }
}

function nothing(): Promise<void> {
  return Promise.resolve();
}
