import { createRandom, sleep } from "@kvs/env";
import { type DiskCall, type SimStorage } from "@kvs/sim";
import { expect, test } from "vitest";

import { type Mutation } from "../src/index.ts";
import {
  bytes,
  codeIs,
  contentOf,
  del,
  expectSound,
  newStorage,
  put,
  text,
  withStore,
} from "./fixture.ts";

/** What a run that was cut answered, and what its readers saw. */
interface Told {
  readonly answered: Map<string, string>;
  readonly seen: Map<string, string>;
}

/** Single puts, each read at once, and the disk at every call with what had been told by then. */
async function cutsOf(
  mutants: readonly string[],
): Promise<readonly { readonly image: SimStorage; readonly told: Told }[]> {
  const storage = newStorage();
  const random = createRandom(5);
  const answered = new Map<string, string>();
  const seen = new Map<string, string>();
  const cuts: { image: SimStorage; told: Told }[] = [];
  let isWatched = false;
  const onCall = (): undefined => {
    if (!isWatched) return;
    const told = { answered: new Map(answered), seen: new Map(seen) };
    cuts.push({ image: storage.sampleCrashImage(random, "subset"), told });
    cuts.push({ image: storage.worstCase(), told });
  };
  const hasMutant = (name: string): boolean => mutants.includes(name);
  await withStore(
    storage,
    async (store, { clock }) => {
      isWatched = true;
      for (let round = 0; round < 25; round++) {
        const key = `key ${round % 7}`;
        const value = `${round} ${"v".repeat(800)}`;
        const batch = store.batch([put(key, value)]).then(() => answered.set(key, value));
        for (let turn = 0; turn < 6; turn++) {
          const found = store.getSync(bytes(key));
          if (found !== undefined) seen.set(key, text(found));
          await sleep(clock, 0.001);
        }
        await batch;
        if (round % 10 === 9) await store.checkpoint();
      }
      isWatched = false;
    },
    { world: { answers: "in-turn", disk: { onCall }, hooks: { hasMutant } } },
  );
  return cuts;
}

async function expectTold(mutants: readonly string[]): Promise<void> {
  const cuts = await cutsOf(mutants);
  expect(cuts.length).toBeGreaterThan(100);
  for (const { image, told } of cuts.filter((_, at) => at % 3 === 0)) {
    await withStore(image, async (store) => {
      const content = await contentOf(store);
      for (const known of [told.answered, told.seen]) {
        for (const [key, value] of known) {
          // A later put of the same key may be there, an earlier one not.
          expect(Number.parseInt(content[key] ?? "-1", 10)).toBeGreaterThanOrEqual(
            Number.parseInt(value, 10),
          );
        }
      }
      await expectSound(store);
    });
  }
}

// REL-W15
test("writes that a power cut reorders, across log and pages: what was answered or read is there", async () => {
  await expectTold([]);
}, 240_000);

for (const mutant of ["txn.ack-before-durable", "txn.publish-early", "pager.skip-wal-rule"]) {
  test(`power cuts find ${mutant}`, async () => {
    await expect(findsWithPressure(mutant)).rejects.toThrow();
  }, 240_000);
}

/** The WAL rule shows only where pages leave the cache before their batch is durable. */
async function findsWithPressure(mutant: string): Promise<void> {
  await expectTold([mutant]);
  await expectPressure([mutant]);
}

async function expectPressure(mutants: readonly string[]): Promise<void> {
  const storage = newStorage();
  const images: SimStorage[] = [];
  let isWatched = false;
  const random = createRandom(9);
  const onCall = ({ path }: DiskCall): undefined => {
    if (!isWatched || !path.endsWith("pages.kvs") || images.length > 60) return;
    images.push(storage.sampleCrashImage(random, "subset"));
    images.push(storage.sampleCrashImage(random, "keep-all"));
  };
  const hasMutant = (name: string): boolean => mutants.includes(name);
  const contents = await withStore(
    storage,
    async (store) => {
      for (let at = 0; at < 60; at++) await store.batch([put(`row ${at}`, "o".repeat(600))]);
      const before = await contentOf(store);
      await store.checkpoint();
      isWatched = true;
      const rows = Array.from({ length: 120 }, (_, at) => put(`row ${at}`, "n".repeat(600)));
      await store.batch(rows);
      isWatched = false;
      return { before, after: await contentOf(store) };
    },
    { store: { memoryBytes: 4 * 4096 }, world: { disk: { onCall }, hooks: { hasMutant } } },
  );
  for (const image of images) {
    await withStore(image, async (store) => {
      const content = await contentOf(store);
      expect(content).toEqual(
        content["row 0"]?.startsWith("n") === true ? contents.after : contents.before,
      );
      await expectSound(store);
    });
  }
}

