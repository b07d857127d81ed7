import { type DocumentObject } from "@kvs/codec";
import {
  type Collection,
  type Cursor,
  type DocumentCondition,
  type DocumentEnvelope,
  type FindQuery,
  type HostedTransaction,
  type RawAccess,
  type RawCondition,
  type RawCursor,
  type RawEntry,
  type RawOperation,
  type RawPutOptions,
  type RawRange,
  type Stored,
  type UpdateOptions,
} from "@kvs/protocol";

/**
 * A transaction of a connection: its calls are executed in the order in which they are made, each
 * when the one before it has ended. Other transactions of the connection do not wait for it.
 */
export class SessionTransaction implements RawAccess {
  readonly id: string;
  readonly #hosted: HostedTransaction;
  #pending = 0;
  /** Settles with the last of the calls made so far. */
  #tail: Promise<void> = Promise.resolve();
  #isCommitAsked = false;

  constructor(hosted: HostedTransaction) {
    this.#hosted = hosted;
    this.id = hosted.id;
  }

  get isOpen(): boolean {
    return this.#hosted.isOpen;
  }

  getRaw(key: Uint8Array): Promise<RawEntry | undefined> {
    return this.#run(() => this.#hosted.getRaw(key));
  }

  getForUpdateRaw(key: Uint8Array): Promise<RawEntry | undefined> {
    return this.#run(() => this.#hosted.getForUpdateRaw(key));
  }

  putRaw(key: Uint8Array, value: Uint8Array, options: RawPutOptions): Promise<number> {
    return this.#run(() => this.#hosted.putRaw(key, value, options));
  }

  deleteRaw(key: Uint8Array, options: RawCondition): Promise<boolean> {
    return this.#run(() => this.#hosted.deleteRaw(key, options));
  }

  batchRaw(operations: readonly RawOperation[]): Promise<number> {
    return this.#run(() => this.#hosted.batchRaw(operations));
  }

  insertRaw(
    collection: string,
    documents: readonly Uint8Array[],
    ordered: () => void,
  ): Promise<string[]> {
    ordered(); // the queue keeps the order; others of the connection need not wait for locks
    return this.#run(() => this.#hosted.insertRaw(collection, documents, () => undefined));
  }

  scanRaw(range: RawRange): RawCursor {
    const cursor = this.#hosted.scanRaw(range);
    return {
      next: (entriesMax, bytesMax) => this.#run(() => cursor.next(entriesMax, bytesMax)),
      close: () => cursor.close(),
    };
  }

  documents(name: string): Collection<DocumentObject> {
    return new QueuedCollection(this.#hosted.documents(name), (call) => this.#run(call));
  }

  savepoint(): Promise<number> {
    return this.#run(async () => (await this.#hosted.savepoint()).mark);
  }

  rollbackTo(mark: number): Promise<void> {
    return this.#run(() => this.#hosted.rollbackTo({ transaction: this.id, mark }));
  }

  async commit(): Promise<number> {
    this.#isCommitAsked = true;
    const { version } = await this.#run(() => this.#hosted.commit());
    return version;
  }

  /** At once, whatever waits: that then fails. But a commit that was asked for goes first. */
  rollback(): Promise<void> {
    if (this.#isCommitAsked) return this.#run(() => this.#hosted.rollback());
    return this.#hosted.rollback();
  }

  #run<T>(call: () => T | Promise<T>): Promise<T> {
    const isFirst = this.#pending === 0; // then locks are asked for in the order of the requests
    this.#pending++;
    const result = isFirst ? begin(call) : this.#tail.then(call);
    const end = (): void => void this.#pending--;
    this.#tail = result.then(end, end);
    return result;
  }
}

async function begin<T>(call: () => T | Promise<T>): Promise<T> {
  return call();
}

type Run = <T>(call: () => T | Promise<T>) => Promise<T>;

/** A collection whose calls, and steps of walks, go through a queue. */
class QueuedCollection implements Collection<DocumentObject> {
  readonly name: string;
  readonly #inner: Collection<DocumentObject>;
  readonly #run: Run;

  constructor(inner: Collection<DocumentObject>, run: Run) {
    this.name = inner.name;
    this.#inner = inner;
    this.#run = run;
  }

  insert(document: DocumentObject): Promise<string> {
    return this.#run(() => this.#inner.insert(document));
  }

  insertMany(documents: readonly DocumentObject[]): Promise<string[]> {
    return this.#run(() => this.#inner.insertMany(documents));
  }

  get(id: string): Promise<Stored<DocumentObject> | undefined> {
    return this.#run(() => this.#inner.get(id));
  }

  getDocument(id: string): Promise<DocumentEnvelope<DocumentObject> | undefined> {
    return this.#run(() => this.#inner.getDocument(id));
  }

  update(id: string, replacement: DocumentObject, options?: UpdateOptions): Promise<boolean> {
    return this.#run(() => this.#inner.update(id, replacement, options));
  }

  delete(id: string, options?: DocumentCondition): Promise<boolean> {
    return this.#run(() => this.#inner.delete(id, options));
  }

  find(query?: FindQuery): Cursor<Stored<DocumentObject>> {
    return queuedCursor(this.#inner.find(query), this.#run);
  }

  count(filter?: object): Promise<number> {
    return this.#run(() => this.#inner.count(filter));
  }
}

function queuedCursor<T>(cursor: Cursor<T>, run: Run): Cursor<T> {
  return {
    toArray: () => run(() => cursor.toArray()),
    first: () => run(() => cursor.first()),
    count: () => run(() => cursor.count()),
    [Symbol.asyncIterator]() {
      const steps = cursor[Symbol.asyncIterator]();
      return {
        next: () => run(() => steps.next()),
        return: async () => (await steps.return?.()) ?? { done: true, value: undefined },
      };
    },
  };
}
