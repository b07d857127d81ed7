import {
  ByteWriter,
  type DocumentObject,
  decodeDocument,
  decodeKey,
  encodeDocument,
  encodeDocumentInto,
  encodeKey,
  utf8Length,
} from "@kvs/codec";
import {
  BATCH_OPERATIONS_MAX,
  type Collection,
  type Cursor,
  type DocumentCondition,
  type DocumentEnvelope,
  type FindQuery,
  type Stored,
  type UpdateOptions,
  protocolError,
} from "@kvs/protocol";
import { type Mutation, type VersionedValue, timestampToMs } from "@kvs/txn";
import { FindCursor } from "./find-cursor.ts";
import { type RowAccess } from "./row-access.ts";
import { decodeDocumentRow, keyOfRow, rowKey, rowRange, writeDocumentHead } from "./rows.ts";
import { type SpaceList } from "./space-list.ts";
import { isoTime } from "./iso-time.ts";
import { type UuidSource } from "./uuid.ts";

const ID_BYTES_MAX = 512;

export interface DocumentStoreParts {
  readonly database: string;
  readonly name: string;
  readonly rows: RowAccess;
  readonly spaces: SpaceList;
}

/** A document that a walk found, and the bytes it takes as stored. */
export interface FoundDocument {
  readonly document: DocumentObject;
  readonly bytes: number;
}

/** One collection of one database. */
export class DocumentStore<T extends object> implements Collection<T> {
  readonly name: string;
  readonly #database: string;
  readonly #rows: RowAccess;
  readonly #spaces: SpaceList;
  readonly #encoder = new ByteWriter({ initialBytes: 1024 });

  constructor(parts: DocumentStoreParts) {
    this.name = parts.name;
    this.#database = parts.database;
    this.#rows = parts.rows;
    this.#spaces = parts.spaces;
  }

  async insert(document: T): Promise<string> {
    const [id] = await this.insertMany([document]);
    return id!;
  }

  async insertMany(documents: readonly T[]): Promise<string[]> {
    if (documents.length > BATCH_OPERATIONS_MAX) throw batchTooLarge(documents.length);
    if (documents.length === 0) return [];
    const insertion = new Insertion(this.#encoder, this.#rows.uuids);
    for (const document of documents) insertion.add(document);
    const { ids } = insertion;
    this.#requireDistinct(ids);
    const write = this.#rows.begin();
    try {
      const space = await this.#ensureSpace();
      const keys = ids.map((id) => rowKey(space, encodeKey(id)));
      await this.#writeNew(keys, ids, insertion.rows());
    } finally {
      this.#rows.end(write);
    }
    return ids;
  }

  /**
   * As `insertMany`, for many documents, encoded: lets others have their turns in between. Their bytes
   * stay unchanged until the promise settles.
   *
   * @param ordered Called when writes that start from now on take effect after this one.
   */
  async insertEncoded(documents: readonly Uint8Array[], ordered: () => void): Promise<string[]> {
    if (documents.length > BATCH_OPERATIONS_MAX) throw batchTooLarge(documents.length);
    const { budget } = this.#rows;
    const insertion = new Insertion(new ByteWriter({ initialBytes: 1024 }), this.#rows.uuids);
    const { ids } = insertion;
    const write = this.#rows.begin();
    try {
      for (const bytes of documents) {
        const hasTime = budget.wait();
        if (hasTime !== undefined) await hasTime;
        insertion.add(decodeDocument(bytes) as object);
      }
      this.#requireDistinct(ids);
      const space = await this.#ensureSpace();
      const keys: Uint8Array[] = [];
      for (const id of ids) {
        const hasTime = budget.wait();
        if (hasTime !== undefined) await hasTime;
        keys.push(rowKey(space, encodeKey(id)));
      }
      const written = this.#writeNew(keys, ids, insertion.rows());
      ordered();
      await written;
    } finally {
      this.#rows.end(write);
    }
    return ids;
  }

  async get(id: string): Promise<Stored<T> | undefined> {
    const found = await this.#find(id);
    return found === undefined ? undefined : toStored<T>(id, found);
  }

  async getDocument(id: string): Promise<DocumentEnvelope<T> | undefined> {
    const found = await this.#find(id);
    if (found === undefined) return undefined;
    const { version, data } = decodeDocumentRow(found.value);
    return {
      _id: id,
      _version: version,
      _timestamp: isoTime(timestampToMs(found.version)),
      data: decodeDocument(data) as T,
    };
  }

  async update(id: string, replacement: T, options: UpdateOptions = {}): Promise<boolean> {
    const { ifVersion, upsert = false } = options;
    checkVersion(ifVersion);
    const encodedId = encodeId(id);
    const data = encodeDocument(withoutId(replacement, id) as DocumentObject);
    return await this.#writeOne(encodedId, upsert, (current, key) => {
      if (ifVersion !== undefined && ifVersion !== current) throw mismatch(id, ifVersion, current);
      if (current === 0 && !upsert) return [];
      return [{ type: "put", key, value: documentRow(current + 1, data) }];
    });
  }

