import { DatabaseSync } from "node:sqlite";
import { CACHE_BYTES, type EmbeddedStore } from "./embedded-store.ts";

/** SQLite as it comes with Node: prepared statements, a write-ahead log, every commit synced. */
export async function openSqlite(folder: string): Promise<EmbeddedStore> {
  const database = new DatabaseSync(`${folder}/sqlite.db`);
  database.exec(`
    pragma journal_mode = wal;
    pragma synchronous = full;
    pragma cache_size = -${CACHE_BYTES / 1024};
    create table if not exists kv (key blob primary key, value blob) without rowid;
  `);
  const get = database.prepare("select value from kv where key = ?");
  const put = database.prepare("insert or replace into kv values (?, ?)");
  const scan = database.prepare("select key, value from kv where key >= ? order by key limit ?");
  return {
    syncsEachWrite: true,
    getEach: (keys) => {
      let found = 0;
      for (const key of keys) if (get.get(key) !== undefined) found++;
      return found;
    },
    put: async (key, value) => put.run(key, value),
    putAll: async (pairs) => {
      database.exec("begin");
      for (const { key, value } of pairs) put.run(key, value);
      database.exec("commit");
    },
    scan: async (from, count) => {
      let found = 0;
      for (const row of scan.iterate(from, count)) if (row["value"] !== null) found++;
      return found;
    },
    close: async () => database.close(),
  };
}
