import { createRandom, isKvsError } from "@kvs/env";
import { type SimStorage } from "@kvs/sim";
import { expect, test } from "vitest";

import { type Store, restoreCopy } from "../src/index.ts";
import { copyOf, inPieces, restoreInto, restored } from "./copy-fixture.ts";
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
import { testProvider } from "./test-keys.ts";

const ENCRYPTED = { encryption: { provider: testProvider() } };

/** Rows of many sizes, so that the store has trees of pages, long values and free pages. */
async function fill(store: Store): Promise<void> {
  for (let at = 0; at < 60; at++) {
    const length = at % 7 === 0 ? 9000 : 10 + at * 12;
    await store.batch([put(`row ${at % 40}`, `${at} `.padEnd(length, "."))]);
  }
  await store.batch([del("row 3"), del("row 7")]);
}

test("a copy restores to what the store held", async () => {
  const { copy, content } = await withStore(newStorage(), async (store) => {
    await fill(store);
    return { copy: await copyOf(store.hotCopy()), content: await contentOf(store) };
  });

  const storage = newStorage(3);
  const report = await restoreInto(storage, copy);

  expect(report.pages).toBeGreaterThan(20);
  expect(report.logBytes).toBeGreaterThan(0);
  expect([report.isEncrypted, report.createdMs > 0]).toEqual([false, true]);
  await withStore(storage.worstCase(), async (store) => {
    expect(await contentOf(store)).toEqual(content);
    await expectSound(store);
    await store.batch([put("more", "goes on")]);
    expect(text((await store.get(bytes("more")))!)).toBe("goes on");
  });
});

/**
 * Copies a store while a writer counts up in two places far apart, and checkpoints go on. Returns
 * what the restored store says, and what had been answered when the copy was asked for and at its end.
 */
async function copyWhileWriting(
  seed: number,
  mutants: readonly string[] = [],
): Promise<{ low: number; high: number; before: number; after: number }> {
  const world = { random: createRandom(seed), answers: "in-turn", mutants } as const;
  const result = await withStore(
    newStorage(seed),
    async (store) => {
      await fill(store);
      let after = 0;
      const write = async (): Promise<void> => {
        for (let at = 0; at < 4; at++) {
          const round = after + 1;
          const filler = put(`filler ${round % 30}`, "x".repeat(700 + (round % 5) * 900));
          await store.batch([put("a counter", `${round}`), put("z counter", `${round}`), filler]);
          after = round;
        }
      };
      await write();
      const before = after;
      const pieces = store.hotCopy()[Symbol.asyncIterator]();
      const parts: Uint8Array[] = [];
      for (;;) {
        const [next] = await Promise.all([pieces.next(), write(), store.checkpoint()]);
        if (next.done === true) break;
        parts.push(next.value.slice());
        await Promise.all([write(), store.checkpoint()]);
      }
      return { copy: await copyOf(each(parts)), before, after };
    },
    { world },
  );
  const storage = await restored(result.copy);
  return withStore(storage.worstCase(), async (store) => {
    await expectSound(store);
    const [low, high] = [await store.get(bytes("a counter")), await store.get(bytes("z counter"))];
    const { before, after } = result;
    return { low: Number(text(low!)), high: Number(text(high!)), before, after };
  });
}

async function* each(parts: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* parts;
}

// REL-O1
test("a copy made while writers go on holds a prefix with all that was answered before", async () => {
  for (let seed = 1; seed <= 8; seed++) {
    const { low, high, before, after } = await copyWhileWriting(seed);
    expect(low).toBe(high); // both rows of a batch, or none
    expect(low).toBeGreaterThanOrEqual(before);
    expect(low).toBeLessThanOrEqual(after);
    expect(after).toBeGreaterThan(before);
  }
});

/** Whether a copy under this sabotage does not restore, or to something wrong. */
async function isFound(mutant: string): Promise<boolean> {
  for (let seed = 1; seed <= 4; seed++) {
    try {
      const { low, high, before } = await copyWhileWriting(seed, [mutant]);
      if (low !== high || low < before) return true;
    } catch {
      return true;
    }
  }
  return false;
}

test("txn.copy-without-hold: the log stays while a copy is made", async () => {
  expect(await isFound("txn.copy-without-hold")).toBe(true);
});

