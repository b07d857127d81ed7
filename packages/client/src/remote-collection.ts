import { type DocumentObject, type DocumentValue, decodeDocument } from "@kvs/codec";
import {
  BATCH_OPERATIONS_MAX,
  type Collection,
  type Cursor,
  type DocumentCondition,
  type DocumentEnvelope,
  type FindQuery,
  type FrameReader,
  RequestCode,
  type Stored,
  type UpdateOptions,
  protocolError,
  queryDocument,
  requestKind,
} from "@kvs/protocol";
import { readBoolean, readCount, readTexts, readValue } from "./answer-readers.ts";
import { type ItemsReader, type WalkStep, readStep, walk } from "./remote-cursor.ts";
import { batchTooLarge, checkCount } from "./remote-key-value.ts";
import { type RequestPath, request } from "./request.ts";

const INSERT = requestKind(RequestCode.INSERT)!;
const FETCH = requestKind(RequestCode.FETCH)!;
const FETCH_ENVELOPE = requestKind(RequestCode.FETCH_ENVELOPE)!;
const UPDATE = requestKind(RequestCode.UPDATE)!;
const REMOVE = requestKind(RequestCode.REMOVE)!;
const FIND = requestKind(RequestCode.FIND)!;
const COUNT = requestKind(RequestCode.COUNT)!;

/** Documents of a collection on a server. */
export class RemoteCollection<T extends object> implements Collection<T> {
  readonly name: string;
  readonly #path: RequestPath;

  /** @param name One that `checkCollectionName` accepts. */
  constructor(path: RequestPath, name: string) {
    this.#path = path;
    this.name = name;
  }

  async insert(document: T): Promise<string> {
    const [id] = await this.insertMany([document]);
    return id!;
  }

  insertMany(documents: readonly T[]): Promise<string[]> {
    return request(this.#path, INSERT, 2, readTexts, (frame) => {
      if (documents.length > BATCH_OPERATIONS_MAX) throw batchTooLarge(documents.length);
      frame.text(this.name);
      frame.array(documents.length);
      for (const document of documents) frame.document(document as DocumentObject);
    });
  }

  get(id: string): Promise<Stored<T> | undefined> {
    const found = request(this.#path, FETCH, 2, readValue, (frame) => {
      frame.text(this.name);
      frame.text(id);
    });
    return found as Promise<Stored<T> | undefined>;
  }

  getDocument(id: string): Promise<DocumentEnvelope<T> | undefined> {
    const found = request(this.#path, FETCH_ENVELOPE, 2, readValue, (frame) => {
      frame.text(this.name);
      frame.text(id);
    });
    return found as Promise<DocumentEnvelope<T> | undefined>;
  }

  update(id: string, replacement: T, options: UpdateOptions = {}): Promise<boolean> {
    const { ifVersion, upsert = false } = options;
    return request(this.#path, UPDATE, 5, readBoolean, (frame) => {
      if (ifVersion !== undefined) checkCount("ifVersion", ifVersion);
      frame.text(this.name);
      frame.text(id);
      frame.document(replacement as DocumentObject);
      frame.uintIfAny(ifVersion);
      frame.bool(upsert);
    });
  }

  delete(id: string, options: DocumentCondition = {}): Promise<boolean> {
    const { ifVersion } = options;
    return request(this.#path, REMOVE, 3, readBoolean, (frame) => {
      if (ifVersion !== undefined) checkCount("ifVersion", ifVersion);
      frame.text(this.name);
      frame.text(id);
      frame.uintIfAny(ifVersion);
    });
  }

  find(query: FindQuery = {}): Cursor<Stored<T>> {
    return new RemoteCursor<Stored<T>>(this.#path, this.name, query);
  }

  count(filter?: object): Promise<number> {
    return countFound(this.#path, this.name, filter === undefined ? {} : { filter });
  }
}

class RemoteCursor<T> implements Cursor<T> {
  readonly #path: RequestPath;
  readonly #collection: string;
  readonly #query: FindQuery;
  #isUsed = false;

  constructor(path: RequestPath, collection: string, query: FindQuery) {
    this.#path = path;
    this.#collection = collection;
    this.#query = query;
  }

  [Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    return this.#walk(this.#query);
  }

  async toArray(): Promise<T[]> {
    const items: T[] = [];
    for await (const item of this) items.push(item);
    return items;
  }

  async first(): Promise<T | undefined> {
    const { limit = 1 } = this.#query;
    // A limit that is none of this is for the server to refuse.
    const isEnough = Number.isSafeInteger(limit) && limit >= 1;
    const query = isEnough ? { ...this.#query, limit: 1 } : this.#query;
    for await (const item of this.#walk(query)) return item;
    return undefined;
  }

  async count(): Promise<number> {
    this.#use();
    return countFound(this.#path, this.#collection, this.#query);
  }

  /** @throws {KvsError} `BAD_OPTION` the second time. */
  #use(): void {
    if (this.#isUsed) throw protocolError("BAD_OPTION", "a cursor is used once; call find again");
    this.#isUsed = true;
  }

  async *#walk(query: FindQuery): AsyncGenerator<T, void, undefined> {
    this.#use();
    const readItems = readDocuments as ItemsReader<T>;
    const open = (itemsMax: number): Promise<WalkStep<T>> =>
      request(this.#path, FIND, 3, readStep(readItems), (frame) => {
        frame.text(this.#collection);
        frame.document(queryDocument(query));
        frame.uint(itemsMax);
      });
    yield* walk(this.#path, open, readItems);
  }
}

function countFound(path: RequestPath, collection: string, query: FindQuery): Promise<number> {
  return request(path, COUNT, 2, readCount, (frame) => {
    frame.text(collection);
    frame.document(queryDocument(query));
  });
}

function readDocuments(reader: FrameReader, count: number): DocumentValue[] {
  const documents: DocumentValue[] = [];
  for (let left = count; left > 0; left--) documents.push(decodeDocument(reader.bytes()));
  return documents;
}
