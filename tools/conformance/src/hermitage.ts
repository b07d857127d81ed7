import { isKvsError } from "@kvs/env";
import { type Collection, type Database, type Isolation, type Transaction } from "@kvs/protocol";
import { wait } from "./walks.ts";

/**
 * Ten interleavings that tell isolation levels apart, after Martin Kleppmann's Hermitage: each is
 * run step by step, and shows its anomaly or not.
 *
 * Source: github.com/ept/hermitage; the names are those of Adya, "Weak Consistency" (1999), and of
 * Bailis et al., "Highly Available Transactions" (2013).
 */
export interface Interleaving {
  readonly name: string;
  /** What happens if it is not prevented. */
  readonly anomaly: string;
  /** @returns Whether the anomaly showed. */
  run(test: InterleavedTest): Promise<boolean>;
}

/** Time for a step to take effect, or to wait for a lock, before the next begins. */
const STEP_MS = 10;

interface Row {
  readonly _id?: string;
  readonly value: number;
}

/**
 * Runs an interleaving at a level, over the rows 1 → 10 and 2 → 20.
 *
 * @returns A cell of the table: whether the anomaly showed, and who was told what.
 */
export async function runInterleaving(
  database: Database,
  interleaving: Interleaving,
  isolation: Isolation,
): Promise<string> {
  const name = `${interleaving.name}.${isolation}`;
  const rows = database.collection<Row>(name);
  await rows.insertMany([
    { _id: "1", value: 10 },
    { _id: "2", value: 20 },
  ]);
  const test = new InterleavedTest(database, name, isolation);
  const isShown = await interleaving.run(test);
  await test.end();
  return [isShown ? "yes" : "no", ...test.errors].join(", ");
}

/** Transactions whose steps are begun in a given order, some of which wait for others. */
export class InterleavedTest {
  /** Who was told what, in order. */
  readonly errors: string[] = [];
  readonly #database: Database;
  readonly #name: string;
  readonly #isolation: Isolation;
  readonly #open: Promise<void>[] = [];
  #begun = 0;

  constructor(database: Database, name: string, isolation: Isolation) {
    this.#database = database;
    this.#name = name;
    this.#isolation = isolation;
  }

  async begin(): Promise<Actor> {
    const tx = await this.#database.begin(this.#isolation);
    const label = `T${++this.#begun}`;
    return new Actor(tx, tx.collection<Row>(this.#name), {
      failed: (code) => void this.errors.push(`${label}: ${code}`),
      began: (step) => void this.#open.push(step),
    });
  }

  /** The value of a row as everybody sees it. */
  async final(id: number): Promise<number | undefined> {
    await this.end();
    return (await this.#database.collection<Row>(this.#name).get(String(id)))?.value;
  }

  /** Waits for all steps. */
  async end(): Promise<void> {
    await Promise.all(this.#open);
  }
}

interface ActorObserver {
  readonly failed: (code: string) => void;
  readonly began: (step: Promise<void>) => void;
}

/** One of the transactions: after an error it has ended, and its later steps do nothing. */
class Actor {
  readonly #tx: Transaction;
  readonly #rows: Collection<Row>;
  readonly #observer: ActorObserver;
  #last: Promise<void> = Promise.resolve();
  #hasFailed = false;
  isCommitted = false;

  constructor(tx: Transaction, rows: Collection<Row>, observer: ActorObserver) {
    this.#tx = tx;
    this.#rows = rows;
    this.#observer = observer;
  }

  /** What it reads; `undefined` if it failed. It never waits, unless behind a write of its own. */
  async read(id: number): Promise<number | undefined> {
    let value: number | undefined;
    await this.#step(async () => {
      value = (await this.#rows.get(String(id)))?.value;
    });
    await this.#last;
    return value;
  }

  /** How many rows have a value that is divisible by 3. */
  async countThirds(): Promise<number> {
    let count = 0;
    await this.#step(async () => {
      for (const { value } of await this.#rows.find().toArray()) if (value % 3 === 0) count++;
    });
    await this.#last;
    return count;
  }

  write(id: number, value: number): Promise<void> {
    return this.#step(async () => {
      await this.#rows.update(String(id), { value });
    });
  }

  insert(id: number, value: number): Promise<void> {
    return this.#step(async () => {
      await this.#rows.insert({ _id: String(id), value });
    });
  }

  commit(): Promise<void> {
    return this.#step(async () => {
      await this.#tx.commit();
      this.isCommitted = true;
    });
  }

  rollback(): Promise<void> {
    return this.#step(() => this.#tx.rollback());
  }

  /** Begins a step behind the one before it, and gives it time. */
  async #step(step: () => Promise<void>): Promise<void> {
    this.#last = this.#last.then(async () => {
      if (this.#hasFailed) return;
      try {
        await step();
      } catch (error) {
        if (!isKvsError(error)) throw error;
        this.#hasFailed = true;
        this.#observer.failed(error.code);
        await this.#tx.rollback();
      }
    });
    this.#observer.began(this.#last);
    await wait(STEP_MS);
  }
}
