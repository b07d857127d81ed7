import { type StoreLevel } from "./store-level.ts";

/** A key and what is to be stored under it. */
export interface KeyvPut {
  readonly key: string;
  readonly value: unknown;
}

/** Entries that `iterator` reads at once. */
const STEP_ENTRIES = 256;
/** Keyv puts its name and this before each key. */
const SEPARATOR = ":";
/** The character behind the separator: no key of a namespace is at or behind it. */
const BEYOND_SEPARATOR = ";";

/**
 * A storage adapter of Keyv over a database of its own. Keyv keeps the time to live within what it
 * stores and checks it when it reads; what nobody reads or deletes any more stays until `clear`.
 *
 * There are no events: what fails rejects.
 */
export class KeyvStore<K, V> {
  /**
   * Read by Keyv, which offers `iterator` only for dialects that it knows, and uses the name for
   * nothing else.
   */
  readonly opts: Record<string, unknown> = { dialect: "sqlite", url: "" };
  /** Set by Keyv; keys come with it in front. */
  namespace: string | undefined = undefined;
  readonly #database: StoreLevel<K, V>;

  constructor(database: StoreLevel<K, V>) {
    this.#database = database;
  }

  get(key: string): Promise<unknown> {
    return this.#database.get(key, AS_JSON);
  }

  getMany(keys: readonly string[]): Promise<unknown[]> {
    return this.#database.getMany([...keys], AS_JSON);
  }

  /** The time to live is part of what Keyv stores. */
  async set(key: string, value: unknown): Promise<boolean> {
    await this.#database.put(key, value, AS_JSON);
    return true;
  }

  /** All or none. */
  async setMany(puts: readonly KeyvPut[]): Promise<void> {
    const operations = puts.map(({ key, value }) => ({ type: "put" as const, key, value }));
    await this.#database.batch(operations, AS_JSON);
  }

  /** @returns Whether it was there. */
  delete(key: string): Promise<boolean> {
    return this.deleteMany([key]);
  }

  /** All or none. @returns Whether one was there. */
  async deleteMany(keys: readonly string[]): Promise<boolean> {
    const found = await this.#database.hasMany([...keys], AS_JSON);
    const operations = keys
      .filter((_, at) => found[at])
      .map((key) => ({ type: "del" as const, key }));
    await this.#database.batch(operations, AS_JSON);
    return operations.length > 0;
  }

  /** Deletes what is in the namespace, or all if there is none. */
  clear(): Promise<void> {
    return this.#database.clear({ ...AS_JSON, ...rangeOf(this.namespace) });
  }

  /** Entries of a namespace, or all, as of one moment. */
  async *iterator(namespace?: string): AsyncGenerator<[key: string, value: unknown], void> {
    const options = { ...AS_JSON, ...rangeOf(namespace) };
    const entries = this.#database.iterator<string, unknown>(options);
    try {
      for (;;) {
        const some = await entries.nextv(STEP_ENTRIES);
        if (some.length === 0) return;
        yield* some;
      }
    } finally {
      await entries.close();
    }
  }

  /** Closes the database. */
  disconnect(): Promise<void> {
    return this.#database.close();
  }

  /** Keyv listens for errors; there are none that nobody else is told. */
  on(): this {
    return this;
  }
}

const AS_JSON = { keyEncoding: "utf8", valueEncoding: "json" } as const;

function rangeOf(namespace: string | undefined): { readonly gte?: string; readonly lt?: string } {
  if (namespace === undefined) return {};
  return { gte: namespace + SEPARATOR, lt: namespace + BEYOND_SEPARATOR };
}
