import { type Key } from "@kvs/codec";
import { type KeyRangeOptions } from "@kvs/protocol";
import { parseLoosely, toJson } from "../json-values.ts";
import { type Session, withDatabase } from "../session.ts";

/** Entries shown on a terminal unless told otherwise. */
const TERMINAL_ENTRIES = 50;

/** Prints the value of a key; exit code 1 and nothing printed if it is absent. */
export function get(session: Session, key: string): Promise<void> {
  return withDatabase(session, async (database) => {
    const entry = await database.kv.getEntry(parseKey(key));
    if (entry === undefined) process.exitCode = 1;
    else if (typeof entry.value === "string" && !session.output.isJson) {
      await session.output.line(entry.value);
    } else await session.output.value(entry.value);
  });
}

/** Puts a value under a key: JSON if it parses, else text. */
export function put(session: Session, key: string, value: string): Promise<void> {
  return withDatabase(session, async (database) => {
    const { version } = await database.kv.put(parseKey(key), parseLoosely(value));
    if (session.output.isJson) await session.output.value({ version });
    else await session.output.say(`put ${key} (version ${version})`);
  });
}

/** Removes a key; exit code 1 if it was not there. */
export function remove(session: Session, key: string): Promise<void> {
  return withDatabase(session, async (database) => {
    const wasThere = await database.kv.delete(parseKey(key));
    if (!wasThere) process.exitCode = 1;
    if (session.output.isJson) await session.output.value({ deleted: wasThere });
    else await session.output.say(wasThere ? `deleted ${key}` : `there is no ${key}`);
  });
}

export interface ScanFlags {
  readonly prefix?: string;
  readonly limit?: number;
}

/** Lists keys in order: a table on a terminal, tab-separated lines into a pipe. */
export function scan(session: Session, flags: ScanFlags): Promise<void> {
  const { output } = session;
  const isShort = output.isTerminal && !output.isJson && flags.limit === undefined;
  const limit = isShort ? TERMINAL_ENTRIES + 1 : flags.limit;
  const range: KeyRangeOptions = {
    ...(flags.prefix === undefined ? {} : { prefix: parseKey(flags.prefix) }),
    ...(limit === undefined ? {} : { limit }),
  };
  return withDatabase(session, async (database) => {
    const rows: unknown[][] = [];
    for await (const { key, value, version } of database.kv.scan(range)) {
      if (output.isJson) await output.value({ key, value, version });
      else if (output.isTerminal) rows.push([key, value, version]);
      else await output.line([showKey(key), toJson(value), version].join("\t"));
    }
    if (output.isJson || !output.isTerminal) return;
    if (rows.length === 0) {
      await output.say("nothing found");
      return;
    }
    const hasMore = isShort && rows.length > TERMINAL_ENTRIES;
    await output.table(["key", "value", "version"], hasMore ? rows.slice(0, -1) : rows);
    if (hasMore) await output.line(`(the first ${TERMINAL_ENTRIES}; --limit N shows more)`);
  });
}

/** As a command takes it; text without what would break a line or a column. */
function showKey(key: Key): string {
  return typeof key === "string" && !/[\t\r\n]/.test(key) ? key : toJson(key);
}

/** A JSON list is a key of several parts; everything else is a text. */
function parseKey(text: string): Key {
  if (!text.startsWith("[")) return text;
  const parsed = parseLoosely(text);
  return Array.isArray(parsed) ? (parsed as Key) : text;
}
