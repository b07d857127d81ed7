import {
  type DiskErrorCode,
  type Environment,
  isKvsError,
  readFullyAt,
  writeFullyAt,
} from "@kvs/env";
import { BITMAP_BITS } from "@kvs/pager";
import { type DiskCall, InstantWorld, type SimStorage } from "@kvs/sim";
import { expect, test } from "vitest";

import { Checkpointer } from "../src/checkpoint.ts";
import { HotCopy } from "../src/hot-copy.ts";
import { restoreCopy } from "../src/restore-copy.ts";
import { type OpenedEngine, openEngine } from "../src/open-store.ts";
import { Publisher } from "../src/publisher.ts";
import { resolveStoreOptions } from "../src/store-options.ts";
import { storePaths } from "../src/store-paths.ts";
import { copyOf, restored } from "./copy-fixture.ts";
import { SMALL, codeIs, contentOf, newStorage, put, withStore } from "./fixture.ts";
import { SEALED } from "./sealed-fixture.ts";

interface Verdict {
  readonly type: "error";
  readonly code: DiskErrorCode;
}

async function filledStorage(rows = 60): Promise<SimStorage> {
  const storage = newStorage();
  await withStore(storage, async (store) => {
    for (let at = 0; at < rows; at++) await store.batch([put(`row ${at}`, "f".repeat(300))]);
    await store.close();
  });
  return storage;
}

/** A copy of an engine without the store around it. */
function copyOfEngine(environment: Environment, engine: OpenedEngine): HotCopy {
  const publisher = new Publisher(engine.analysis.committedTs);
  const checkpointer = new Checkpointer({ ...engine, environment, publisher });
  const rewriter = {
    rewrite: (ids: readonly number[]): Promise<number> => {
      throw new Error(`page ${ids[0]} is taken for damaged`);
    },
  };
  return new HotCopy({
    ...engine,
    environment,
    pagesPath: storePaths("store").pages,
    checkpointer,
    rewriter: rewriter as never,
    requireOpen: () => undefined,
  });
}

test("a file that is longer than its regions is copied: the next bitmap page is not there yet", async () => {
  const storage = await filledStorage(5);
  const world = new InstantWorld(storage);
  const copy = await world.run(async (environment) => {
    const engine = await openEngine(environment, resolveStoreOptions(SMALL));
    await engine.pager.grow(BITMAP_BITS + 100);
    engine.holds.hold(engine.wal.headPosition); // so that the end stays
    return copyOf(copyOfEngine(environment, engine));
  });
  await withStore(await restored(copy), async (store) => {
    expect(Object.keys(await contentOf(store)).length).toBe(5);
  });
});

test("a copy that cannot begin lets the log go", async () => {
  const storage = await filledStorage();
  let opens = -1;
  let failing = 0;
  const onCall = (call: DiskCall): Verdict | undefined => {
    if (opens < 0 || call.operation !== "open" || opens++ !== failing) return undefined;
    return { type: "error", code: "DISK_TOO_MANY_FILES" };
  };
  await withStore(
    storage,
    async (store) => {
      for (failing = 0; ; failing++) {
        opens = 0;
        const outcome = await Promise.allSettled([copyOf(store.hotCopy())]);
        const wasHit = opens > failing;
        opens = -1;
        if (!wasHit) break;
        expect(outcome[0].status).toBe("rejected");
        for (let at = 0; at < 80; at++) await store.batch([put(`more ${at}`, "m".repeat(400))]);
        await store.checkpoint();
        expect(store.stats().wal.segmentCount).toBeLessThan(8);
      }
      expect(failing).toBeGreaterThan(2);
    },
    { world: { disk: { onCall } } },
  );
});

