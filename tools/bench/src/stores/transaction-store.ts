import { type Database } from "@kvs/protocol";
import { open } from "@kvs/query";
import { DatabaseSync } from "node:sqlite";
import { CACHE_BYTES } from "./embedded-store.ts";
import { keyTextOf, randomValues } from "./sample-pairs.ts";

/** Keys of one batch of a load. */
const LOAD_BATCH = 1000;
/** Several pairs of each page are among those rewritten before anything is measured. */
const SETTLE_STEP = 16;
const VALUE_BYTES = 100;

/** A database full of keys, and values to put there. */
export interface TransactionSubject {
  readonly db: Database;
  readonly keys: number;
  readonly values: readonly Uint8Array[];
}

/** Ours, as programs open it, with a million keys or as many as said; those of a run share one. */
export async function openTransactions(path: string, keys: number): Promise<TransactionSubject> {
  const db = await open(path, { memoryBytes: CACHE_BYTES });
  const values = randomValues(VALUE_BYTES);
  if ((await db.kv.get(keyTextOf(keys - 1))) === undefined) await load(db, keys, values, 1);
  await load(db, keys, values, SETTLE_STEP);
  return { db, keys, values };
}

/** Puts every key whose number is a multiple of `step`. */
// oxlint-disable-next-line eslint/max-params -- which keys, and what to put there
async function load(
  db: Database,
  keys: number,
  values: readonly Uint8Array[],
  step: number,
): Promise<void> {
  for (let from = 0; from < keys; from += LOAD_BATCH * step) {
    await db.kv.batch(
      Array.from({ length: Math.min(LOAD_BATCH, Math.ceil((keys - from) / step)) }, (_, at) => ({
        type: "put" as const,
        key: keyTextOf(from + at * step),
        value: values[(from + at) % values.length]!,
      })),
    );
  }
}

/** A transaction that reads a key and writes it, durably. */
export type ReadModifyWrite = (key: string, value: Uint8Array) => Promise<unknown>;

/** SQLite as it comes with Node, a write-ahead log, every commit synced: one writer at a time. */
export function openSqliteTransactions(
  path: string,
  keys: number,
): { readonly run: ReadModifyWrite; close(): void } {
  const database = new DatabaseSync(path);
  database.exec(`
    pragma journal_mode = wal;
    pragma synchronous = full;
    pragma cache_size = -${CACHE_BYTES / 1024};
    create table if not exists kv (key text primary key, value blob) without rowid;
  `);
  const get = database.prepare("select value from kv where key = ?");
  const put = database.prepare("insert or replace into kv values (?, ?)");
  const begin = database.prepare("begin immediate");
  const commit = database.prepare("commit");
  if (get.get(keyTextOf(keys - 1)) === undefined) {
    const values = randomValues(VALUE_BYTES);
    begin.run();
    for (let at = 0; at < keys; at++) put.run(keyTextOf(at), values[at % values.length]!);
    commit.run();
  }
  return {
    run: async (key, value) => {
      begin.run();
      if (get.get(key) === undefined) throw new Error("every key that is read is there");
      put.run(key, value);
      commit.run();
    },
    close: () => database.close(),
  };
}
