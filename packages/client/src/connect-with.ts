import { type Environment } from "@kvs/env";
import {
  type Collection,
  type Database,
  type DatabaseStats,
  type Isolation,
  type KeyValue,
  RequestCode,
  type RetryOptions,
  type Transaction,
  type TransactionOptions,
  checkCollectionName,
  checkTransactionOptions,
  requestKind,
  runTransaction,
} from "@kvs/protocol";
import { readNothing, readStats } from "./answer-readers.ts";
import { type ClientOptions, resolveClientOptions } from "./client-options.ts";
import { parseConnectionUrl } from "./connection-url.ts";
import { Dispatcher } from "./dispatcher.ts";
import { RemoteCollection } from "./remote-collection.ts";
import { RemoteKeyValue } from "./remote-key-value.ts";
import { beginRemote } from "./remote-transaction.ts";
import { request } from "./request.ts";

const STATS = requestKind(RequestCode.STATS)!;
const CHECKPOINT = requestKind(RequestCode.CHECKPOINT)!;

/**
 * Connects to the database that a URL names: `kvs://host:port,host:port/database`.
 *
 * Hosts are tried in their order, each once. Later, a connection that is lost is opened again, and
 * requests wait for that until their deadline.
 *
 * @throws {KvsError} `BAD_URL`, `BAD_DATABASE_NAME`, `BAD_OPTION`; `CONNECTION_FAILED` if no host
 *   answers; `PROTOCOL_VERSION`, and what else a server answers who refuses.
 */
export async function connectWith(
  environment: Environment,
  url: string,
  options: ClientOptions = {},
): Promise<Database> {
  const target = parseConnectionUrl(url);
  const dispatcher = new Dispatcher(environment, target, resolveClientOptions(options));
  await dispatcher.open();
  return new RemoteDatabase(environment, dispatcher, target.database);
}

/** A database on a server. */
class RemoteDatabase implements Database {
  readonly name: string;
  readonly kv: KeyValue;
  readonly #environment: Environment;
  readonly #dispatcher: Dispatcher;

  constructor(environment: Environment, dispatcher: Dispatcher, name: string) {
    this.#environment = environment;
    this.name = name;
    this.kv = new RemoteKeyValue(dispatcher);
    this.#dispatcher = dispatcher;
  }

  collection<T extends object>(name: string): Collection<T> {
    checkCollectionName(name);
    return new RemoteCollection<T>(this.#dispatcher, name);
  }

  async begin(options?: Isolation | TransactionOptions): Promise<Transaction> {
    return beginRemote(this.#dispatcher, checkTransactionOptions(options));
  }

  transaction<R>(body: (tx: Transaction) => Promise<R>, options?: RetryOptions): Promise<R> {
    const { clock, random } = this.#environment;
    const begin = (given: Isolation | TransactionOptions): Promise<Transaction> =>
      this.begin(given);
    return runTransaction({ clock, random, begin }, body, options);
  }

  checkpoint(): Promise<void> {
    return request(this.#dispatcher, CHECKPOINT, 0, readNothing, () => undefined);
  }

  stats(): Promise<DatabaseStats> {
    return request(this.#dispatcher, STATS, 0, readStats, () => undefined);
  }

  close(): Promise<void> {
    return this.#dispatcher.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
