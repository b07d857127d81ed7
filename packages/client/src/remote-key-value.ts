import { type DocumentValue, type Key, decodeDocument, decodeKey } from "@kvs/codec";
import {
  BATCH_OPERATIONS_MAX,
  type FrameReader,
  type FrameWriter,
  type KeyEntry,
  type KeyOperation,
  type KeyRangeOptions,
  type KeyValue,
  OperationCode,
  type PutOptions,
  RequestCode,
  ScanFlag,
  TTL_MS_MAX,
  type ValueEntry,
  type VersionCondition,
  keyBounds,
  protocolError,
  requestKind,
} from "@kvs/protocol";
import { readBoolean, readEntry, readValue, readVersion } from "./answer-readers.ts";
import { type AnswerReader } from "./pending-request.ts";
import { type ItemsReader, type WalkStep, readStep, walk } from "./remote-cursor.ts";
import { type RequestPath, request } from "./request.ts";

const GET = requestKind(RequestCode.GET)!;
const PUT = requestKind(RequestCode.PUT)!;
const DELETE = requestKind(RequestCode.DELETE)!;
const BATCH = requestKind(RequestCode.BATCH)!;
const SCAN = requestKind(RequestCode.SCAN)!;

/** Keys and values of a database on a server. */
export class RemoteKeyValue implements KeyValue {
  readonly #path: RequestPath;

  constructor(path: RequestPath) {
    this.#path = path;
  }

  get<V = DocumentValue>(key: Key): Promise<V | undefined> {
    return this.#read(key, readValue) as Promise<V | undefined>;
  }

  getEntry<V = DocumentValue>(key: Key): Promise<ValueEntry<V> | undefined> {
    return this.#read(key, readEntry) as Promise<ValueEntry<V> | undefined>;
  }

  put(key: Key, value: unknown, options: PutOptions = {}): Promise<{ readonly version: number }> {
    const path = this.#path;
    const { ifVersion, ttlMs } = options;
    try {
      checkVersion(ifVersion);
      checkTtl(ttlMs);
      const hasOptions = ifVersion !== undefined || ttlMs !== undefined;
      const frame = path.begin(PUT, hasOptions ? 4 : 2);
      frame.key(key);
      frame.document(value as DocumentValue);
      if (hasOptions) {
        frame.uintIfAny(ifVersion);
        frame.uintIfAny(ttlMs);
      }
    } catch (error) {
      return this.#refuse(error);
    }
    return path.submit(PUT, readVersion);
  }

  delete(key: Key, options: VersionCondition = {}): Promise<boolean> {
    return request(this.#path, DELETE, 2, readBoolean, (frame) => {
      checkVersion(options.ifVersion);
      frame.key(key);
      frame.uintIfAny(options.ifVersion);
    });
  }

  batch(operations: readonly KeyOperation[]): Promise<{ readonly version: number }> {
    return request(this.#path, BATCH, 1, readVersion, (frame) => {
      if (operations.length > BATCH_OPERATIONS_MAX) throw batchTooLarge(operations.length);
      frame.array(operations.length);
      for (const operation of operations) writeOperation(frame, operation);
    });
  }

  async *scan<V = DocumentValue>(range: KeyRangeOptions = {}): AsyncGenerator<KeyEntry<V>> {
    const { reverse = false, keysOnly = false, limit } = range;
    if (limit !== undefined) checkCount("limit", limit);
    if (limit === 0) return;
    const flags = (reverse ? ScanFlag.REVERSE : 0) | (keysOnly ? ScanFlag.KEYS_ONLY : 0);
    const readItems = readEntries as ItemsReader<KeyEntry<V>>;
    const open = (itemsMax: number): Promise<WalkStep<KeyEntry<V>>> =>
      request(this.#path, SCAN, 5, readStep(readItems), (frame) => {
        const { from, to } = keyBounds(range);
        frame.bytesIfAny(from);
        frame.bytesIfAny(to);
        frame.uint(flags);
        frame.uintIfAny(limit);
        frame.uint(itemsMax);
      });
    yield* walk(this.#path, open, readItems);
  }

  #read<T>(key: Key, read: AnswerReader<T>): Promise<T> {
    const path = this.#path;
    try {
      path.begin(GET, 1).key(key);
    } catch (error) {
      return this.#refuse(error);
    }
    return path.submit(GET, read);
  }

  /** The hot calls have no closure around them: what they began is taken back here. */
  #refuse(error: unknown): Promise<never> {
    this.#path.abort();
    return Promise.reject(error);
  }
}

function writeOperation(frame: FrameWriter, operation: KeyOperation): void {
  if (operation.type === "delete") {
    frame.array(2);
    frame.uint(OperationCode.DELETE);
    frame.key(operation.key);
    return;
  }
  checkTtl(operation.ttlMs);
  frame.array(operation.ttlMs === undefined ? 3 : 4);
  frame.uint(OperationCode.PUT);
  frame.key(operation.key);
  frame.document(operation.value as DocumentValue);
  if (operation.ttlMs !== undefined) frame.uint(operation.ttlMs);
}

function readEntries(reader: FrameReader, fields: number): KeyEntry<unknown>[] {
  const entries: KeyEntry<unknown>[] = [];
  for (let left = fields; left > 0; left -= 3) {
    const key = decodeKey(reader.bytes());
    const bytes = reader.bytesIfAny();
    const value = bytes === undefined ? undefined : decodeDocument(bytes);
    entries.push({ key, value, version: reader.uint() });
  }
  return entries;
}

function checkVersion(ifVersion: number | undefined): void {
  if (ifVersion !== undefined) checkCount("ifVersion", ifVersion);
}

function checkTtl(ttlMs: number | undefined): void {
  if (ttlMs === undefined) return;
  if (Number.isSafeInteger(ttlMs) && ttlMs >= 1 && ttlMs <= TTL_MS_MAX) return;
  throw protocolError("BAD_OPTION", `ttlMs is an integer from 1 to ${TTL_MS_MAX}, not ${ttlMs}`);
}

/** @throws {KvsError} `BAD_OPTION` unless it is an integer in [0, 2^53). */
export function checkCount(name: string, value: number): void {
  if (Number.isSafeInteger(value) && value >= 0) return;
  throw protocolError("BAD_OPTION", `${name} is an integer from 0 on, not ${value}`);
}

/** `BATCH_TOO_LARGE`: more operations, or documents, than one request may have. */
export function batchTooLarge(count: number): Error {
  const message = `${count} at once, of at most ${BATCH_OPERATIONS_MAX}; split them`;
  return protocolError("BATCH_TOO_LARGE", message, { details: { count } });
}
