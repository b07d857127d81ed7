import { KEY_MAX_BYTES, checkDocument, decodeKey } from "@kvs/codec";
import {
  BATCH_OPERATIONS_MAX,
  type FrameReader,
  OperationCode,
  type RawCursor,
  type RawEntry,
  type RawOperation,
  ScanFlag,
  TTL_MS_MAX,
  protocolError,
} from "@kvs/protocol";
import { type CursorField, type CursorSource, type CursorStep } from "../session/cursor-table.ts";
import { openCursor } from "./cursors.ts";
import {
  type AnswerWriter,
  type Handler,
  type RequestContext,
  writeBoolean,
  writeNumber,
} from "./handler.ts";

/** GET key → value or nil, version. */
export const handleGet: Handler = (context, reader) => {
  const found = context.target.getRaw(readKey(reader));
  if (found instanceof Promise) context.later(found, writeEntry);
  else context.answer(found, writeEntry);
};

/** PUT key, value, ifVersion?, ttlMs? → version. */
export const handlePut: Handler = (context, reader) => {
  const key = readNewKey(reader);
  const value = readValue(reader);
  const ifVersion = reader.uintIfAny();
  const ttlMs = readTtl(reader);
  const written = context.target.putRaw(key, value, { ifVersion, ttlMs });
  if (context.acksEarly) answerEarly(written, () => context.answer(1, writeNumber));
  else context.later(written, writeNumber);
};

/** DELETE key, ifVersion? → whether it was there. */
export const handleDelete: Handler = (context, reader) => {
  const key = readKey(reader);
  const ifVersion = reader.uintIfAny();
  context.later(context.target.deleteRaw(key, { ifVersion }), writeBoolean);
};

/** BATCH [[0, key, value, ttlMs?] or [1, key] …] → version. */
export const handleBatch: Handler = (context, reader) => {
  const count = reader.array();
  if (count > BATCH_OPERATIONS_MAX) throw batchTooLarge(count);
  const operations: RawOperation[] = [];
  for (let at = 0; at < count; at++) operations.push(readOperation(reader));
  if (count > CHECKED_AT_ONCE_MAX) {
    batchInSlices(context, operations);
    return;
  }
  for (const operation of operations) checkOperation(operation);
  context.later(context.target.batchRaw(operations), writeNumber);
};

/** Operations of a batch that are checked within one turn: some 2 ms. */
const CHECKED_AT_ONCE_MAX = 1024;
/** Those that are checked between two looks at the clock. */
const SLICE_OPERATIONS = 64;

/** What the connection asks for next begins when this batch cannot be overtaken any more. */
function batchInSlices(context: RequestContext, operations: readonly RawOperation[]): void {
  const { target } = context;
  const release = context.hold();
  const begin = async (): Promise<number> => {
    for (const [at, operation] of operations.entries()) {
      if (at % SLICE_OPERATIONS === 0) await context.budget.wait();
      checkOperation(operation);
    }
    const written = target.batchRaw(operations);
    release();
    return written;
  };
  const written = begin();
  context.later(written, writeNumber);
  written.then(release, release);
}

/** @throws {KvsError} `CODEC_…` unless what is to be stored is a key and a document. */
function checkOperation(operation: RawOperation): void {
  if (operation.type === "delete") return;
  decodeKey(operation.key);
  checkDocument(operation.value);
}

/** SCAN from?, to?, flags, limit?, itemsMax → cursor, [key, value?, version, …]. */
export const handleScan: Handler = (context, reader) => {
  const from = reader.bytesIfAny();
  const to = reader.bytesIfAny();
  const flags = reader.uint();
  const limit = reader.uintIfAny();
  const itemsMax = reader.uint();
  openCursor(context, itemsMax, () => {
    const range = {
      from: from?.slice(), // the cursor outlives the frame
      to: to?.slice(),
      isReverse: (flags & ScanFlag.REVERSE) !== 0,
      isKeysOnly: (flags & ScanFlag.KEYS_ONLY) !== 0,
      limit,
    };
    return new EntrySource(context.target.scanRaw(range));
  });
};

