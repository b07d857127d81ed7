import { type DiskErrorCode, isKvsError } from "@kvs/env";
import { type SimStorage } from "@kvs/sim";
import { expect, test } from "vitest";

import { type Mutation, type Store } from "../src/index.ts";
import { contentOf, expectSound, newStorage, put, withStore } from "./fixture.ts";

const BATCHES = 6;
/** Calls tried, spread over all. */
const TRIES = 12;

/** Rows over many leaves, one of them with pages of its own. */
function batchOf(number: number): Mutation[] {
  const rows = [put(`batch ${number}`, "yes")];
  for (let at = 0; at < 8; at++) rows.push(put(`row ${at * 10 + number}`, "r".repeat(700)));
  rows.push(put(`long ${number}`, "l".repeat(15_000)));
  return rows;
}

async function filledStorage(): Promise<SimStorage> {
  const storage = newStorage();
  await withStore(storage, async (store) => {
    for (let at = 0; at < 60; at++) await store.batch([put(`row ${at}`, "f".repeat(700))]);
    await store.close();
  });
  return storage;
}

type Fate = "done" | "none" | "unknown";

/** Writes at once, with a checkpoint and a new tree among them, and tells what was answered. */
async function writeAll(store: Store, arm: () => void): Promise<Fate[]> {
  arm();
  const batches: Promise<unknown>[] = [];
  const others: Promise<unknown>[] = [];
  for (let number = 0; number < BATCHES; number++) {
    batches.push(store.batch(batchOf(number)));
    if (number === 2) others.push(store.openTree("second"));
    if (number === 3) others.push(store.checkpoint());
    if (number === 4) others.push(contentOf(store));
  }
  const settled = Promise.allSettled(batches); // at once: none may be rejected unheard
  await Promise.allSettled(others);
  const answers = await settled;
  return answers.map((answer) => {
    if (answer.status === "fulfilled") return "done";
    const error: unknown = answer.reason;
    if (!isKvsError(error) || error.outcome === undefined) throw error;
    return error.outcome === "none" ? "none" : "unknown";
  });
}

async function tryFailure(
  filled: SimStorage,
  answers: "at-once" | "in-turn",
  fails: (call: number) => DiskErrorCode | undefined,
): Promise<{ calls: number; fates: readonly Fate[] }> {
  const storage = filled.clone();
  let calls = -1;
  const onCall = (): { type: "error"; code: DiskErrorCode } | undefined => {
    if (calls < 0) return undefined;
    const code = fails(calls++);
    return code === undefined ? undefined : { type: "error", code };
  };
  const world = { answers, disk: { onCall } } as const;
  const fates = await withStore(
    storage,
    async (store) => {
      const answered = await writeAll(store, () => (calls = 0));
      calls = -1;
      await store.close().catch(() => undefined);
      return answered;
    },
    { world },
  );
  await withStore(storage, async (store) => {
    await expectSound(store);
    const content = await contentOf(store);
    for (const [number, fate] of fates.entries()) {
      const rows = batchOf(number);
      const there = rows.filter((row) => {
        const found = content[String.fromCharCode(...row.key)];
        return row.type === "put" && found !== undefined && !found.startsWith("f");
      });
      if (fate === "done") expect(there.length).toBe(rows.length);
      if (fate === "none") expect(there.length).toBe(0);
      if (fate === "unknown") expect([0, rows.length]).toContain(there.length);
    }
  });
  return { calls, fates };
}

for (const answers of ["at-once", "in-turn"] as const) {
  for (const code of ["DISK_IO", "DISK_FULL"] as const) {
    for (const isLasting of [false, true]) {
      const name = `${code} ${isLasting ? "from" : "at"} any call, answered ${answers}`;
      test(`every batch is answered, and truly: ${name}`, async () => {
        const filled = await filledStorage();
        let total = 0;
        await tryFailure(filled, answers, (call) => {
          total = call + 1;
          return undefined;
        });
        expect(total).toBeGreaterThan(50);
        const seen = new Set<Fate>();
        const stride = Math.ceil(total / TRIES);
        for (let failing = 0; failing < total; failing += stride) {
          const fails = (call: number): DiskErrorCode | undefined =>
            call === failing || (isLasting && call > failing) ? code : undefined;
          try {
            const { fates } = await tryFailure(filled, answers, fails);
            for (const fate of fates) seen.add(fate);
          } catch (error) {
            throw new Error(`call ${failing} of ${total}`, { cause: error });
          }
        }
        expect(seen.has("done")).toBe(true);
      }, 120_000);
    }
  }
}
