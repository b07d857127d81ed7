import { type Environment, createRandom, isKvsError, sleep } from "@kvs/env";
import { type DiskCall, SimStorage } from "@kvs/sim";
import { expect, test } from "vitest";

import { type Mutation, type Store } from "../src/index.ts";
import { bytes, contentOf, del, expectSound, newStorage, put, withStore } from "./fixture.ts";

const DISK_BYTES: number = 4 << 20;
const STORE = { segmentBytes: 256 << 10 };

/** Takes every byte that is free, as another program would. */
async function fillDisk({ disk }: Environment): Promise<void> {
  const { freeBytes } = await disk.space("store");
  if (freeBytes === 0) return;
  const file = await disk.open("ballast", { create: true });
  const size = await file.size();
  await file.allocate(size, size + freeBytes);
  await file.close();
  expect((await disk.space("store")).freeBytes).toBe(0);
}

/** Writes until the disk is full. Returns the code of the refusal. */
async function writeUntilFull(store: Store, from: number): Promise<{ code: string; at: number }> {
  for (let at = from; ; at++) {
    try {
      await store.batch([put(`row ${at}`, "r".repeat(700))]);
    } catch (error) {
      expect(error).toMatchObject({ outcome: "none", retryable: true });
      return { code: isKvsError(error) ? error.code : "", at };
    }
  }
}

// REL-W11
test("a disk that is full: reads, deletes, checkpoints and recovery work, writes are refused and resume by themselves", async () => {
  const storage = new SimStorage({ random: createRandom(1), totalBytes: DISK_BYTES });
  const codes = new Set<string>();
  let expected: Record<string, string> = {};
  let rows = 0;
  await withStore(
    storage,
    async (store, environment) => {
      for (let at = 0; at < 100; at++) await store.batch([put(`row ${at}`, "r".repeat(700))]);
      await fillDisk(environment);
      const { code, at } = await writeUntilFull(store, 100);
      rows = at;
      codes.add(code);

      expect(Object.keys(await contentOf(store))).toHaveLength(rows);
      for (let row = 0; row < 40; row++) await store.batch([del(`row ${row}`)]);
      await store.checkpoint();
      await store.batch([del("row 40"), del("row 41")]);
      codes.add((await writeUntilFull(store, rows)).code);
      const wide = Array.from({ length: 200 }, (_, each) => put(`wide ${each}`, "w".repeat(700)));
      await expect(store.batch(wide)).rejects.toMatchObject({ outcome: "none", retryable: true });
      expect(store.isPoisoned).toBe(false);
      expected = await contentOf(store);
      expect(expected["row 41"]).toBe(undefined);
      await expectSound(store);
    },
    { store: STORE },
  );
  expect([...codes].every((code) => ["DISK_FULL", "WAL_DISK_FULL"].includes(code))).toBe(true);

  storage.crash("worst-case");
  await withStore(
    storage,
    async (store, environment) => {
      expect(await contentOf(store)).toEqual(expected);
      await fillDisk(environment);
      await store.batch([del("row 42")]);
      await expectSound(store);
      await store.close();
    },
    { store: STORE },
  );
  await withStore(
    storage,
    async (store, environment) => {
      await fillDisk(environment);
      await writeUntilFull(store, rows + 1000);
      await environment.disk.unlink("ballast");
      const wide = Array.from({ length: 100 }, (_, each) => put(`wide ${each}`, "w".repeat(700)));
      await store.batch(wide);
      expect((await store.get(bytes("wide 99")))?.length).toBe(700);
      await expectSound(store);
    },
    { store: STORE },
  );
});

test("deleting on a full disk makes room for writing, without a byte from outside", async () => {
  const storage = new SimStorage({ random: createRandom(2), totalBytes: DISK_BYTES });
  await withStore(
    storage,
    async (store, environment) => {
      for (let at = 0; at < 200; at++) await store.batch([put(`row ${at}`, "r".repeat(700))]);
      await fillDisk(environment);
      await writeUntilFull(store, 200);
      for (let row = 0; row < 150; row++) {
        await store.batch([del(`row ${row}`)]);
        if (row % 10 === 9) await sleep(environment.clock, 1000); // the janitor's
      }
      await store.checkpoint();
      for (let at = 0; at < 60; at++) await store.batch([put(`new ${at}`, "n".repeat(700))]);
      await expectSound(store);
    },
    { store: STORE },
  );
});

