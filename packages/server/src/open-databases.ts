import { assert } from "@kvs/env";
import { type DatabaseProvider, type HostedDatabase } from "@kvs/protocol";
import { serverError } from "./server-error.ts";

interface Entry {
  readonly opening: Promise<HostedDatabase>;
  sessions: number;
}

/**
 * The databases that are open, each once for all sessions.
 *
 * 1. A database stays open when its last session goes: the next one comes soon.
 * 2. At the limit one that nobody uses is closed for the new one, the one opened first.
 * 3. What failed to open is forgotten, and tried again when it is asked for again.
 */
export class OpenDatabases {
  readonly #provider: DatabaseProvider;
  readonly #limit: number;
  readonly #entries = new Map<string, Entry>();
  /** Databases being closed, by name: each is opened again only afterwards. */
  readonly #closing = new Map<string, Promise<void>>();

  constructor(provider: DatabaseProvider, limit: number) {
    this.#provider = provider;
    this.#limit = limit;
  }

  /** How many are open or being opened. */
  get count(): number {
    return this.#entries.size;
  }

  /**
   * The database of this name for one more session, which must `release` it unless this throws.
   *
   * @throws {KvsError} `TOO_MANY_DATABASES`, and what the provider throws.
   */
  async acquire(name: string): Promise<HostedDatabase> {
    let entry = this.#entries.get(name);
    if (entry === undefined) {
      if (this.#entries.size >= this.#limit) this.#closeUnused();
      entry = { opening: this.#open(name), sessions: 0 };
      this.#entries.set(name, entry);
    }
    entry.sessions++;
    try {
      return await entry.opening;
    } catch (error) {
      if (this.#entries.get(name) === entry) this.#entries.delete(name);
      throw error;
    }
  }

  release(name: string): void {
    const entry = this.#entries.get(name);
    assert(entry !== undefined && entry.sessions > 0, "what is released was acquired");
    entry.sessions--;
  }

  /** Closes all, one after the other. Nobody uses them any more. */
  async close(): Promise<void> {
    for (const name of this.#entries.keys()) this.#close(name);
    for (const closed of this.#closing.values()) await closed;
  }

  async #open(name: string): Promise<HostedDatabase> {
    await this.#closing.get(name);
    return this.#provider.open(name);
  }

  #closeUnused(): void {
    for (const [name, { sessions }] of this.#entries) {
      if (sessions > 0) continue;
      this.#close(name);
      return;
    }
    throw serverError(
      "TOO_MANY_DATABASES",
      `${this.#limit} databases are in use, as many as the server may hold open; ` +
        "use fewer at once, or raise the limit",
      { retryable: true, details: { databasesMax: this.#limit } },
    );
  }

  #close(name: string): void {
    const { opening } = this.#entries.get(name)!;
    this.#entries.delete(name);
    const closed = opening
      .then(
        (database) => database.close(),
        () => undefined, // it never opened; whoever asked was told
      )
      .finally(() => this.#closing.delete(name));
    this.#closing.set(name, closed);
  }
}