  async delete(id: string, { ifVersion }: DocumentCondition = {}): Promise<boolean> {
    checkVersion(ifVersion);
    return await this.#writeOne(encodeId(id), false, (current, key) => {
      if (ifVersion !== undefined && ifVersion !== current) throw mismatch(id, ifVersion, current);
      return current === 0 ? [] : [{ type: "delete", key }];
    });
  }

  find(query: FindQuery = {}): Cursor<Stored<T>> {
    return new FindCursor<Stored<T>>(query, {
      byId: (id) => this.#findDocument(id),
      walk: () => this.#walk(),
    });
  }

  count(filter?: object): Promise<number> {
    return this.find(filter === undefined ? {} : { filter }).count();
  }

  /** Every document, in the order of their ids, as of one moment, some at a time. */
  async *#walk(): AsyncGenerator<readonly FoundDocument[], void, undefined> {
    const space = await this.#space();
    if (space === undefined) return;
    for await (const rows of this.#rows.walk(rowRange(space, undefined, undefined))) {
      yield rows.map(({ key, value }) => {
        const id = decodeKey(keyOfRow(key)) as string;
        const { data } = decodeDocumentRow(value);
        const document = { _id: id, ...(decodeDocument(data) as DocumentObject) };
        return { document, bytes: value.length };
      });
    }
  }

  async #findDocument(id: string): Promise<FoundDocument | undefined> {
    if (!isId(id)) return undefined;
    const found = await this.#find(id);
    if (found === undefined) return undefined;
    return { document: toStored<DocumentObject>(id, found), bytes: found.value.length };
  }

  async #find(id: string): Promise<VersionedValue | undefined> {
    const encodedId = encodeId(id);
    const space = await this.#space();
    if (space === undefined) return undefined;
    return this.#rows.read(rowKey(space, encodedId));
  }

  /**
   * Changes one document, which has `current` for its `_version`, 0 if it is absent.
   *
   * @param makes Whether the collection is made if it is not there yet.
   * @returns Whether there was something to change.
   */
  async #writeOne(
    encodedId: Uint8Array,
    makes: boolean,
    evaluate: (current: number, key: Uint8Array) => readonly Mutation[],
  ): Promise<boolean> {
    const write = this.#rows.begin();
    try {
      const space = makes ? await this.#ensureSpace() : await this.#space();
      if (space === undefined) return evaluate(0, encodedId).length > 0;
      const key = rowKey(space, encodedId);
      const version = await this.#rows.write([key], async () => {
        const found = await this.#rows.read(key);
        return evaluate(found === undefined ? 0 : decodeDocumentRow(found.value).version, key);
      });
      return version !== undefined;
    } finally {
      this.#rows.end(write);
    }
  }

  #space(): number | undefined | Promise<number | undefined> {
    return this.#spaces.findFor(this.#rows, this.#database, "collection", this.name);
  }

  #ensureSpace(): number | Promise<number> {
    return this.#spaces.ensure(this.#database, "collection", this.name);
  }

  /** Writes rows none of which is there yet. The locks are asked for before this returns. */
  async #writeNew(
    keys: readonly Uint8Array[],
    ids: readonly string[],
    rows: readonly Uint8Array[],
  ): Promise<void> {
    await this.#rows.write(keys, async () => {
      const mutations: Mutation[] = [];
      for (let at = 0; at < keys.length; at++) {
        const key = keys[at]!;
        const hasTime = this.#rows.budget.wait();
        if (hasTime !== undefined) await hasTime;
        const found = this.#rows.read(key);
        const existing = found instanceof Promise ? await found : found;
        if (existing !== undefined) throw this.#duplicate(ids[at]!);
        mutations.push({ type: "put", key, value: rows[at]! });
      }
      return mutations;
    });
  }

  #requireDistinct(ids: readonly string[]): void {
    const seen = new Set<string>();
    for (const id of ids) {
      if (seen.has(id)) throw this.#duplicate(id);
      seen.add(id);
    }
  }

  #duplicate(id: string): Error {
    const message = `collection "${this.name}" has a document with the _id ${JSON.stringify(id)}`;
    return protocolError("DUPLICATE_ID", message, { details: { collection: this.name } });
  }
}