// REL-W11
test("deletes find room on a full disk though the log has the shortest segments, and none to drop", async () => {
  const storage = new SimStorage({ random: createRandom(3), totalBytes: DISK_BYTES });
  const rows = 100;
  await withStore(
    storage,
    async (store, environment) => {
      await writeUntilFull(store, 0);
      await store.checkpoint();
      for (let row = 0; row < rows; row++) {
        for (let tries = 0; !(await deletes(store, `row ${row}`)); tries++) {
          expect(tries).toBeLessThan(20);
          await sleep(environment.clock, 20); // a checkpoint brings log back
        }
      }
      expect(Object.keys(await contentOf(store))).not.toContain(`row ${rows - 1}`);
      await expectSound(store);
    },
    { store: { segmentBytes: 64 << 10, checkpointLogBytes: 32 << 10 } },
  );
});

/** Whether a key was deleted; if not, it was refused for now. */
async function deletes(store: Store, key: string): Promise<boolean> {
  try {
    await store.batch([del(key)]);
    return true;
  } catch (error) {
    expect(error).toMatchObject({ code: "WAL_DISK_FULL", outcome: "none", retryable: true });
    return false;
  }
}

const WRITING: readonly string[] = ["open", "rename", "writeAt", "writeDurableAt", "allocate"];

/** A store's life: batches large and small, trees, checkpoints, deletes, a second opening. */
async function live(store: Store, fails: (error: unknown) => void): Promise<void> {
  const attempt = async (body: () => Promise<unknown>): Promise<void> => {
    for (let tries = 0; ; tries++) {
      try {
        await body();
        return;
      } catch (error) {
        expect(tries).toBe(0); // a full disk is over with one refusal
        fails(error);
      }
    }
  };
  for (let at = 0; at < 5; at++)
    await attempt(() => store.batch([put(`row ${at}`, "r".repeat(700))]));
  const rows: Mutation[] = [];
  for (let at = 0; at < 14; at++) rows.push(put(`wide ${at}`, "w".repeat(500)));
  await attempt(() => store.batch([...rows, put("long", "l".repeat(9000))]));
  await attempt(() => store.openTree("second"));
  await attempt(() => store.checkpoint());
  await attempt(() => store.batch(rows.map(({ key }) => ({ type: "delete", key }))));
  await attempt(() => store.batch([put("last", "1")]));
  await store.sync();
}

// REL-W11
for (const code of ["DISK_FULL", "DISK_TOO_MANY_FILES"] as const) {
  test(`${code} at every n-th operation, in batches, checkpoints and recovery: refused or done, and the store goes on`, async () => {
    let refusals = 0;
    for (let failing = 0; ; failing++) {
      const storage = newStorage();
      let calls = 0;
      let hasFailed = false;
      const onCall = (call: DiskCall) => {
        if (!WRITING.includes(call.operation)) return undefined;
        if (code === "DISK_TOO_MANY_FILES" && call.operation !== "open") return undefined;
        if (calls++ !== failing) return undefined;
        hasFailed = true;
        return { type: "error", code } as const;
      };
      const fails = (error: unknown): void => {
        refusals++;
        expect(error).toMatchObject({ outcome: "none", retryable: true });
      };
      const options = { world: { disk: { onCall } } };
      const liveOnce = (): Promise<void> =>
        withStore(
          storage,
          async (store) => {
            await live(store, fails);
            expect(store.isPoisoned).toBe(false);
          },
          options,
        );
      const reopen = (): Promise<void> =>
        withStore(
          storage,
          async (store) => {
            expect(Object.keys(await contentOf(store))).toHaveLength(7);
            await expectSound(store);
          },
          options,
        );
      for (const step of [liveOnce, reopen]) {
        try {
          await step();
        } catch (error) {
          if (!isKvsError(error, code, "WAL_DISK_FULL")) {
            throw new Error(`call ${failing}`, { cause: error });
          }
          refusals++; // opening was refused
          await step();
        }
      }
      if (!hasFailed) break;
    }
    expect(refusals).toBeGreaterThan(3);
  }, 240_000);
}
