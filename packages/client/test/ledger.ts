import { type Random, isKvsError } from "@kvs/env";
import { type Database } from "@kvs/protocol";
import { type MemoryDatabase } from "@kvs/server/testing";

/** What became of one write, as its caller was told. */
interface Write {
  readonly key: string;
  told: "done" | "none" | "applied" | "unknown" | undefined;
}

/**
 * Keeps the books of writes that are each made once: how often a server executed each, against what
 * the callers were told; and whether each read got the value of the key it asked for.
 */
export class Ledger {
  readonly #writes: Write[] = [];
  readonly #executions = new Map<string, number>();
  readonly #wrongReads: string[] = [];
  readonly #unexpected: unknown[] = [];
  #readCount = 0;

  /** Counts the writes that take effect in a database. */
  watch(database: MemoryDatabase): void {
    const put = database.putRaw.bind(database);
    database.putRaw = async (key, value, options) => {
      const name = Buffer.from(key.subarray(1, -1)).toString();
      const version = await put(key, value, options);
      this.#executions.set(name, (this.#executions.get(name) ?? 0) + 1);
      return version;
    };
  }

  /** Makes one write and remembers what came of it. */
  async write(db: Database, random: Random): Promise<void> {
    const write: Write = { key: `key-${this.#writes.length}`, told: undefined };
    this.#writes.push(write);
    try {
      await db.kv.put(write.key, { of: write.key, padding: "x".repeat(random.below(2000)) });
      write.told = "done";
    } catch (error) {
      if (isKvsError(error)) write.told = error.outcome;
      else this.#unexpected.push(error);
    }
  }

  /** Reads a key that may have been written. */
  async read(db: Database, random: Random): Promise<void> {
    const key = `key-${random.below(this.#writes.length + 1)}`;
    try {
      const value = await db.kv.get<{ of: string }>(key);
      this.#readCount++;
      if (value !== undefined && value.of !== key) this.#wrongReads.push(`${key}: ${value.of}`);
    } catch (error) {
      if (!isKvsError(error) || error.outcome !== "none") this.#unexpected.push(error);
    }
  }

  /** How many writes ended in each way. */
  get tally(): Record<string, number> {
    const tally: Record<string, number> = { reads: this.#readCount };
    for (const { told } of this.#writes) tally[String(told)] = (tally[String(told)] ?? 0) + 1;
    return tally;
  }

  /** Everything that contradicts what callers were told; empty if all is well. */
  violations(): string[] {
    const found = this.#wrongReads.map((read) => `a read got another key's value: ${read}`);
    for (const error of this.#unexpected) found.push(`unexpected: ${String(error)}`);
    for (const { key, told } of this.#writes) {
      const count = this.#executions.get(key) ?? 0;
      if (told === undefined) found.push(`${key} never settled`);
      if (count > 1) found.push(`${key} happened ${count} times`);
      if (told === "none" && count > 0) found.push(`${key} was said not to have happened, and did`);
      if ((told === "done" || told === "applied") && count === 0) {
        found.push(`${key} was said to have happened, and did not`);
      }
    }
    return found;
  }
}
