import {
  type DocumentValue,
  type Key,
  decodeDocument,
  decodeKey,
  encodeDocument,
  encodeKey,
} from "@kvs/codec";
import {
  BATCH_OPERATIONS_MAX,
  type HostedDatabase,
  type KeyEntry,
  type KeyOperation,
  type KeyRangeOptions,
  type KeyValue,
  type PutOptions,
  type RawOperation,
  TTL_MS_MAX,
  type ValueEntry,
  type VersionCondition,
  keyBounds,
  protocolError,
} from "@kvs/protocol";

/** Entries that one step of a walk takes: enough to be cheap, little enough to leave early. */
const STEP_ENTRIES = 500;
const STEP_BYTES: number = 1 << 20;

/** What keys and values are read from and written to. */
export type RawKeyValue = Pick<
  HostedDatabase,
  "getRaw" | "putRaw" | "deleteRaw" | "batchRaw" | "scanRaw"
>;

/** Keys and values for people, over keys and values as bytes. */
export class KeyValueView implements KeyValue {
  readonly #raw: RawKeyValue;

  constructor(raw: RawKeyValue) {
    this.#raw = raw;
  }

  async get<V = DocumentValue>(key: Key): Promise<V | undefined> {
    const found = this.#raw.getRaw(encodeKey(key));
    const entry = found instanceof Promise ? await found : found;
    return entry === undefined ? undefined : (decodeDocument(entry.value) as V);
  }

  async getEntry<V = DocumentValue>(key: Key): Promise<ValueEntry<V> | undefined> {
    const found = this.#raw.getRaw(encodeKey(key));
    const entry = found instanceof Promise ? await found : found;
    if (entry === undefined) return undefined;
    return { value: decodeDocument(entry.value) as V, version: entry.version };
  }

  async put(key: Key, value: unknown, options: PutOptions = {}): Promise<{ version: number }> {
    const { ifVersion, ttlMs } = options;
    checkVersion(ifVersion);
    checkTtl(ttlMs);
    const encoded = encodeDocument(value as DocumentValue);
    const version = await this.#raw.putRaw(encodeKey(key), encoded, { ifVersion, ttlMs });
    return { version };
  }

  async delete(key: Key, { ifVersion }: VersionCondition = {}): Promise<boolean> {
    checkVersion(ifVersion);
    return await this.#raw.deleteRaw(encodeKey(key), { ifVersion });
  }

  async *scan<V = DocumentValue>(range: KeyRangeOptions = {}): AsyncGenerator<KeyEntry<V>> {
    const { from, to } = keyBounds(range);
    const { reverse: isReverse = false, keysOnly: isKeysOnly = false, limit } = range;
    checkLimit(limit);
    const cursor = this.#raw.scanRaw({ from, to, isReverse, isKeysOnly, limit });
    try {
      for (let isEnd = false; !isEnd;) {
        const batch = await cursor.next(STEP_ENTRIES, STEP_BYTES);
        for (const { key, value, version } of batch.entries) {
          const decoded = (value === undefined ? undefined : decodeDocument(value)) as V;
          yield { key: decodeKey(key), value: decoded, version };
        }
        isEnd = batch.isEnd;
      }
    } finally {
      cursor.close();
    }
  }

  async batch(operations: readonly KeyOperation[]): Promise<{ version: number }> {
    if (operations.length > BATCH_OPERATIONS_MAX) throw batchTooLarge(operations.length);
    const raw = operations.map((operation): RawOperation => {
      const key = encodeKey(operation.key);
      if (operation.type === "delete") return { type: "delete", key };
      checkTtl(operation.ttlMs);
      return {
        type: "put",
        key,
        value: encodeDocument(operation.value as DocumentValue),
        ttlMs: operation.ttlMs,
      };
    });
    return { version: await this.#raw.batchRaw(raw) };
  }
}

function batchTooLarge(count: number): Error {
  const message = `${count} operations at once, of at most ${BATCH_OPERATIONS_MAX}; split them`;
  return protocolError("BATCH_TOO_LARGE", message, { details: { count } });
}

function checkVersion(ifVersion: number | undefined): void {
  if (ifVersion === undefined || (Number.isSafeInteger(ifVersion) && ifVersion >= 0)) return;
  throw protocolError("BAD_OPTION", `ifVersion is ${ifVersion}; it is an integer of at least 0`);
}

function checkTtl(ttlMs: number | undefined): void {
  if (ttlMs === undefined) return;
  if (Number.isInteger(ttlMs) && ttlMs >= 1 && ttlMs <= TTL_MS_MAX) return;
  throw protocolError("BAD_OPTION", `ttlMs is ${ttlMs}; it is an integer from 1 to ${TTL_MS_MAX}`);
}

function checkLimit(limit: number | undefined): void {
  if (limit === undefined || (Number.isSafeInteger(limit) && limit >= 0)) return;
  throw protocolError("BAD_OPTION", `limit is ${limit}; it is an integer of at least 0`);
}