test("txn.copy-skips-log: a copy has the log that its pages need", async () => {
  expect(await isFound("txn.copy-skips-log")).toBe(true);
});

test("a copy that was given up lets the log go", async () => {
  await withStore(newStorage(), async (store) => {
    await fill(store);
    for await (const piece of store.hotCopy()) {
      expect(piece.length).toBeGreaterThan(0);
      break;
    }
    const { segmentCount } = store.stats().wal;
    for (let round = 0; round < 4; round++) {
      await fill(store);
      await store.checkpoint();
    }
    expect(store.stats().wal.segmentCount).toBeLessThanOrEqual(segmentCount + 3);
  });
});

test("a copy ends with an error when the store is closed", async () => {
  await withStore(newStorage(), async (store) => {
    await fill(store);
    const pieces = store.hotCopy()[Symbol.asyncIterator]();
    await pieces.next();
    await store.close();
    await expect(pieces.next()).rejects.toThrow(codeIs("TXN_CLOSED"));
    expect(() => store.hotCopy()).toThrow(codeIs("TXN_CLOSED"));
  });
});

test("a slow copy keeps to its rate", async () => {
  await withStore(newStorage(), async (store, { clock }) => {
    await fill(store);
    const copy = store.hotCopy({ bytesPerSecond: 100_000 });
    const startMs = clock.monotonicMs();
    const { length } = await copyOf(copy);
    expect(copy.copiedBytes).toBe(length);
    expect(clock.monotonicMs() - startMs).toBeGreaterThanOrEqual((length / 100_000) * 1000 - 1);
  });
});

test("a page that the disk lost and memory has is made whole by the log", async () => {
  const storage = newStorage();
  const { copy, content } = await withStore(
    storage,
    async (store) => {
      await fill(store);
      await store.checkpoint();
      await contentOf(store);
      const pages = storage.readFile("store/pages.kvs").length / 4096;
      for (let page = 3; page < pages; page++)
        storage.flipBit("store/pages.kvs", page * 32768 + 999);
      return { copy: await copyOf(store.hotCopy()), content: await contentOf(store) };
    },
    { store: { memoryBytes: 1 << 20 }, isDamaged: true },
  );

  await withStore(await restored(copy), async (store) => {
    expect(await contentOf(store)).toEqual(content);
  });
});

test("a page that is damaged for good ends the copy with an error", async () => {
  const storage = newStorage();
  await withStore(storage, fill);
  await withStore(
    storage,
    async (store) => {
      const pages = storage.readFile("store/pages.kvs").length / 4096;
      for (let page = 3; page < pages; page++)
        storage.flipBit("store/pages.kvs", page * 32768 + 999);
      await expect(copyOf(store.hotCopy())).rejects.toThrow(codeIs("PAGER_CORRUPT_PAGE"));
    },
    { isDamaged: true },
  );
});

async function smallCopy(): Promise<Uint8Array> {
  return withStore(newStorage(), async (store) => {
    for (let at = 0; at < 5; at++) await store.batch([put(`key ${at}`, "x".repeat(500))]);
    return copyOf(store.hotCopy());
  });
}

// REL-O1
test("a damaged copy is refused, wherever the damage is, and leaves no store", async () => {
  const copy = await smallCopy();
  const random = createRandom(5);
  for (let round = 0; round < 120; round++) {
    const at = round < 40 ? round : random.below(copy.length);
    const storage = newStorage(4);
    const damaged = copy.with(at, copy[at]! ^ (1 << random.below(8)));

    const code = await restoreInto(storage, damaged).catch((error: unknown) => codeOf(error));

    expect(["TXN_DAMAGED_COPY", "TXN_UNKNOWN_VERSION"]).toContain(code);
    expect(storage.files()).not.toContain("store/pages.kvs");
  }
});

test("a copy that is cut off, at whatever length, is refused", async () => {
  const copy = await smallCopy();
  const random = createRandom(6);
  for (let round = 0; round < 60; round++) {
    const length = round < 30 ? copy.length - 1 - round * 3 : random.below(copy.length);
    const cut = restoreInto(newStorage(4), copy.subarray(0, length));
    await expect(cut).rejects.toThrow(codeIs("TXN_DAMAGED_COPY"));
  }
  const doubled = new Uint8Array(2 * copy.length);
  doubled.set(copy);
  doubled.set(copy, copy.length);
  await expect(restoreInto(newStorage(4), doubled)).rejects.toThrow(codeIs("TXN_DAMAGED_COPY"));
});