/** New documents on their way in. All rows share one piece of memory: less to collect. */
class Insertion {
  readonly ids: string[] = [];
  readonly #writer: ByteWriter;
  readonly #uuids: UuidSource;
  readonly #ends: number[] = [];

  constructor(writer: ByteWriter, uuids: UuidSource) {
    this.#writer = writer;
    this.#uuids = uuids;
    writer.reset();
  }

  add(document: object): void {
    requireObject(document);
    const given = idOf(document);
    if (given !== undefined && !isId(given)) throw badId(given);
    const id = given ?? this.#uuids.next();
    writeDocumentHead(this.#writer, 1);
    encodeDocumentInto(withoutId(document, id) as DocumentObject, this.#writer);
    this.ids.push(id);
    this.#ends.push(this.#writer.position);
  }

  rows(): Uint8Array[] {
    const bytes = this.#writer.toBytes();
    return this.#ends.map((end, at) => bytes.subarray(this.#ends[at - 1] ?? 0, end));
  }
}

function toStored<T>(id: string, found: VersionedValue): Stored<T> {
  const { data } = decodeDocumentRow(found.value);
  return { _id: id, ...(decodeDocument(data) as T) };
}

function idOf(document: object): string | undefined {
  return Object.hasOwn(document, "_id")
    ? ((document as { readonly _id?: unknown })._id as string | undefined)
    : undefined;
}

/** The members of a document but `_id`, which has to be this one if it is there. */
function withoutId(document: object, id: string): object {
  requireObject(document);
  const given = idOf(document);
  if (given === undefined && !Object.hasOwn(document, "_id")) return document;
  if (given !== undefined && given !== id) {
    const message = `the document has the _id ${JSON.stringify(given)}, not ${JSON.stringify(id)}`;
    throw protocolError("QUERY_BAD_ID", message);
  }
  const { _id, ...members } = document as { readonly _id?: unknown };
  return members;
}

/** The encoder takes more than documents: dates, bytes, lists. */
function requireObject(document: unknown): void {
  if (typeof document === "object" && document !== null) {
    const prototype: unknown = Object.getPrototypeOf(document);
    // Of another realm, it is an object whose prototype has none.
    if (prototype === null || Object.getPrototypeOf(prototype) === null) return;
  }
  const message = "a document is a plain object; wrap other values: { value: … }";
  throw protocolError("BAD_OPTION", message);
}

/** The row of a document that is encoded already. */
function documentRow(version: number, data: Uint8Array): Uint8Array {
  const writer = new ByteWriter({ initialBytes: 16 + data.length });
  writeDocumentHead(writer, version);
  writer.bytes(data);
  return writer.toBytes();
}

function encodeId(id: string): Uint8Array {
  if (!isId(id)) throw badId(id);
  return encodeKey(id);
}

function isId(id: unknown): id is string {
  return typeof id === "string" && id.length > 0 && utf8Length(id) <= ID_BYTES_MAX;
}

function badId(id: unknown): Error {
  const shown = typeof id === "string" ? `a text of ${id.length} characters` : typeof id;
  const message = `an _id is a text of 1 to ${ID_BYTES_MAX} bytes, not ${shown}`;
  return protocolError("QUERY_BAD_ID", message);
}

function batchTooLarge(count: number): Error {
  const message = `${count} documents at once, of at most ${BATCH_OPERATIONS_MAX}; split them`;
  return protocolError("BATCH_TOO_LARGE", message, { details: { count } });
}

function checkVersion(ifVersion: number | undefined): void {
  if (ifVersion === undefined || (Number.isSafeInteger(ifVersion) && ifVersion >= 0)) return;
  throw protocolError("BAD_OPTION", `ifVersion is ${ifVersion}; it is an integer of at least 0`);
}

function mismatch(id: string, expected: number, found: number): Error {
  const shown = JSON.stringify(id);
  const message = `document ${shown} has _version ${found}, not ${expected}; read it again, and decide`;
  return protocolError("VERSION_MISMATCH", message, { details: { expected, found } });
}