// REL-W15
test("pages that leave a small cache before their batch commits never come to light by themselves", async () => {
  await expectPressure([]);
}, 240_000);

// REL-W9
test("after a failed sync nothing is acknowledged, and the store says why", async () => {
  for (const kind of ["log", "pages"]) {
    const storage = newStorage();
    let isBroken = false;
    let failures = 0;
    const onCall = ({ operation, path }: DiskCall) => {
      const isSync = operation === (kind === "log" ? "writeDurableAt" : "datasync");
      if (!isBroken || !isSync || !path.includes(kind) || failures > 0) return undefined;
      failures++; // once; from then on the disk claims to be well
      return { type: "error", code: "DISK_SYNC_FAILED" } as const;
    };
    await withStore(
      storage,
      async (store) => {
        await store.batch([put("before", "1")]);
        isBroken = true;
        if (kind === "log") {
          await expect(store.batch([put("lost", "1")])).rejects.toMatchObject({
            code: "TXN_POISONED",
            outcome: "unknown",
          });
        } else await expect(store.checkpoint()).rejects.toThrow(codeIs("PAGER_WRITE_FAILED"));
        expect(failures).toBe(1);
        const later = store.batch([put("later", "1"), put("more", "2")]);
        const error = await later.then(
          () => undefined,
          (reason: unknown) => reason,
        );
        expect(error).toMatchObject({ outcome: "none" });
        expect(String((error as Error).cause ?? error)).toMatch(/SYNC_FAILED|WRITE_FAILED/);
        expect(text((await store.get(bytes("before")))!)).toBe("1");
        if (kind === "log") await expect(store.sync()).rejects.toThrow(codeIs("TXN_POISONED"));
        expect(store.isPoisoned).toBe(true);
      },
      { world: { disk: { onCall } }, isDamaged: true },
    );
    await withStore(storage.worstCase(), async (store) => {
      expect(text((await store.get(bytes("before")))!)).toBe("1");
      expect(await store.get(bytes("later"))).toBe(undefined);
      await expectSound(store);
    });
  }
});

/** The number of the page that holds the row, found by damaging a copy of the store. */
function pageWith(storage: SimStorage, needle: string): number {
  const file = storage.readFile("store/pages.kvs");
  const wanted = bytes(needle);
  for (let page = 3; page < file.length / 4096; page++) {
    const content = file.subarray(page * 4096, (page + 1) * 4096);
    for (let at = 0; at + wanted.length <= content.length; at++) {
      if (wanted.every((byte, offset) => content[at + offset] === byte)) return page;
    }
  }
  throw new Error("no page holds it");
}

// REL-P14
test("a damaged leaf: an error for its range and for batches that touch it, all else goes on, checkpoints and the janitor too", async () => {
  const storage = newStorage();
  await withStore(storage, async (store) => {
    for (let at = 100; at < 200; at++) {
      await store.batch([put(`row ${at}`, `value ${at} ${"v".repeat(300)}`)]);
    }
    await store.close();
  });
  storage.flipBit("store/pages.kvs", (pageWith(storage, "value 150 ") * 4096 + 3000) * 8);
  await withStore(
    storage,
    async (store, { clock }) => {
      const damaged = codeIs("PAGER_CORRUPT_PAGE");
      await expect(store.get(bytes("row 150"))).rejects.toThrow(damaged);
      expect(() => store.getSync(bytes("row 150"))).toThrow(damaged);
      await expect(contentOf(store)).rejects.toThrow(damaged);
      expect(Object.keys(await contentOf(store, { lt: bytes("row 130") }))).toHaveLength(30);
      const reverse = { gte: bytes("row 170"), reverse: true };
      expect(Object.keys(await contentOf(store, reverse))).toHaveLength(30);

      const spoiled = [put("row 101", "new"), put("row 150", "new"), put("row 199", "new")];
      await expect(store.batch(spoiled)).rejects.toMatchObject({
        code: "PAGER_CORRUPT_PAGE",
        outcome: "none",
      });
      expect(store.isPoisoned).toBe(false);
      expect(text((await store.get(bytes("row 101")))!)).toMatch(/^value 101/);
      await store.batch([put("row 101", "new"), del("row 199")]);
      await expect(store.batch([del("row 150")])).rejects.toThrow(damaged);
      await sleep(clock, 5000);
      await store.checkpoint();
      expect(text((await store.get(bytes("row 101")))!)).toBe("new");
      expect((await store.check()).length).toBeGreaterThan(0);
      await store.close();
    },
    { isDamaged: true },
  );
  await withStore(
    storage.worstCase(),
    async (store) => {
      expect(text((await store.get(bytes("row 101")))!)).toBe("new");
      expect(await store.get(bytes("row 199"))).toBe(undefined);
    },
    { isDamaged: true },
  );
});