/** A key. Any bytes may be looked up; only those of a key are ever found. */
export function readKey(reader: FrameReader): Uint8Array {
  const key = reader.bytes();
  if (key.length === 0) throw reader.badField("a key has no bytes");
  if (key.length <= KEY_MAX_BYTES) return key;
  throw protocolError(
    "PROTOCOL_BAD_REQUEST",
    `an encoded key of ${key.length} bytes exceeds the ${KEY_MAX_BYTES} allowed`,
    { details: { keyBytes: key.length, id: reader.id } },
  );
}

/** What is to be stored must be a key: whoever scans decodes it. */
function readNewKey(reader: FrameReader): Uint8Array {
  const key = readKey(reader);
  decodeKey(key);
  return key;
}

/** What is to be stored must be a document. */
function readValue(reader: FrameReader): Uint8Array {
  const value = reader.bytes();
  checkDocument(value);
  return value;
}

function readTtl(reader: FrameReader): number | undefined {
  const ttlMs = reader.uintIfAny();
  checkTtl(ttlMs);
  return ttlMs;
}

function checkTtl(ttlMs: number | undefined): void {
  if (ttlMs === undefined || (ttlMs >= 1 && ttlMs <= TTL_MS_MAX)) return;
  const message = `ttlMs is 1 to ${TTL_MS_MAX}, not ${ttlMs}`;
  throw protocolError("BAD_OPTION", message, { details: { ttlMs } });
}

function readOperation(reader: FrameReader): RawOperation {
  const fields = reader.array();
  if (fields < 2) throw reader.badField("an operation of a batch has too few fields");
  const code = reader.uint();
  if (code === OperationCode.DELETE) {
    const key = readKey(reader);
    skipFields(reader, fields - 2);
    return { type: "delete", key };
  }
  if (code !== OperationCode.PUT || fields < 3) {
    throw reader.badField("an operation of a batch is no put and no delete");
  }
  const key = readKey(reader);
  const value = reader.bytes();
  const ttlMs = fields > 3 ? readTtl(reader) : undefined;
  skipFields(reader, fields - 4);
  return { type: "put", key, value, ttlMs };
}

/** Fields of later versions. */
function skipFields(reader: FrameReader, count: number): void {
  for (let at = 0; at < count; at++) reader.skip();
}

/** A value and its version; nil and 0 for what is absent. */
export const writeEntry: AnswerWriter<RawEntry | undefined> = (frame, id, found) => {
  frame.beginResponse(2, id);
  if (found === undefined) {
    frame.nil();
    frame.uint(0);
  } else {
    frame.bytes(found.value);
    frame.uint(found.version);
  }
  frame.end();
};

/** A walk over keys, each step as fields of a response. */
class EntrySource implements CursorSource {
  readonly #cursor: RawCursor;

  constructor(cursor: RawCursor) {
    this.#cursor = cursor;
  }

  async next(itemsMax: number, bytesMax: number): Promise<CursorStep> {
    const { entries, isEnd } = await this.#cursor.next(itemsMax, bytesMax);
    const fields: CursorField[] = [];
    for (const { key, value, version } of entries) fields.push(key, value, version);
    return { fields, isEnd };
  }

  close(): void {
    this.#cursor.close();
  }
}

/** The sabotage: whether the write happened is nobody's business any more. */
function answerEarly(written: Promise<unknown>, answer: () => void): void {
  written.catch(() => undefined);
  answer();
}

/** `BATCH_TOO_LARGE`: more operations, or documents, than one request may have. */
export function batchTooLarge(count: number): Error {
  const message = `${count} in one request, of at most ${BATCH_OPERATIONS_MAX}; split it`;
  return protocolError("BATCH_TOO_LARGE", message, { details: { count } });
}
