import { crc32 } from "@kvs/codec";
import { type DiskErrorCode, isKvsError, readFullyAt, writeFullyAt, yieldTurn } from "@kvs/env";
import { type DiskCall, InstantWorld, type SimStorage } from "@kvs/sim";
import { expect, test } from "vitest";

import { copyOf } from "./copy-fixture.ts";
import { contentOf, expectSound, newStorage, put, withStore } from "./fixture.ts";
import { SEALED, sing } from "./sealed-fixture.ts";

const PAGE_BYTES = 4096;

interface Verdict {
  readonly type: "error";
  readonly code: DiskErrorCode;
}

async function sealedStorage(): Promise<SimStorage> {
  const storage = newStorage();
  await withStore(
    storage,
    async (store) => {
      for (let at = 0; at < 60; at++) await store.batch([put(`row ${at}`, "r".repeat(300))]);
      await sing(store, 10);
      await store.close();
    },
    { store: SEALED },
  );
  return storage;
}

/** Changes a sealed page so that only its seal tells. Returns whether there is such a page. */
async function forgePage(storage: SimStorage, id: number): Promise<boolean> {
  return new InstantWorld(storage).run(async ({ disk }) => {
    const file = await disk.open("store/pages.kvs");
    const page = new Uint8Array(PAGE_BYTES);
    const count = await readFullyAt(file, page, id * PAGE_BYTES);
    const isLeaf = count === PAGE_BYTES && page[4] === 3;
    if (isLeaf) {
      page[1000]! ^= 1;
      new DataView(page.buffer).setUint32(0, crc32(page.subarray(4)), true);
      await writeFullyAt(file, page, id * PAGE_BYTES);
    }
    await file.close();
    return isLeaf;
  });
}

test("a page that somebody changed keeps the old key, and all others take the new one", async () => {
  const made = await sealedStorage();
  let forged = 0;
  for (let id = 4; id < 20; id++) {
    const storage = made.clone();
    if (!(await forgePage(storage, id))) continue;
    forged++;
    await withStore(
      storage,
      async (store) => {
        const { kept, rewrittenPages } = await store.rotateKeys();
        expect(kept).toEqual([1]);
        expect(rewrittenPages).toBeGreaterThan(10);
        const again = await store.rotateKeys();
        expect(again.kept).toEqual([1, 2]);
        expect(store.isPoisoned).toBe(false);
      },
      { store: SEALED, isDamaged: true },
    );
  }
  expect(forged).toBeGreaterThan(5);
});

interface Fault {
  readonly code: DiskErrorCode;
  readonly hits: (call: DiskCall) => boolean;
}

/** A rotation of which the n-th disk call fails. Returns whether there was one. */
async function rotateWithFault(
  storage: SimStorage,
  { code, hits }: Fault,
  failing: number,
  content: Record<string, string>,
): Promise<boolean> {
  let calls = -1;
  const onCall = (call: DiskCall): Verdict | undefined => {
    if (calls < 0 || !hits(call) || calls++ !== failing) return undefined;
    return { type: "error", code };
  };
  return withStore(
    storage,
    async (store) => {
      calls = 0;
      const failure: unknown = await store.rotateKeys().then(
        () => undefined,
        (error: unknown) => error,
      );
      const wasHit = calls > failing;
      calls = -1;
      if (failure !== undefined) expect(isKvsError(failure)).toBe(true);
      if (code === "DISK_FULL") expect(store.isPoisoned).toBe(false);
      if (store.isPoisoned || isKvsError(failure, "WAL_SYNC_FAILED")) return wasHit;
      expect(await contentOf(store)).toEqual(content);
      // A directory that could not be synced stays so until the process ends.
      const [again] = await Promise.allSettled([store.rotateKeys()]);
      if (again.status === "fulfilled") expect(again.value.kept).toEqual([]);
      else expect(isKvsError(again.reason, "DISK_SYNC_FAILED")).toBe(code === "DISK_IO");
      return wasHit;
    },
    { store: SEALED, world: { disk: { onCall } } },
  );
}

test("a rotation that meets a disk that fails leaves a store that can be read, and may be repeated", async () => {
  const made = await sealedStorage();
  const content = await withStore(made.clone(), (store) => contentOf(store), { store: SEALED });
  const space = ["open", "allocate", "rename", "writeAt"];
  const faults: Fault[] = [
    { code: "DISK_IO", hits: () => true },
    { code: "DISK_FULL", hits: ({ operation }) => space.includes(operation) },
  ];
  for (const fault of faults) {
    for (let failing = 0; ; failing += 2) {
      const storage = made.clone();
      if (!(await rotateWithFault(storage, fault, failing, content))) break;
      for (const image of [storage.clone(), storage.worstCase()]) {
        await withStore(
          image,
          async (store) => {
            expect(await contentOf(store)).toEqual(content);
            await expectSound(store);
          },
          { store: SEALED },
        );
      }
    }
  }
});

test("a store is closed at any moment of a rotation and a copy, and the next open ends the rotation", async () => {
  const made = await sealedStorage();
  const content = await withStore(made.clone(), (store) => contentOf(store), { store: SEALED });
  for (let turns = 0, isOver = false; !isOver; turns += 1 + (turns >>> 2)) {
    const storage = made.clone();
    isOver = await withStore(
      storage,
      async (store, { clock }) => {
        let isDone = false;
        const rotation = store.rotateKeys().finally(() => (isDone = true));
        const copy = copyOf(store.hotCopy());
        const loads = store.openTree("loaded").then((tree) =>
          store.load(
            Array.from({ length: 200 }, (_, at) => ({
              key: Uint8Array.of(at),
              value: new Uint8Array(200),
            })),
            tree,
          ),
        );
        const all = Promise.allSettled([rotation, copy, loads]);
        for (let turn = 0; turn < turns; turn++) await yieldTurn(clock);
        const wasDone = isDone;
        await store.close();
        for (const result of await all) {
          if (result.status === "fulfilled") continue;
          expect(isKvsError(result.reason, "TXN_CLOSED")).toBe(true);
        }
        return wasDone;
      },
      { store: SEALED, world: { answers: "in-turn" } },
    );
    await withStore(
      storage,
      async (store, { clock }) => {
        expect(await contentOf(store)).toEqual(content);
        await new Promise<void>((resolve) => clock.schedule(1000, resolve));
        const states = new Set(store.keys().map(({ state }) => state));
        expect(states.has("retired") || states.has("rewritten")).toBe(false);
      },
      { store: SEALED },
    );
  }
});