test("a log whose name could not be renewed is copied under the name that it has", async () => {
  const storage = await filledStorage();
  const onCall = (call: DiskCall): Verdict | undefined => {
    if (call.operation !== "rename" || !call.path.endsWith(".named")) return undefined;
    return { type: "error", code: "DISK_FULL" };
  };
  let copy: Uint8Array = new Uint8Array(0);
  await withStore(
    storage,
    async (store) => {
      await store.batch([put("new", "row")]);
      copy = await copyOf(store.hotCopy());
    },
    { world: { disk: { onCall } } },
  );
  await withStore(await restored(copy), async (store) => {
    expect(await contentOf(store)).toMatchObject({ new: "row" });
  });
});

test("a copy that is asked for and begun after the end says that the store is closed", async () => {
  await withStore(newStorage(), async (store) => {
    const copy = store.hotCopy();
    await store.close();
    await expect(copyOf(copy)).rejects.toEqual(codeIs("TXN_CLOSED"));
  });
});

test("a copy whose checkpoint fails for good poisons the store, as any checkpoint", async () => {
  let isArmed = false;
  const onCall = ({ operation }: DiskCall): Verdict | undefined =>
    isArmed && operation === "writeDurableAt" ? { type: "error", code: "DISK_IO" } : undefined;
  await withStore(
    newStorage(),
    async (store) => {
      await store.batch([put("key", "value")]);
      isArmed = true;
      await expect(copyOf(store.hotCopy())).rejects.toEqual(codeIs("WAL_SYNC_FAILED"));
      expect(store.isPoisoned).toBe(true);
    },
    { world: { disk: { onCall } }, isDamaged: true },
  );
});

test("a page whose write the disk lost is not copied as it was before", async () => {
  const storage = newStorage();
  const pageBytes = 4096;
  let copies = 0;
  const told = new Set<string>();
  for (let page = 4; page < 30; page++) {
    const copy = await withStore(
      storage.clone(),
      async (store, { disk }) => {
        for (let at = 0; at < 60; at++) await store.batch([put(`row ${at}`, "o".repeat(300))]);
        await store.checkpoint();
        const file = await disk.open("store/pages.kvs");
        const old = new Uint8Array(pageBytes);
        await readFullyAt(file, old, page * pageBytes);
        for (let at = 0; at < 60; at++) await store.batch([put(`row ${at}`, "n".repeat(300))]);
        await store.checkpoint();
        await writeFullyAt(file, old, page * pageBytes);
        await file.close();
        return copyOf(store.hotCopy()).catch((error: unknown) => {
          if (!isKvsError(error)) throw error;
          told.add(error.code);
          return undefined;
        });
      },
      { isDamaged: true },
    );
    if (copy === undefined) continue;
    copies++;
    await withStore(await restored(copy), async (store) => {
      const values = Object.values(await contentOf(store));
      expect(values.filter((value) => !value.startsWith("n"))).toEqual([]);
    });
  }
  expect([...told]).toEqual(["PAGER_LOST_WRITE"]);
  expect(copies).toBeGreaterThan(2);
});

test("a copy of plain pages, finished when all are sealed, restores: the log has the sealed ones", async () => {
  const storage = await filledStorage(200);
  let content: Record<string, string> = {};
  const copy = await withStore(
    storage,
    async (store) => {
      content = await contentOf(store);
      const pieces: Uint8Array[] = [];
      const stream = store.hotCopy()[Symbol.asyncIterator]();
      for (let count = 0; count < 3; count++) pieces.push((await stream.next()).value!.slice());
      expect(await store.rotateKeys()).toMatchObject({ kept: [1] });
      for (;;) {
        const { value } = await stream.next();
        if (value === undefined) break;
        pieces.push(value.slice());
      }
      return pieces;
    },
    { store: SEALED },
  );
  const target = newStorage(2);
  const world = new InstantWorld(target);
  await world.run((environment) => restoreCopy(environment, streamOf(copy), "store"));
  target.processDied(world.environment.disk);
  await withStore(
    target,
    async (store) => {
      expect(await contentOf(store)).toEqual(content);
      expect((await store.rotateKeys()).kept).toEqual([]);
    },
    { store: SEALED },
  );
});

async function* streamOf(pieces: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* pieces;
}
