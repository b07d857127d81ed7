import { type Environment } from "@kvs/env";
import { DEFAULT_DATABASE, type HostedDatabase, checkDatabaseName } from "@kvs/protocol";
import { Store, type StoreOptions } from "@kvs/txn";
import { DatabaseEngine } from "./database-engine.ts";

/** The name of the tree for prepared transactions. */
const PREPARED_TREE = "prepared-transactions";

/** How to open a database in this process. */
export interface OpenOptions extends Omit<StoreOptions, "path"> {
  /** Which database of the store. Default: `default`. */
  readonly database?: string;
}

/** A store and the databases in it, opened together. */
export interface OpenedStore {
  readonly store: Store;
  readonly engine: DatabaseEngine;
  close(): Promise<void>;
}

/**
 * Opens a store and serves its databases.
 *
 * @throws {KvsError} as `Store.open`.
 */
export async function openEngine(
  environment: Environment,
  options: StoreOptions,
): Promise<OpenedStore> {
  const store = await Store.open(environment, options);
  const opening = openOn(environment, store, options.path);
  const engine = await opening.catch(async (error: unknown) => {
    await store.close().catch(() => undefined); // why it cannot be opened says more
    throw error;
  });
  return {
    store,
    engine,
    async close() {
      await engine.close();
      await store.close();
    },
  };
}

/**
 * Opens one database of a store of its own; closing it closes the store.
 *
 * @throws {KvsError} as `Store.open`; `BAD_DATABASE_NAME`.
 */
export async function openDatabase(
  environment: Environment,
  path: string,
  options: OpenOptions = {},
): Promise<HostedDatabase> {
  const { database = DEFAULT_DATABASE, ...storeOptions } = options;
  checkDatabaseName(database);
  const opened = await openEngine(environment, { ...storeOptions, path });
  return opened.engine.database(database, () => opened.close());
}

async function openOn(
  environment: Environment,
  store: Store,
  path: string,
): Promise<DatabaseEngine> {
  return DatabaseEngine.open(environment, {
    rows: store,
    pipe: store,
    preparedTree: await store.openTree(PREPARED_TREE),
    checkpoint: () => store.checkpoint(),
    stats: () => store.stats(),
    diskBytes: () => diskBytes(environment, path),
  });
}

/** Bytes of all files below a directory. */
async function diskBytes(environment: Environment, path: string): Promise<number> {
  const { disk } = environment;
  let bytes = 0;
  for (const name of await disk.list(path)) {
    const below = `${path}/${name}`;
    const stat = await disk.stat(below);
    if (stat?.type === "directory") bytes += await diskBytes(environment, below);
    else bytes += stat?.sizeBytes ?? 0;
  }
  return bytes;
}
