import {
  type DocumentObject,
  type DocumentValue,
  decodeDocument,
  encodeDocument,
} from "@kvs/codec";
import {
  BATCH_OPERATIONS_MAX,
  type Collection,
  type DocumentCondition,
  type FindQuery,
  type FrameReader,
  protocolError,
  readQueryDocument,
} from "@kvs/protocol";
import { type CursorSource, type CursorStep } from "../session/cursor-table.ts";
import { openCursor } from "./cursors.ts";
import {
  type AnswerWriter,
  type Handler,
  type RequestContext,
  writeBoolean,
  writeNumber,
} from "./handler.ts";
import { batchTooLarge } from "./key-value.ts";

/** INSERT collection, [document …] → [id …], all or none. */
export const handleInsert: Handler = (context, reader) => {
  const name = reader.text();
  const count = reader.array();
  if (count > BATCH_OPERATIONS_MAX) throw batchTooLarge(count);
  if (count > INSERTED_AT_ONCE_MAX) {
    insertInSlices(context, name, readBodies(reader, count));
    return;
  }
  const collection = context.target.documents(name);
  const documents: DocumentObject[] = [];
  for (let at = 0; at < count; at++) documents.push(readObject(reader));
  if (count === 1) {
    const inserted = collection.insert(documents[0]!).then((id) => [id]);
    context.later(inserted, writeTexts);
  } else {
    context.later(collection.insertMany(documents), writeTexts);
  }
};

/** Documents that are decoded and evaluated within one turn: some 3 ms. */
const INSERTED_AT_ONCE_MAX = 512;

function readBodies(reader: FrameReader, count: number): Uint8Array[] {
  const bodies: Uint8Array[] = [];
  for (let at = 0; at < count; at++) bodies.push(reader.bytes());
  return bodies;
}

/** What the connection asks for next begins when this insertion cannot be overtaken any more. */
function insertInSlices(context: RequestContext, name: string, bodies: Uint8Array[]): void {
  const release = context.hold();
  const inserted = context.target.insertRaw(name, bodies, release);
  context.later(inserted, writeTexts);
  inserted.then(release, release);
}

/** FETCH collection, id → document or nil. */
export const handleFetch: Handler = (context, reader) => {
  const collection = readCollection(context, reader);
  context.later(collection.get(reader.text()), writeDocumentIfAny);
};

/** FETCH_ENVELOPE collection, id → envelope or nil. */
export const handleFetchEnvelope: Handler = (context, reader) => {
  const collection = readCollection(context, reader);
  context.later(collection.getDocument(reader.text()), writeDocumentIfAny);
};

/** UPDATE collection, id, document, ifVersion?, upsert? → whether there was one. */
export const handleUpdate: Handler = (context, reader) => {
  const collection = readCollection(context, reader);
  const id = reader.text();
  const replacement = readObject(reader);
  const condition = readCondition(reader);
  const upsert = reader.boolIfAny() ?? false;
  context.later(collection.update(id, replacement, { ...condition, upsert }), writeBoolean);
};

/** REMOVE collection, id, ifVersion? → whether there was one. */
export const handleRemove: Handler = (context, reader) => {
  const collection = readCollection(context, reader);
  const id = reader.text();
  context.later(collection.delete(id, readCondition(reader)), writeBoolean);
};

/** FIND collection, query, itemsMax → cursor, [document …]. */
export const handleFind: Handler = (context, reader) => {
  const collection = readCollection(context, reader);
  const query = readQuery(reader);
  const itemsMax = reader.uint();
  openCursor(context, itemsMax, () => new DocumentSource(collection.find(query)));
};

/** COUNT collection, query → count. */
export const handleCount: Handler = (context, reader) => {
  const collection = readCollection(context, reader);
  const query = readQuery(reader);
  const isPlain = query.skip === undefined && query.limit === undefined;
  const counted = isPlain ? collection.count(query.filter) : collection.find(query).count();
  context.later(counted, writeNumber);
};

function readCollection(context: RequestContext, reader: FrameReader): Collection<DocumentObject> {
  return context.target.documents(reader.text());
}

function readObject(reader: FrameReader): DocumentObject {
  const value = decodeDocument(reader.bytes());
  if (isObject(value)) return value;
  throw protocolError("BAD_OPTION", "a document is an object, with names and values");
}

function readCondition(reader: FrameReader): DocumentCondition {
  const ifVersion = reader.uintIfAny();
  return ifVersion === undefined ? {} : { ifVersion };
}

function readQuery(reader: FrameReader): FindQuery {
  const document = decodeDocument(reader.bytes());
  if (!isObject(document)) throw reader.badField("a query is not an object");
  return readQueryDocument(document);
}

function isObject(value: DocumentValue | undefined): value is DocumentObject {
  // Only objects of a document are plain; arrays, bytes and dates have prototypes of their own.
  if (typeof value !== "object" || value === null) return false;
  return Object.getPrototypeOf(value) === Object.prototype;
}

const writeTexts: AnswerWriter<readonly string[]> = (frame, id, texts) => {
  frame.beginResponse(1, id);
  frame.array(texts.length);
  for (const text of texts) frame.text(text);
  frame.end();
};

const writeDocumentIfAny: AnswerWriter<object | undefined> = (frame, id, document) => {
  frame.beginResponse(1, id);
  if (document === undefined) frame.nil();
  else frame.document(document as DocumentObject);
  frame.end();
};

/** A walk over documents, encoded. */
class DocumentSource implements CursorSource {
  readonly #documents: AsyncIterator<object>;
  #isClosed = false;

  constructor(documents: AsyncIterable<object>) {
    this.#documents = documents[Symbol.asyncIterator]();
  }

  async next(itemsMax: number, bytesMax: number): Promise<CursorStep> {
    const fields: Uint8Array[] = [];
    let bytes = 0;
    while (fields.length < itemsMax && bytes < bytesMax && !this.#isClosed) {
      const next = await this.#documents.next();
      if (next.done === true) return { fields, isEnd: true };
      const encoded = encodeDocument(next.value as DocumentObject);
      fields.push(encoded);
      bytes += encoded.length;
    }
    return { fields, isEnd: false };
  }

  close(): void {
    this.#isClosed = true;
    // Whatever the walk held is its own to give up; a failure to do so concerns nobody here.
    this.#documents.return?.().catch(() => undefined);
  }
}
