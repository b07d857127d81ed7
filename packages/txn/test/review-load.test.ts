import { type DiskErrorCode, createRandom, isKvsError } from "@kvs/env";
import { type DiskCall, SimStorage } from "@kvs/sim";
import { expect, test } from "vitest";

import { type Mutation } from "../src/index.ts";
import { bytes, contentOf, expectSound, newStorage, put, withStore } from "./fixture.ts";

interface Verdict {
  readonly type: "error";
  readonly code: DiskErrorCode;
}

interface Row {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

function rows(count: number): Row[] {
  return Array.from({ length: count }, (_, at) => ({
    key: bytes(`row ${String(at).padStart(5, "0")}`),
    value: bytes(at % 50 === 7 ? `long ${at} `.repeat(900) : `value ${at}`),
  }));
}

/** A batch that makes a tree of two levels, and three. */
function wide(count: number, valueBytes = 100): Mutation[] {
  return Array.from({ length: count }, (_, at) => put(`wide ${at}`, "w".repeat(valueBytes)));
}

test("a tree that an undone batch left empty, with many pages, is loaded without a leak", async () => {
  const storage = newStorage();
  const images: SimStorage[] = [];
  let isWatched = false;
  const onCall = ({ operation }: DiskCall): undefined => {
    if (isWatched && operation === "writeDurableAt") images.push(storage.worstCase());
  };
  await withStore(
    storage,
    async (store) => {
      isWatched = true;
      await store.batch(wide(600));
      isWatched = false;
    },
    { world: { disk: { onCall } } },
  );
  let undone = 0;
  const probe = (name: string): void => void (undone += name === "txn.batch-undone" ? 1 : 0);
  for (const image of images) {
    await withStore(
      image,
      async (store) => {
        expect(await contentOf(store)).toEqual({});
        expect(await store.load(rows(100))).toMatchObject({ count: 100 });
        await expectSound(store);
        expect(Object.keys(await contentOf(store)).length).toBe(100);
      },
      { world: { hooks: { probe } } },
    );
  }
  expect(undone).toBeGreaterThan(1);
});

interface Fault {
  readonly name: string;
  readonly code: DiskErrorCode;
  readonly hits: (call: DiskCall) => boolean;
  /** Whether all later calls of the kind fail as well, until the load has failed. */
  readonly lasts: boolean;
  /** Whether the store must live on. */
  readonly isSurvived: boolean;
}

const isWrite = ({ operation }: DiskCall): boolean =>
  ["writeAt", "writeDurableAt", "datasync"].includes(operation);
const isGrowth = ({ operation }: DiskCall): boolean => ["allocate", "open"].includes(operation);
const isRead = ({ operation }: DiskCall): boolean => operation === "readAt";

const FAULTS: readonly Fault[] = [
  { name: "a read", code: "DISK_IO", hits: isRead, lasts: false, isSurvived: true },
  { name: "all reads", code: "DISK_IO", hits: isRead, lasts: true, isSurvived: false },
  { name: "a write", code: "DISK_IO", hits: isWrite, lasts: false, isSurvived: false },
  { name: "all writes", code: "DISK_IO", hits: isWrite, lasts: true, isSurvived: false },
  { name: "some space", code: "DISK_FULL", hits: isGrowth, lasts: false, isSurvived: true },
  { name: "all space", code: "DISK_FULL", hits: isGrowth, lasts: true, isSurvived: true },
];

function contentOfRows(list: readonly Row[]): Record<string, string> {
  const text = (bytesOf: Uint8Array): string => String.fromCharCode(...bytesOf);
  return Object.fromEntries(list.map(({ key, value }) => [text(key), text(value)]));
}

/** Lets the n-th call of a kind fail. Returns whether there was one. */
async function loadWithFault(storage: SimStorage, fault: Fault, failing: number): Promise<boolean> {
  const list = rows(150);
  let calls = -1;
  const onCall = (call: DiskCall): Verdict | undefined => {
    if (calls < 0 || !fault.hits(call)) return undefined;
    const at = calls++;
    const isHit = fault.lasts ? at >= failing : at === failing;
    return isHit ? { type: "error", code: fault.code } : undefined;
  };
  let wasHit = false;
  let outcome = "none";
  let version: number | undefined;
  await withStore(
    storage,
    async (store) => {
      calls = 0;
      const [result] = await Promise.allSettled([store.load(list)]);
      wasHit = calls > failing;
      calls = -1;
      if (result.status === "fulfilled") {
        version = result.value.version;
        return;
      }
      expect(isKvsError(result.reason)).toBe(true);
      outcome = isKvsError(result.reason) ? result.reason.outcome : "";
      if (fault.isSurvived) expect(store.isPoisoned).toBe(false);
      if (store.isPoisoned) return;
      expect(outcome).toBe("none");
      expect(await contentOf(store)).toEqual({});
      await expectSound(store);
      expect(await store.load(list)).toMatchObject({ count: 150 });
      version = store.publishedTs;
    },
    {
      isDamaged: true, // if it is poisoned, half of the load may still be there
      world: { disk: { onCall }, answers: failing % 2 === 0 ? "at-once" : "in-turn" },
    },
  );
  await withStore(storage.worstCase(), async (store) => {
    const content = await contentOf(store);
    await expectSound(store);
    if (version !== undefined) expect(content).toEqual(contentOfRows(list));
    else if (outcome === "none") expect(content).toEqual({});
    else expect([0, 150]).toContain(Object.keys(content).length);
  });
  return wasHit;
}

for (const fault of FAULTS) {
  test(`a load that meets a disk that fails, ${fault.name}, is there whole or not at all`, async () => {
    const made = newStorage();
    await withStore(made, (store) => store.close());
    let failing = 0;
    while (await loadWithFault(made.clone(), fault, failing)) failing++;
    expect(failing).toBeGreaterThan(1);
  });
}

test("a load goes with four frames, a checkpoint begun in its middle", async () => {
  const storage = newStorage();
  const list = rows(400);
  const store = { memoryBytes: 4 * 4096 };
  await withStore(
    storage,
    async (opened) => {
      const checkpoints: Promise<void>[] = [];
      async function* source(): AsyncGenerator<Row> {
        for (const [at, row] of list.entries()) {
          if (at % 50 === 9) checkpoints.push(opened.checkpoint());
          yield row;
        }
      }
      expect(await opened.load(source())).toMatchObject({ count: 400 });
      await Promise.all(checkpoints);
    },
    { store, world: { answers: "in-turn" } },
  );
  await withStore(
    storage.worstCase(),
    async (opened) => expect(await contentOf(opened)).toEqual(contentOfRows(list)),
    { store },
  );
});

test("a load that fills the disk is taken back, however long it was", async () => {
  const storage = new SimStorage({ random: createRandom(1), totalBytes: 56 << 20 });
  function* endless(): Generator<Row> {
    for (let at = 0; ; at++) {
      yield { key: bytes(`row ${String(at).padStart(6, "0")}`), value: new Uint8Array(900) };
    }
  }
  const store = { memoryBytes: 4 * 4096 };
  await withStore(
    storage,
    async (opened) => {
      await opened.batch([put("a", "b")]);
      const tree = await opened.openTree("loaded");
      const failure: unknown = await opened.load(endless(), tree).catch((error: unknown) => error);
      expect(failure).toMatchObject({ outcome: "none", retryable: true });
      expect(opened.isPoisoned).toBe(false);
      expect(await contentOf(opened, { tree })).toEqual({});
      await expectSound(opened);
      await opened.checkpoint();
      expect(await opened.load(rows(100), tree)).toMatchObject({ count: 100 });
    },
    { store },
  );
  await withStore(storage.worstCase(), expectSound, { store });
});
