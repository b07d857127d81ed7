import {
  ByteWriter,
  type DocumentObject,
  decodeDocument,
  decodeKey,
  encodeDocumentInto,
  encodeKey,
  utf8Length,
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
import { type Mutation, type VersionedValue, timestampToMs } from "@kvs/txn";
import { FindCursor } from "./find-cursor.ts";
import { type RowStore } from "./row-store.ts";
import { decodeDocumentRow, keyOfRow, rowKey, rowRange, writeDocumentHead } from "./rows.ts";
import { type SpaceList } from "./space-list.ts";
import { isoTime } from "./iso-time.ts";
import { newUuid } from "./uuid.ts";

const ID_BYTES_MAX = 512;

export interface DocumentStoreParts {
  readonly database: string;
  readonly name: string;
  readonly rows: RowStore;
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
  readonly #rows: RowStore;
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
    const prepared = documents.map((document) => this.#prepare(document));
    if (prepared.length === 0) return [];
    const space = await this.#ensureSpace();
    const ids = prepared.map(({ id }) => id);
    const keys = ids.map((id) => rowKey(space, encodeKey(id)));
    this.#requireDistinct(ids);
    await this.#rows.write(keys, async () => {
      const mutations: Mutation[] = [];
      for (let at = 0; at < keys.length; at++) {
        const key = keys[at]!;
        const found = this.#rows.read(key);
        const existing = found instanceof Promise ? await found : found;
        if (existing !== undefined) throw this.#duplicate(ids[at]!);
        mutations.push({ type: "put", key, value: prepared[at]!.row });
      }
      return mutations;
    });
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
    const space = await this.#ensureSpace();
    const key = rowKey(space, this.#encodeId(id));
    const data = withoutId(replacement, id);
    const version = await this.#rows.write([key], async () => {
      const found = await this.#rows.read(key);
      const current = found === undefined ? 0 : decodeDocumentRow(found.value).version;
      if (ifVersion !== undefined && ifVersion !== current) throw mismatch(id, ifVersion, current);
      if (current === 0 && !upsert) return [];
      return [{ type: "put", key, value: this.#encodeRow(current + 1, data) }];
    });
    return version !== undefined;
  }

  async delete(id: string, { ifVersion }: DocumentCondition = {}): Promise<boolean> {
    checkVersion(ifVersion);
    const encodedId = this.#encodeId(id);
    const space = await this.#space();
    if (space === undefined) {
      if (ifVersion !== undefined && ifVersion !== 0) throw mismatch(id, ifVersion, 0);
      return false;
    }
    const key = rowKey(space, encodedId);
    const version = await this.#rows.write([key], async () => {
      const found = await this.#rows.read(key);
      const current = found === undefined ? 0 : decodeDocumentRow(found.value).version;
      if (ifVersion !== undefined && ifVersion !== current) throw mismatch(id, ifVersion, current);
      return current === 0 ? [] : [{ type: "delete", key }];
    });
    return version !== undefined;
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

  /** Every document, in the order of their ids, as of one moment. */
  async *#walk(): AsyncGenerator<FoundDocument, void, undefined> {
    const space = await this.#space();
    if (space === undefined) return;
    for await (const { key, value } of this.#rows.walk(rowRange(space, undefined, undefined))) {
      const id = decodeKey(keyOfRow(key)) as string;
      const { data } = decodeDocumentRow(value);
      const document = { _id: id, ...(decodeDocument(data) as DocumentObject) };
      yield { document, bytes: value.length };
    }
  }

  async #findDocument(id: string): Promise<FoundDocument | undefined> {
    if (!isId(id)) return undefined;
    const found = await this.#find(id);
    if (found === undefined) return undefined;
    return { document: toStored<DocumentObject>(id, found), bytes: found.value.length };
  }

  async #find(id: string): Promise<VersionedValue | undefined> {
    const encodedId = this.#encodeId(id);
    const space = await this.#space();
    if (space === undefined) return undefined;
    return this.#rows.read(rowKey(space, encodedId));
  }

  #space(): number | undefined | Promise<number | undefined> {
    return this.#spaces.find(this.#database, "collection", this.name);
  }

  #ensureSpace(): number | Promise<number> {
    return this.#spaces.ensure(this.#database, "collection", this.name);
  }

  /** The row and the id of a new document. */
  #prepare(document: T): { readonly id: string; readonly row: Uint8Array } {
    const given = idOf(document);
    if (given !== undefined && !isId(given)) throw badId(given);
    const id = given ?? newUuid(this.#rows.clock, this.#rows.random);
    return { id, row: this.#encodeRow(1, withoutId(document, id)) };
  }

  #encodeRow(version: number, data: object): Uint8Array {
    const writer = this.#encoder;
    writer.reset();
    writeDocumentHead(writer, version);
    encodeDocumentInto(data as DocumentObject, writer);
    return writer.toBytes();
  }

  #encodeId(id: string): Uint8Array {
    if (!isId(id)) throw badId(id);
    return encodeKey(id);
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
  if (!isObject(document)) {
    const message = "a document is a plain object; wrap other values: { value: … }";
    throw protocolError("BAD_OPTION", message);
  }
  const given = idOf(document);
  if (given === undefined && !Object.hasOwn(document, "_id")) return document;
  if (given !== undefined && given !== id) {
    const message = `the document has the _id ${JSON.stringify(given)}, not ${JSON.stringify(id)}`;
    throw protocolError("QUERY_BAD_ID", message);
  }
  const { _id, ...members } = document as { readonly _id?: unknown };
  return members;
}

function isObject(document: unknown): boolean {
  return typeof document === "object" && document !== null && !Array.isArray(document);
}

function isId(id: unknown): id is string {
  return typeof id === "string" && id.length > 0 && utf8Length(id) <= ID_BYTES_MAX;
}

function badId(id: unknown): Error {
  const shown = typeof id === "string" ? `a text of ${id.length} characters` : typeof id;
  const message = `an _id is a text of 1 to ${ID_BYTES_MAX} bytes, not ${shown}`;
  return protocolError("QUERY_BAD_ID", message);
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
