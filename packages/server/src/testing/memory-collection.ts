import {
  type DocumentObject,
  type DocumentValue,
  compareValues,
  decodeDocument,
  encodeDocument,
} from "@kvs/codec";
import {
  type Collection,
  type Cursor,
  type DocumentCondition,
  type DocumentEnvelope,
  type FindQuery,
  type Stored,
  type UpdateOptions,
  protocolError,
} from "@kvs/protocol";

/** One document, encoded, as a collection keeps it. */
export interface MemoryDocument {
  readonly bytes: Uint8Array;
  readonly version: number;
  readonly timestamp: string;
}

export type MemoryDocuments = Map<string, MemoryDocument>;

/** How a collection makes its changes take effect. */
export interface MemoryCommit {
  /** Runs `apply` when the commit takes effect, and then answers with what it returned or threw. */
  <T>(apply: (nowText: string) => T): Promise<T>;
}

/**
 * A collection in memory. Filters compare members: equal, or `$eq $gt $gte $lt $lte $in`; a regular
 * expression finds the texts that hold it.
 */
export class MemoryCollection<T extends object> implements Collection<T> {
  readonly name: string;
  readonly #documents: MemoryDocuments;
  readonly #commit: MemoryCommit;
  readonly #newId: () => string;

  constructor(
    name: string,
    parts: { documents: MemoryDocuments; commit: MemoryCommit; newId: () => string },
  ) {
    this.name = name;
    this.#documents = parts.documents;
    this.#commit = parts.commit;
    this.#newId = parts.newId;
  }

  async insert(document: T): Promise<string> {
    return (await this.insertMany([document]))[0]!;
  }

  insertMany(documents: readonly T[]): Promise<string[]> {
    const added = documents.map((document) => {
      const id = (document as DocumentObject)["_id"] ?? this.#newId();
      if (typeof id !== "string" || id.length === 0 || id.length > 512) throw badId();
      return { id, bytes: encodeDocument({ ...document, _id: id }) };
    });
    return this.#commit((timestamp) => {
      for (const { id } of added) if (this.#documents.has(id)) throw duplicateId();
      if (new Set(added.map(({ id }) => id)).size < added.length) throw duplicateId();
      for (const { id, bytes } of added) {
        this.#documents.set(id, { bytes, version: 1, timestamp });
      }
      return added.map(({ id }) => id);
    });
  }

  async get(id: string): Promise<Stored<T> | undefined> {
    const found = this.#documents.get(id);
    return found === undefined ? undefined : (decodeDocument(found.bytes) as Stored<T>);
  }

  async getDocument(id: string): Promise<DocumentEnvelope<T> | undefined> {
    const found = this.#documents.get(id);
    if (found === undefined) return undefined;
    const { _id, ...data } = decodeDocument(found.bytes) as { readonly _id: string };
    const { version: _version, timestamp: _timestamp } = found;
    return { _id, _version, _timestamp, data: data as T };
  }

  update(id: string, replacement: T, options: UpdateOptions = {}): Promise<boolean> {
    const bytes = encodeDocument({ ...replacement, _id: id });
    return this.#commit((timestamp) => {
      const before = this.#check(id, options);
      if (before === undefined && options.upsert !== true) return false;
      this.#documents.set(id, { bytes, version: (before?.version ?? 0) + 1, timestamp });
      return true;
    });
  }

  delete(id: string, options: DocumentCondition = {}): Promise<boolean> {
    return this.#commit(() => {
      const isThere = this.#check(id, options) !== undefined;
      this.#documents.delete(id);
      return isThere;
    });
  }

  find(query: FindQuery = {}): Cursor<Stored<T>> {
    return new MemoryCursor(() => this.#find(query) as Stored<T>[]);
  }

  async count(filter: object = {}): Promise<number> {
    return this.#find({ filter }).length;
  }

  #check(id: string, { ifVersion }: DocumentCondition): MemoryDocument | undefined {
    const found = this.#documents.get(id);
    if (ifVersion === undefined || ifVersion === (found?.version ?? 0)) return found;
    throw versionMismatch(ifVersion, found?.version ?? 0);
  }

  #find(query: FindQuery): object[] {
    checkQuery(query);
    const { filter = {}, sort = {}, skip = 0, limit = Infinity, projection } = query;
    const all = [...this.#documents.values()].map(({ bytes }) => decodeDocument(bytes));
    const found = (all as DocumentObject[]).filter((document) => matches(document, filter));
    const order = Object.entries(sort);
    found.sort((left, right) => compareBy(order, left, right));
    const chosen = found.slice(skip, skip + limit);
    return projection === undefined ? chosen : chosen.map((each) => project(each, projection));
  }
}

