import { type Trace, createRandom, pick, sleep } from "@kvs/env";
import { type DiskVerdict, type InstantWorldOptions, type SimStorage } from "@kvs/sim";
import { expect, test } from "vitest";

import { Writer } from "./copy-fixture.ts";
import { bytes, contentOf, expectSound, newStorage, put, text, withStore } from "./fixture.ts";
import { SEALED, sing } from "./sealed-fixture.ts";

test("keys are rotated while batches come, and what was answered stays", async () => {
  const storage = newStorage();
  const world: InstantWorldOptions = { answers: "in-turn" };
  const answered = await withStore(
    storage,
    async (store) => {
      await sing(store);
      const writer = new Writer();
      writer.start(store, (round) => [put(`live ${round % 50}`, `${round}`)]);
      const [first, second] = await Promise.all([store.rotateKeys(), store.rotateKeys()]);
      await writer.stop();
      expect([first.keyId, second.keyId, second.kept]).toEqual([2, 3, []]);
      await expectSound(store);
      return writer.answered.length;
    },
    { store: SEALED, world },
  );
  expect(answered).toBeGreaterThan(10);
  await withStore(
    storage.worstCase(),
    async (store) => {
      expect(text((await store.get(bytes(`live ${(answered - 1) % 50}`)))!)).toBe(
        `${answered - 1}`,
      );
      await expectSound(store);
    },
    { store: SEALED },
  );
});

/** Images of the disk in the middle of a rotation, and what the store holds all the while. */
async function imagesOfRotation(
  mutants: readonly string[] = [],
): Promise<{ images: SimStorage[]; content: Record<string, string> }> {
  const storage = newStorage();
  const content = await withStore(
    storage,
    async (store) => {
      await sing(store, 20);
      return contentOf(store);
    },
    { store: SEALED },
  );
  const images: SimStorage[] = [];
  const modes = ["worst-case", "keep-all", "subset", "torn"] as const;
  let isWatched = false;
  const onCall = (): undefined => {
    if (!isWatched) return;
    images.push(
      storage.sampleCrashImage(
        createRandom(images.length),
        pick(createRandom(images.length), modes),
      ),
    );
  };
  await withStore(
    storage,
    async (store) => {
      isWatched = true;
      await store.rotateKeys();
      isWatched = false;
    },
    { store: SEALED, world: { disk: { onCall }, mutants } },
  );
  return { images, content };
}

// REL-S13
test("a crash at any moment of a rotation loses nothing, and the next open brings it to its end", async () => {
  const { images, content } = await imagesOfRotation();
  expect(images.length).toBeGreaterThan(60);
  let resumed = 0;
  for (const image of images) {
    const probe = (name: string): void => {
      if (name === "txn.rotation-resumed") resumed++;
    };
    await withStore(
      image,
      async (store, { clock }) => {
        expect(await contentOf(store)).toEqual(content);
        await new Promise<void>((resolve) => clock.schedule(1000, resolve));
        const states = store.keys().map(({ state }) => state);
        expect(states.filter((state) => state === "retired" || state === "rewritten")).toEqual([]);
      },
      { store: SEALED, world: { hooks: { probe } } },
    );
  }
  expect(resumed).toBeGreaterThan(10);
});

test("txn.destroy-key-early: a key goes only when neither page nor log needs it", async () => {
  const { images, content } = await imagesOfRotation(["txn.destroy-key-early"]).catch(() => ({
    images: [],
    content: undefined, // the rotation itself met a page that it could not read
  }));
  let isLost = content === undefined;
  for (const image of images) {
    const found = await withStore(image, (store) => contentOf(store), { store: SEALED }).catch(
      () => undefined,
    );
    isLost ||= JSON.stringify(found) !== JSON.stringify(content);
  }
  expect(isLost).toBe(true);
});

test("a rotation that cannot go on when a store is opened is told, and the store serves", async () => {
  const { images, content } = await imagesOfRotation();
  const events: string[] = [];
  const trace: Trace = {
    isEnabled: () => true,
    event: (level, component) => events.push(`${level} ${component}`),
  };
  // The ring of keys cannot be replaced any more.
  const onCall = ({ path }: { path: string }): DiskVerdict | undefined =>
    path.endsWith("keys.new") ? { type: "error", code: "DISK_FULL" } : undefined;
  for (const image of images.filter((_, at) => at % 6 === 0)) {
    await withStore(
      image,
      async (store, { clock }) => {
        await sleep(clock, 1000);
        expect(await contentOf(store)).toEqual(content);
      },
      { store: SEALED, world: { trace, disk: { onCall } } },
    );
  }
  expect(events).toContain("warn txn.keys");
  // One that is closed meanwhile says nothing: the next open goes on.
  events.length = 0;
  for (const image of images.filter((_, at) => at % 6 === 3)) {
    await withStore(image, (store) => store.close(), {
      store: SEALED,
      world: { trace, answers: "in-turn" },
    });
  }
  expect(events).not.toContain("warn txn.keys");
});

test("keys that a copy under way may need are kept until the next rotation", async () => {
  await withStore(
    newStorage(),
    async (store) => {
      await sing(store, 10);
      const pieces = store.hotCopy()[Symbol.asyncIterator]();
      await pieces.next();
      expect(await store.rotateKeys()).toMatchObject({ keyId: 2, destroyed: [], kept: [1] });
      while ((await pieces.next()).done !== true);
      expect(await store.rotateKeys()).toMatchObject({ keyId: 3, destroyed: [1, 2], kept: [] });
    },
    { store: SEALED },
  );
});
