import { type DiskErrorCode, createRandom, yieldTurn } from "@kvs/env";
import { type DiskCall, SimStorage } from "@kvs/sim";
import { expect, test } from "vitest";

import { type Store } from "../src/index.ts";
import { contentOf, del, expectSound, newStorage, put, withStore } from "./fixture.ts";

const SPACIOUS = { memoryBytes: 64 * 4096 };

interface Verdict {
  readonly type: "error";
  readonly code: DiskErrorCode;
}

/** Fills a store in random order, and deletes most of it again; some of it is gone by then. */
async function fillAndThin(store: Store, count: number): Promise<void> {
  const random = createRandom(count);
  const names = Array.from({ length: count }, () => `key ${random.nextUint32()}`);
  const values = names.map((name, at) => put(name, "v".repeat(at % 40 === 0 ? 6000 : 150)));
  for (let at = 0; at < count; at += 20) await store.batch(values.slice(at, at + 20));
  await store.batch(names.filter(() => random.chance(0.8)).map((name) => del(name)));
}

async function thinStore(count: number): Promise<SimStorage> {
  const storage = newStorage();
  await withStore(
    storage,
    async (store) => {
      await fillAndThin(store, count);
      await store.close(); // before the janitor came by
    },
    { store: SPACIOUS },
  );
  return storage;
}

/** A compaction of which the n-th disk call of a kind fails. Returns whether there was one. */
async function compactWithFault(
  storage: SimStorage,
  failing: number,
  code: DiskErrorCode,
  hits: (call: DiskCall) => boolean,
): Promise<boolean> {
  let calls = -1;
  const onCall = (call: DiskCall): Verdict | undefined => {
    if (calls < 0 || !hits(call)) return undefined;
    return calls++ === failing ? { type: "error", code } : undefined;
  };
  let wasHit = false;
  let expected: Record<string, string> = {};
  await withStore(
    storage,
    async (store) => {
      expected = await contentOf(store);
      calls = 0;
      await Promise.allSettled([store.compact()]);
      wasHit = calls > failing;
      calls = -1;
      expect(store.isPoisoned).toBe(false);
      await expectSound(store);
      expect(await contentOf(store)).toEqual(expected);
      const { pagesAfter } = await store.compact();
      expect(pagesAfter).toBeLessThan(90);
    },
    { store: { memoryBytes: 50 * 4096 }, world: { disk: { onCall } } },
  );
  await withStore(storage.worstCase(), async (store) => {
    expect(await contentOf(store)).toEqual(expected);
    await expectSound(store);
  });
  return wasHit;
}

test("a compaction that meets an unreadable page leaves no page taken, and may be repeated", async () => {
  const storage = await thinStore(1800);
  let failing = 0;
  const isRead = ({ operation, path }: DiskCall): boolean =>
    operation === "readAt" && path.endsWith("pages.kvs");
  while (await compactWithFault(storage.clone(), failing, "DISK_IO", isRead)) failing += 2;
  expect(failing).toBeGreaterThan(5);
});

test("on a full disk a compaction makes itself the log that it needs, and writers go on behind it", async () => {
  const storage = new SimStorage({ random: createRandom(3), totalBytes: 4 << 20 });
  const options = { store: { ...SPACIOUS, segmentBytes: 64 << 10 } };
  await withStore(
    storage,
    async (store, environment) => {
      await fillAndThin(store, 900);
      const expected = await contentOf(store);
      const { disk } = environment;
      const ballast = await disk.open("ballast", { create: true });
      await ballast.allocate(0, (await disk.space("store")).freeBytes);
      await ballast.close();
      for (let at = 0; ; at++) {
        const [full] = await Promise.allSettled([
          store.batch([put(`full ${at}`, "f".repeat(900))]),
        ]);
        if (full.status === "rejected") break;
        expected[`full ${at}`] = "f".repeat(900);
      }
      for (let round = 0; round < 3; round++) {
        await store.compact();
        expect(store.isPoisoned).toBe(false);
        await expectSound(store);
        expect(await contentOf(store)).toEqual(expected);
      }
      const [first = ""] = Object.keys(expected);
      await store.batch([del(first)]);
      await store.batch([put("room", "again")]);
    },
    options,
  );
  await withStore(storage.worstCase(), expectSound, options);
});

/** Closes a store in the middle of a compaction. Returns whether that had ended before. */
async function closeDuring(storage: SimStorage, turns: number): Promise<boolean> {
  return withStore(
    storage,
    async (store, environment) => {
      let isDone = false;
      const compaction = store.compact().finally(() => (isDone = true));
      for (let turn = 0; turn < turns; turn++) await yieldTurn(environment.clock);
      const wasDone = isDone;
      await store.close();
      await Promise.allSettled([compaction]);
      return wasDone;
    },
    { store: SPACIOUS, world: { answers: "in-turn" } },
  );
}

test("a store is closed at any moment of a compaction, and has all its rows", async () => {
  const storage = await thinStore(300);
  const expected = await withStore(storage.clone(), (store) => contentOf(store));
  let closings = 0;
  for (let turns = 0; ; turns += 1 + (turns >>> 2)) {
    const own = storage.clone();
    const wasDone = await closeDuring(own, turns);
    await withStore(own, async (store) => expect(await contentOf(store)).toEqual(expected));
    if (wasDone) break;
    closings++;
  }
  expect(closings).toBeGreaterThan(5);
});