// REL-P2
test("pages are used again while old readers look: none sees what is not of its time", async () => {
  await withStore(
    newStorage(),
    async (store, { clock }) => {
      const random = createRandom(3);
      const readers: { readonly seen: Record<string, string>; readonly close: () => void }[] = [];
      for (let round = 0; round < 60; round++) {
        const letter = String.fromCharCode(97 + (round % 26));
        const rows: Mutation[] = [];
        for (let at = 0; at < 4; at++) {
          const key = `key ${random.below(8)}`;
          const length = [50, 800, 5000, 20_000][random.below(4)]!;
          const isGone = random.below(4) === 0;
          rows.push(isGone ? del(key) : put(key, letter.repeat(length)));
        }
        await store.batch(rows);
        if (round % 9 === 0) {
          const snapshot = store.snapshot();
          const seen = await contentOf(store, { snapshot });
          readers.push({ seen, close: () => snapshot.close() });
          const scan = store.scan({ snapshot });
          await scan.next(); // a reader that stands still in the middle
          await sleep(clock, 100);
          for (let more = 0; more < 5; more++) {
            await store.batch([put(`key ${random.below(8)}`, "z".repeat(15_000))]);
          }
          await sleep(clock, 100);
          const rest: string[] = [];
          for await (const { key, value } of scan) {
            rest.push(text(key));
            expect(text(value)).toBe(seen[text(key)]);
          }
          expect(rest).toEqual(Object.keys(seen).slice(1));
          expect(await contentOf(store, { snapshot })).toEqual(seen);
        }
        if (round % 20 === 19) readers.splice(0, 1)[0]?.close();
      }
      await expectSound(store);
    },
    { world: { answers: "in-turn" } },
  );
});

// REL-P4
test("values around every boundary, and damage in their pages: the value or an error, nothing else", async () => {
  const lengths = [0, 1, 15, 16, 17, 900, 4031, 4032, 4033, 8063, 8064, 8065, 65_535, 65_536];
  for (let at = 960; at <= 1000; at++) lengths.push(at);
  const storage = newStorage();
  const valueOf = (length: number): string => `${length} `.repeat(length).slice(0, length);
  await withStore(storage, async (store) => {
    for (const length of lengths) await store.batch([put(`key ${length}`, valueOf(length))]);
    await store.close();
  });
  await withStore(storage, async (store) => {
    for (const length of lengths) {
      expect(text((await store.get(bytes(`key ${length}`)))!)).toBe(valueOf(length));
    }
    await expectSound(store);
    await store.close();
  });
  const pages = storage.readFile("store/pages.kvs").length / 4096;
  const random = createRandom(4);
  let errors = 0;
  for (let at = 0; at < 12; at++) {
    const damaged = storage.clone();
    const page = 4 + random.below(pages - 4);
    if (at % 3 === 0) damaged.swapPages("store/pages.kvs", page, 4 + random.below(pages - 4));
    else if (at % 3 === 1) damaged.zeroSector("store/pages.kvs", page * 8 + random.below(8));
    else damaged.flipBit("store/pages.kvs", (page * 4096 + random.below(4096)) * 8);
    await withStore(
      damaged,
      async (store) => {
        for (const length of lengths) {
          try {
            expect(text((await store.get(bytes(`key ${length}`)))!)).toBe(valueOf(length));
          } catch (error) {
            expect(error).toMatchObject({
              code: expect.stringMatching(/^(PAGER_CORRUPT_PAGE|BTREE_DAMAGED_VALUE)$/) as string,
            });
            errors++;
          }
        }
      },
      { isDamaged: true },
    ).catch((error: unknown) => expect(error).toMatchObject({ code: "PAGER_CORRUPT_PAGE" }));
  }
  expect(errors).toBeGreaterThan(0);
}, 240_000);