function codeOf(error: unknown): string {
  return isKvsError(error) ? error.code : String(error);
}

test("a copy is not restored over a store", async () => {
  const copy = await smallCopy();
  const storage = newStorage();
  await withStore(storage, (store) => store.batch([put("precious", "data")]));

  await expect(restoreInto(storage, copy)).rejects.toThrow(codeIs("TXN_STORE_EXISTS"));

  await withStore(storage, async (store) => {
    expect(await contentOf(store)).toEqual({ precious: "data" });
  });
});

test("a crash at any moment of a restore leaves no half store, and a second try succeeds", async () => {
  const copy = await smallCopy();
  const images: SimStorage[] = [];
  const storage = newStorage(9);
  const modes = ["worst-case", "keep-all", "subset"] as const;
  const onCall = (): undefined => {
    const mode = modes[images.length % modes.length]!;
    images.push(storage.sampleCrashImage(createRandom(images.length), mode));
  };
  await restoreInto(storage, copy, { disk: { onCall } });
  images.push(storage.worstCase());
  expect(images.length).toBeGreaterThan(20);

  const found = new Set<string>();
  for (const image of images) {
    const again = image.clone();
    const state = await withStore(image, async (store) =>
      Object.keys(await contentOf(store)).length === 5 ? "whole" : "new",
    ).catch(codeOf);
    found.add(state);
    if (state === "whole") continue;
    await restoreInto(again, copy);
    await withStore(again, async (store) => {
      expect(Object.keys(await contentOf(store)).length).toBe(5);
    });
  }
  expect([...found].toSorted((one, other) => one.localeCompare(other))).toEqual([
    "new",
    "TXN_RESTORE_INCOMPLETE",
    "whole",
  ]);
});

test("a source that fails is passed on, and nothing of it opens", async () => {
  const copy = await smallCopy();
  const storage = newStorage(4);
  await withStore(newStorage(), async (_store, environment) => {
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield* inPieces(copy.subarray(0, copy.length / 2));
      throw new Error("the network is gone");
    }
    await expect(restoreCopy(environment, broken(), "other")).rejects.toThrow("network");
  });
  expect(storage.files()).toEqual([]);
});

test("a copy can be a file, which has its name when it is whole", async () => {
  await withStore(newStorage(), async (store, environment) => {
    await fill(store);
    const length = await store.copyTo("copy.kvs");
    expect((await environment.disk.stat("copy.kvs"))?.sizeBytes).toBe(length);
    await expect(store.copyTo("copy.kvs")).rejects.toThrow(codeIs("DISK_EXISTS"));
    expect(await environment.disk.list(".")).not.toContain("copy.kvs.part");
    await store.close();
    await expect(store.copyTo("other.kvs")).rejects.toThrow(codeIs("TXN_CLOSED"));
  });
});

test("a copy of an encrypted store stays sealed, and needs the master key of its time", async () => {
  const { copy, content } = await withStore(
    newStorage(),
    async (store) => {
      await fill(store);
      await store.batch([put("the canary", "sings in the mine")]);
      return { copy: await copyOf(store.hotCopy()), content: await contentOf(store) };
    },
    { store: ENCRYPTED },
  );
  expect(text(copy)).not.toContain("canary");
  expect(text(copy)).not.toContain("sings");
  const storage = newStorage(2);
  expect((await restoreInto(storage, copy)).isEncrypted).toBe(true);

  await withStore(storage, async (store) => expect(await contentOf(store)).toEqual(content), {
    store: ENCRYPTED,
  });
  const plain = withStore(storage, (store) => contentOf(store));
  await expect(plain).rejects.toThrow(codeIs("TXN_KEYS_REQUIRED"));
  const wrong = { encryption: { provider: testProvider({ first: 9 }) } };
  const refused = withStore(storage, (store) => contentOf(store), { store: wrong });
  await expect(refused).rejects.toThrow(codeIs("KEY_REFUSED"));
});