/** `VERSION_MISMATCH`, for keys and documents. */
export function versionMismatch(expected: number, found: number): Error {
  const message = `the version is ${found}, not ${expected}; read again, and decide`;
  return protocolError("VERSION_MISMATCH", message, { details: { expected, found } });
}

class MemoryCursor<T> implements Cursor<T> {
  readonly #find: () => T[];

  constructor(find: () => T[]) {
    this.#find = find;
  }

  async *[Symbol.asyncIterator](): AsyncIterator<T> {
    yield* this.#find();
  }

  async toArray(): Promise<T[]> {
    return this.#find();
  }

  async first(): Promise<T | undefined> {
    return this.#find()[0];
  }

  async count(): Promise<number> {
    return this.#find().length;
  }
}

function checkQuery({ filter, skip, limit }: FindQuery): void {
  for (const count of [skip, limit]) {
    if (count === undefined || (Number.isSafeInteger(count) && count >= 0)) continue;
    throw protocolError("BAD_OPTION", "skip and limit are integers of at least 0");
  }
  if (filter === undefined || Object.getPrototypeOf(filter) === Object.prototype) return;
  throw protocolError("BAD_OPTION", "a filter is an object");
}

function matches(document: DocumentObject, filter: object): boolean {
  return Object.entries(filter as DocumentObject).every(([name, wanted]) => {
    const value = Object.hasOwn(document, name) ? document[name] : null;
    if (wanted instanceof RegExp) return typeof value === "string" && wanted.test(value);
    const isPlain = typeof wanted === "object" && wanted?.constructor === Object;
    if (!isPlain) return compareValues(value ?? null, wanted ?? null) === 0;
    return Object.entries(wanted as DocumentObject).every(([operator, operand]) =>
      test(operator, value ?? null, operand ?? null),
    );
  });
}

function test(operator: string, value: DocumentValue, operand: DocumentValue): boolean {
  const order = compareValues(value, operand);
  switch (operator) {
    case "$eq":
      return order === 0;
    case "$gt":
      return order > 0;
    case "$gte":
      return order >= 0;
    case "$lt":
      return order < 0;
    case "$lte":
      return order <= 0;
    case "$in":
      return Array.isArray(operand) && operand.some((each) => compareValues(value, each) === 0);
    default:
      throw protocolError("BAD_OPTION", `${operator} is no operator of this database in memory`);
  }
}

function compareBy(
  order: readonly (readonly [string, 1 | -1])[],
  left: DocumentObject,
  right: DocumentObject,
): number {
  for (const [name, direction] of order) {
    const difference = compareValues(left[name] ?? null, right[name] ?? null) * direction;
    if (difference !== 0) return difference;
  }
  return compareValues(left["_id"] ?? null, right["_id"] ?? null);
}

function project(
  document: DocumentObject,
  projection: Readonly<Record<string, 0 | 1 | boolean>>,
): DocumentObject {
  const isKeeping = Object.entries(projection).some(([name, keep]) => name !== "_id" && keep);
  const members = Object.entries(document).filter(([name]) => {
    if (name === "_id") return projection["_id"] ?? true;
    return isKeeping ? projection[name] : (projection[name] ?? true);
  });
  return Object.fromEntries(members);
}

function duplicateId(): Error {
  return protocolError("DUPLICATE_ID", "there is a document with this _id; nothing was inserted");
}

function badId(): Error {
  return protocolError("QUERY_BAD_ID", "an _id is a text of 1 to 512 bytes");
}
