import { type Environment } from "@kvs/env";
import { type DatabaseProvider, type HostedDatabase, checkDatabaseName } from "@kvs/protocol";
import { type CommitPipe, type StoreStats } from "@kvs/txn";
import { Expiry } from "./expiry.ts";
import { LocalDatabase } from "./local-database.ts";
import { type RowSource, RowStore } from "./row-store.ts";
import { SpaceList } from "./space-list.ts";

/** What databases live in: a store of rows, and the way in for changes. */
export interface EngineParts {
  readonly rows: RowSource;
  readonly pipe: CommitPipe;
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
  readonly #parts: EngineParts;
  readonly #rows: RowStore;
  readonly #spaces: SpaceList;
  readonly #expiry: Expiry;

  private constructor(environment: Environment, parts: EngineParts) {
    const { rows, pipe } = parts;
    this.#parts = parts;
    this.#rows = new RowStore({
      clock: environment.clock,
      random: environment.random,
      rows,
      pipe,
    });
    this.#spaces = new SpaceList(this.#rows);
    this.#expiry = new Expiry(this.#rows);
  }

  /** Begins to serve the databases of a store, and to remove what expires. */
  static async open(environment: Environment, parts: EngineParts): Promise<DatabaseEngine> {
    const engine = new DatabaseEngine(environment, parts);
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
    return new LocalDatabase(name, {
      engine: this.#parts,
      rows: this.#rows,
      spaces: this.#spaces,
      expiry: this.#expiry,
      closed,
    });
  }

  /** Names of the databases that something was written into, sorted. */
  databases(): Promise<string[]> {
    return this.#spaces.databases();
  }

  /** Waits for the writes that have begun, and stops removing what expires. */
  async close(): Promise<void> {
    await this.#rows.idle();
    await this.#expiry.stop();
  }
}

function nothing(): Promise<void> {
  return Promise.resolve();
}
