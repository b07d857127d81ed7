import {
  type DocumentObject,
  type Key,
  decodeDocument,
  decodeKey,
  encodeDocument,
  encodeKey,
  keyPrefixRange,
} from "@kvs/codec";
import { KvsError } from "@kvs/env";
import { type RowAccess } from "./row-access.ts";
import { type RowStore } from "./row-store.ts";
import { FIRST_SPACE, SPACE_LIST, keyOfRow, rowKey, rowRange, spaceOfRow } from "./rows.ts";

/** What a space holds. */
export type SpaceKind = "kv" | "collection";

/** The counter of spaces: a row of the list that sorts before all others. */
const COUNTER_ROW: Uint8Array = rowKey(SPACE_LIST, encodeKey(null));

/**
 * The spaces of a store: one for the keys of each database, one for each of its collections. A space
 * is made by the first write into it; its number is never given out again.
 */
export class SpaceList {
  readonly #rows: RowStore;
  readonly #known = new Map<string, number>();
  /** What people call the spaces that are known. */
  readonly #titles = new Map<number, string>();
  readonly #making = new Map<string, Promise<number>>();

  constructor(rows: RowStore) {
    this.#rows = rows;
  }

  /**
   * The space, `undefined` if nothing was ever written into it. At once if it is known. Waits for one
   * that is being made, so that a write never overtakes the first one.
   */
  find(
    database: string,
    kind: SpaceKind,
    name: string,
  ): number | undefined | Promise<number | undefined> {
    const label = lockKey(database, kind, name);
    return this.#known.get(label) ?? this.#making.get(label) ?? this.#look(database, kind, name);
  }

  /**
   * As `find`, for a read. Where there is no space yet, a transaction that relies on that must notice
   * when others write into it.
   */
  findFor(
    rows: RowAccess,
    database: string,
    kind: SpaceKind,
    name: string,
  ): number | undefined | Promise<number | undefined> {
    const found = this.find(database, kind, name);
    if (typeof found === "number" || rows.noteAbsentSpace === undefined) return found;
    return this.#noteAbsent(found, () =>
      rows.noteAbsentSpace!(COUNTER_ROW, () => this.ensure(database, kind, name)),
    );
  }

  /** The space, made if there is none. */
  ensure(database: string, kind: SpaceKind, name: string): number | Promise<number> {
    const label = lockKey(database, kind, name);
    const known = this.#known.get(label);
    if (known !== undefined) return known;
    const making = this.#making.get(label);
    if (making !== undefined) return making;
    const made = this.#make(database, kind, name).finally(() => this.#making.delete(label));
    this.#making.set(label, made);
    return made;
  }

  /** Names of a database's collections, sorted. */
  async collections(database: string): Promise<string[]> {
    const { from, to } = keyPrefixRange([database, "collection"]);
    const names: string[] = [];
    for await (const parts of this.#names(from, to)) names.push(parts[2]);
    return names;
  }

  /** Names of the databases that something was written into, sorted. */
  async databases(): Promise<string[]> {
    const names = new Set<string>();
    for await (const parts of this.#names(undefined, undefined)) names.add(parts[0]);
    return [...names];
  }

  /** Database, kind and name of each space in a part of the list, in order. */
  async *#names(
    from: Uint8Array | undefined,
    to: Uint8Array | undefined,
  ): AsyncGenerator<[string, string, string], void, undefined> {
    for await (const rows of this.#rows.walk(rowRange(SPACE_LIST, from, to))) {
      for (const { key } of rows) {
        const parts = decodeKey(keyOfRow(key));
        if (Array.isArray(parts)) yield parts as [string, string, string];
      }
    }
  }

  /** A row for people, such as `key "a" of database app`; `undefined` for what is not theirs. */
  describe(row: Uint8Array): string | undefined {
    try {
      const title = this.#titles.get(spaceOfRow(row));
      return title?.replace("…", () => describeKey(decodeKey(keyOfRow(row))));
    } catch {
      return undefined; // a bound of a range is not always a key
    }
  }

  #know(
    space: number,
    place: { readonly database: string; readonly kind: SpaceKind; readonly name: string },
  ): void {
    const { database, kind, name } = place;
    this.#known.set(lockKey(database, kind, name), space);
    const title = kind === "kv" ? "key …" : `document … of collection ${name}`;
    this.#titles.set(space, `${title} of database ${database}`);
  }

  async #noteAbsent(
    found: number | undefined | Promise<number | undefined>,
    note: () => Promise<number | undefined>,
  ): Promise<number | undefined> {
    return (await found) ?? (await note());
  }

  async #look(database: string, kind: SpaceKind, name: string): Promise<number | undefined> {
    const entry = await this.#rows.read(listKey(database, kind, name));
    if (entry === undefined) return undefined;
    const space = readSpace(entry.value);
    this.#know(space, { database, kind, name });
    return space;
  }

  async #make(database: string, kind: SpaceKind, name: string): Promise<number> {
    const key = listKey(database, kind, name);
    let space = FIRST_SPACE;
    await this.#rows.write([COUNTER_ROW, key], async () => {
      const existing = await this.#rows.read(key);
      if (existing !== undefined) {
        space = readSpace(existing.value);
        return [];
      }
      const counter = await this.#rows.read(COUNTER_ROW);
      space = counter === undefined ? FIRST_SPACE : readSpace(counter.value) + 1;
      const value = encodeDocument({ space });
      return [
        { type: "put", key: COUNTER_ROW, value },
        { type: "put", key, value },
      ];
    });
    this.#know(space, { database, kind, name });
    return space;
  }
}

function listKey(database: string, kind: SpaceKind, name: string): Uint8Array {
  return rowKey(SPACE_LIST, encodeKey([database, kind, name]));
}

function lockKey(database: string, kind: SpaceKind, name: string): string {
  return `${database}/${kind}/${name}`;
}

function readSpace(value: Uint8Array): number {
  const { space } = decodeDocument(value) as DocumentObject;
  if (typeof space === "number" && Number.isInteger(space) && space >= FIRST_SPACE) return space;
  const message = "the list of databases and collections is damaged; restore it from a copy";
  throw new KvsError("QUERY_DAMAGED_ROW", message, { outcome: "none" });
}

const SHOWN_MAX = 100;

function describeKey(key: Key): string {
  const shown = JSON.stringify(key, (_name, value: unknown) =>
    value instanceof Uint8Array ? `${value.length} bytes` : value,
  );
  return shown.length > SHOWN_MAX ? `${shown.slice(0, SHOWN_MAX)}…` : shown;
}
