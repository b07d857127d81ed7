import {
  type RawCondition,
  type RawEntry,
  type RawOperation,
  type RawPutOptions,
  protocolError,
} from "@kvs/protocol";
import { type Mutation, type Timestamp, type VersionedValue, timestampToMs } from "@kvs/txn";
import { type Expiry } from "./expiry.ts";
import { type RowAccess } from "./row-access.ts";
import { decodeValueRow, encodeValueRow, expiryKey, rowKey } from "./rows.ts";
import { type SpaceList } from "./space-list.ts";
import { type TransactionRows } from "./transaction-rows.ts";

const NOTHING = new Uint8Array(0);

/**
 * The keys and values of one database, as bytes. A value that has expired is absent, also before it
 * is removed.
 */
export class KeyRows {
  readonly #database: string;
  readonly #rows: RowAccess;
  readonly #spaces: SpaceList;
  readonly #expiry: Expiry;

  constructor(database: string, rows: RowAccess, spaces: SpaceList, expiry: Expiry) {
    this.#database = database;
    this.#rows = rows;
    this.#spaces = spaces;
    this.#expiry = expiry;
  }

  /** The number of this database's space, `undefined` if nothing was written into it. */
  space(): number | undefined | Promise<number | undefined> {
    return this.#spaces.findFor(this.#rows, this.#database, "kv", "");
  }

  get(key: Uint8Array): RawEntry | undefined | Promise<RawEntry | undefined> {
    const space = this.space();
    if (typeof space !== "number") return this.#getLater(key);
    const found = this.#rows.read(rowKey(space, key));
    if (found instanceof Promise) return found.then((entry) => this.visible(entry));
    return this.visible(found);
  }

  /** As `get`, of a transaction that locks the key. */
  async getForUpdate(key: Uint8Array, rows: TransactionRows): Promise<RawEntry | undefined> {
    return this.visible(await rows.readForUpdate(rowKey(await this.#ensureSpace(), key)));
  }

  async put(key: Uint8Array, value: Uint8Array, options: RawPutOptions): Promise<number> {
    const { ifVersion, ttlMs } = options;
    const write = this.#rows.begin();
    try {
      const row = rowKey(await this.#ensureSpace(), key);
      const version = await this.#rows.write([row], async () => {
        if (ifVersion !== undefined) await this.#requireVersion(row, ifVersion);
        return this.#putMutations(row, value, ttlMs);
      });
      this.#expiry.noteTtl(ttlMs);
      return version!;
    } finally {
      this.#rows.end(write);
    }
  }

  async delete(key: Uint8Array, { ifVersion }: RawCondition): Promise<boolean> {
    const write = this.#rows.begin();
    try {
      const space = await this.space();
      if (space === undefined) {
        if (ifVersion !== undefined && ifVersion !== 0) throw mismatch(ifVersion, 0);
        return false;
      }
      const row = rowKey(space, key);
      const version = await this.#rows.write([row], async () => {
        const found = this.visible(await this.#rows.read(row));
        if (ifVersion !== undefined && ifVersion !== (found?.version ?? 0)) {
          throw mismatch(ifVersion, found?.version ?? 0);
        }
        return found === undefined ? [] : [{ type: "delete", key: row }];
      });
      return version !== undefined;
    } finally {
      this.#rows.end(write);
    }
  }

  async batch(operations: readonly RawOperation[]): Promise<number> {
    if (operations.length === 0) return this.#rows.publishedTs;
    const write = this.#rows.begin();
    try {
      const space = await this.#ensureSpace();
      const keys = operations.map((operation) => rowKey(space, operation.key));
      const version = await this.#rows.write(keys, () =>
        operations.flatMap((operation, at) =>
          operation.type === "delete"
            ? [{ type: "delete" as const, key: keys[at]! }]
            : this.#putMutations(keys[at]!, operation.value, operation.ttlMs),
        ),
      );
      for (const operation of operations) {
        if (operation.type === "put") this.#expiry.noteTtl(operation.ttlMs);
      }
      return version!;
    } finally {
      this.#rows.end(write);
    }
  }

  /**
   * What a reader sees of a row: nothing, if it has expired.
   *
   * @param timestamp As of when. Default: now.
   */
  visible(
    found: VersionedValue | undefined,
    timestamp: Timestamp = this.#rows.publishedTs,
  ): RawEntry | undefined {
    if (found === undefined) return undefined;
    const { value, expiresAtMs } = decodeValueRow(found.value);
    if (expiresAtMs !== undefined && expiresAtMs <= timestampToMs(timestamp)) return undefined;
    return { value, version: found.version };
  }

  async #getLater(key: Uint8Array): Promise<RawEntry | undefined> {
    const space = await this.space();
    if (space === undefined) return undefined;
    return this.visible(await this.#rows.read(rowKey(space, key)));
  }

  #ensureSpace(): number | Promise<number> {
    return this.#spaces.ensure(this.#database, "kv", "");
  }

  async #requireVersion(row: Uint8Array, ifVersion: number): Promise<void> {
    const found = this.visible(await this.#rows.read(row));
    const version = found?.version ?? 0;
    if (version !== ifVersion) throw mismatch(ifVersion, version);
  }

  #putMutations(row: Uint8Array, value: Uint8Array, ttlMs: number | undefined): Mutation[] {
    if (ttlMs === undefined) {
      return [{ type: "put", key: row, value: encodeValueRow(value, undefined) }];
    }
    const expiresAtMs = this.#rows.nowMs() + ttlMs;
    return [
      { type: "put", key: row, value: encodeValueRow(value, expiresAtMs) },
      { type: "put", key: expiryKey(expiresAtMs, row), value: NOTHING },
    ];
  }
}

function mismatch(expected: number, found: number): Error {
  const message = `the key has version ${found}, not ${expected}; read it again, and decide`;
  return protocolError("VERSION_MISMATCH", message, { details: { expected, found } });
}
