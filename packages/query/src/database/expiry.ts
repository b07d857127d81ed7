import { type Timer } from "@kvs/env";
import { type Mutation } from "@kvs/txn";
import { type RowStore } from "./row-store.ts";
import { SPACE_EXPIRY, decodeValueRow, readExpiryKey, rowRange } from "./rows.ts";

/** Values removed by one batch. */
const BATCH_ROWS = 500;
/** After a failure, and between batches of a long backlog. */
const RETRY_MS = 1000;
/** The longest a timer is set: a wall clock that jumps ahead is noticed after so long. */
const TIMER_MS_MAX = 60_000;

/**
 * Removes what has expired, soon after. Each value with an expiry has a row in a space of their own,
 * ordered by time. That row may be out of date, when the value was replaced meanwhile: the value
 * itself decides.
 */
export class Expiry {
  readonly #rows: RowStore;
  #timer: Timer | undefined;
  #dueMs = Number.POSITIVE_INFINITY;
  #running: Promise<void> | undefined;
  #isRunning = false;
  #isStopped = false;

  constructor(rows: RowStore) {
    this.#rows = rows;
  }

  /** Looks for what is due first. */
  async start(): Promise<void> {
    for await (const [first] of this.#rows.walk({ ...WHOLE_SPACE, limit: 1 })) {
      this.#noteDue(readExpiryKey(first!.key).expiresAtMs);
    }
  }

  /** Notes that a value was written that expires after this time; `undefined`: never. */
  noteTtl(ttlMs: number | undefined): void {
    if (ttlMs !== undefined) this.#noteDue(this.#rows.nowMs() + ttlMs);
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#timer?.cancel();
    await this.#running;
  }

  #noteDue(dueMs: number): void {
    if (this.#isStopped || dueMs >= this.#dueMs) return;
    this.#dueMs = dueMs;
    if (!this.#isRunning) this.#schedule(1);
  }

  /** Sets the timer for what is due first, if there is anything. */
  #schedule(delayMsMin: number): void {
    this.#timer?.cancel();
    if (this.#isStopped || this.#dueMs === Number.POSITIVE_INFINITY) return;
    const delayMs = Math.max(this.#dueMs - this.#rows.nowMs(), delayMsMin);
    this.#timer = this.#rows.clock.schedule(Math.min(delayMs, TIMER_MS_MAX), () => {
      this.#running = this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    // What is noted from here on may come too late for the walk.
    this.#dueMs = Number.POSITIVE_INFINITY;
    let delayMsMin = 1;
    try {
      this.#noteDue((await this.#removeDue()) ?? Number.POSITIVE_INFINITY);
    } catch {
      delayMsMin = RETRY_MS; // readers see nothing of what has expired; removing it can wait
      this.#noteDue(this.#rows.nowMs());
    }
    this.#isRunning = false;
    this.#schedule(delayMsMin);
  }

  /** Removes a batch of what is due. Returns when the next is due, `undefined` if there is none. */
  async #removeDue(): Promise<number | undefined> {
    const { due, nextMs } = await this.#listDue();
    if (due.length === 0) return nextMs;
    const rows = due.map((key) => readExpiryKey(key).row);
    await this.#rows.write(rows, async () => {
      const mutations: Mutation[] = [];
      for (const key of due) mutations.push(...(await this.#removal(key)));
      return mutations;
    });
    return nextMs;
  }

  /** A batch of what is due, and when the next is. */
  async #listDue(): Promise<{ due: readonly Uint8Array[]; nextMs: number | undefined }> {
    const nowMs = this.#rows.nowMs();
    const due: Uint8Array[] = [];
    for await (const rows of this.#rows.walk({ ...WHOLE_SPACE, limit: BATCH_ROWS + 1 })) {
      for (const { key } of rows) {
        const { expiresAtMs } = readExpiryKey(key);
        if (expiresAtMs > nowMs || due.length === BATCH_ROWS) return { due, nextMs: expiresAtMs };
        due.push(key);
      }
    }
    return { due, nextMs: undefined };
  }

  async #removal(key: Uint8Array): Promise<Mutation[]> {
    const { expiresAtMs, row } = readExpiryKey(key);
    const found = await this.#rows.read(row);
    const isStill = found !== undefined && decodeValueRow(found.value).expiresAtMs === expiresAtMs;
    const noted: Mutation = { type: "delete", key };
    return isStill ? [noted, { type: "delete", key: row }] : [noted];
  }
}

const WHOLE_SPACE = rowRange(SPACE_EXPIRY, undefined, undefined);
