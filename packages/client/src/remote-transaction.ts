import { type DocumentValue, type Key } from "@kvs/codec";
import {
  type Collection,
  type KeyEntry,
  type KeyOperation,
  type KeyRangeOptions,
  RequestCode,
  type Savepoint,
  type Transaction,
  type TransactionOptions,
  type ValueEntry,
  checkCollectionName,
  requestKind,
  transactionOptionsDocument,
} from "@kvs/protocol";
import { readCount, readNothing, readValue, readVersion } from "./answer-readers.ts";
import { type Channel } from "./channel.ts";
import { transactionEnded } from "./client-error.ts";
import { type Dispatcher } from "./dispatcher.ts";
import { type AnswerReader } from "./pending-request.ts";
import { RemoteCollection } from "./remote-collection.ts";
import { RemoteKeyValue } from "./remote-key-value.ts";
import { request } from "./request.ts";
import { TransactionPath } from "./transaction-path.ts";

const BEGIN = requestKind(RequestCode.BEGIN)!;
const GET_FOR_UPDATE = requestKind(RequestCode.GET_FOR_UPDATE)!;
const SAVEPOINT = requestKind(RequestCode.SAVEPOINT)!;
const ROLLBACK_TO = requestKind(RequestCode.ROLLBACK_TO)!;
const COMMIT = requestKind(RequestCode.COMMIT)!;
const ROLLBACK = requestKind(RequestCode.ROLLBACK)!;

/** Begins a transaction on a server, on whichever connection is free. */
export async function beginRemote(
  dispatcher: Dispatcher,
  options: TransactionOptions,
): Promise<Transaction> {
  const begun = await request(dispatcher, BEGIN, 1, readBegun, (frame) =>
    frame.document(transactionOptionsDocument(options)),
  );
  return new RemoteTransaction(new TransactionPath(dispatcher, begun));
}

/** A transaction that a server holds for one connection. */
class RemoteTransaction implements Transaction {
  readonly id: string;
  readonly #path: TransactionPath;
  readonly #kv: RemoteKeyValue;

  constructor(path: TransactionPath) {
    this.id = path.id;
    this.#path = path;
    this.#kv = new RemoteKeyValue(path);
  }

  get<V = DocumentValue>(key: Key): Promise<V | undefined> {
    return this.#kv.get<V>(key);
  }

  getEntry<V = DocumentValue>(key: Key): Promise<ValueEntry<V> | undefined> {
    return this.#kv.getEntry<V>(key);
  }

  getForUpdate<V = DocumentValue>(key: Key): Promise<V | undefined> {
    const found = this.#path.request(GET_FOR_UPDATE, 1, readValue, (frame) => frame.key(key));
    return found as Promise<V | undefined>;
  }

  scan<V = DocumentValue>(range?: KeyRangeOptions): AsyncIterable<KeyEntry<V>> {
    return this.#kv.scan<V>(range);
  }

  async put(
    key: Key,
    value: unknown,
    options?: { readonly ttlMs?: number; readonly ifVersion?: number },
  ): Promise<void> {
    await this.#kv.put(key, value, options);
  }

  delete(key: Key, options?: { readonly ifVersion?: number }): Promise<boolean> {
    return this.#kv.delete(key, options);
  }

  async batch(operations: readonly KeyOperation[]): Promise<void> {
    await this.#kv.batch(operations);
  }

  collection<T extends object>(name: string): Collection<T> {
    checkCollectionName(name);
    return new RemoteCollection<T>(this.#path, name);
  }

  async savepoint(): Promise<Savepoint> {
    const mark = await this.#path.request(SAVEPOINT, 0, readCount, nothing);
    return { transaction: this.id, mark };
  }

  async rollbackTo({ transaction, mark }: Savepoint): Promise<void> {
    if (transaction !== this.id) throw transactionEnded(this.id, "has no such savepoint");
    await this.#path.request(ROLLBACK_TO, 1, readNothing, (frame) => frame.uint(mark));
  }

  async commit(): Promise<{ readonly version: number }> {
    const committed = this.#path.request(COMMIT, 0, readVersion, nothing);
    this.#path.end("is being committed");
    try {
      return await committed;
    } finally {
      this.#path.end("has ended");
    }
  }

  async rollback(): Promise<void> {
    if (!this.#path.isOpen) return;
    const ended = this.#path.request(ROLLBACK, 0, readNothing, nothing);
    this.#path.end("has ended");
    // Where nobody answers, the server rolls back what nobody uses.
    await ended.catch(() => undefined);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.rollback();
  }
}

function readBegun(...[reader, channel]: Parameters<AnswerReader<unknown>>): {
  readonly number: number;
  readonly id: string;
  readonly channel: Channel;
} {
  return { number: reader.uint(), id: reader.text(), channel };
}

function nothing(): void {
  // a request about the transaction as a whole has no fields of its own
}
