import { sleep } from "@kvs/env";
import { type DiskCall } from "@kvs/sim";
import { expect, test } from "vitest";

import { type Store } from "../src/index.ts";
import {
  bytes,
  codeIs,
  contentOf,
  expectSound,
  newStorage,
  put,
  text,
  withStore,
} from "./fixture.ts";

/** A log that finds the disk full at every write while `state.isFull`. */
function fullLog(): {
  readonly state: { isFull: boolean };
  readonly onCall: (call: DiskCall) => { type: "error"; code: "DISK_FULL" } | undefined;
} {
  const state = { isFull: false };
  const onCall = ({ operation, path }: DiskCall) => {
    const isLog = operation === "writeDurableAt" && path.includes("/log/");
    return state.isFull && isLog ? ({ type: "error", code: "DISK_FULL" } as const) : undefined;
  };
  return { state, onCall };
}

test("a log that finds no space holds its batches until there is some", async () => {
  const { state, onCall } = fullLog();
  const storage = newStorage();
  await withStore(
    storage,
    async (store, { clock }) => {
      state.isFull = true;
      const waiting = store.batch([put("key", "value")]);
      await sleep(clock, 1000);
      expect(await store.get(bytes("key"))).toBe(undefined);
      const refused = store.batch([put("other", "")]);
      await expect(refused).rejects.toMatchObject({ code: "WAL_DISK_FULL", outcome: "none" });
      await expect(store.checkpoint()).rejects.toThrow(codeIs("WAL_DISK_FULL"));
      state.isFull = false;

      await waiting;

      expect(store.isPoisoned).toBe(false);
      await store.batch([put("other", "1")]);
      await store.sync();
    },
    { world: { disk: { onCall } } },
  );
  await withStore(storage.worstCase(), async (store) => {
    expect(await contentOf(store)).toEqual({ key: "value", other: "1" });
  });
});

test("who has waited long for space is told that nobody knows; the batch is there when there is space", async () => {
  const { state, onCall } = fullLog();
  await withStore(
    newStorage(),
    async (store, { clock }) => {
      state.isFull = true;
      const waiting = store.batch([put("key", "value")]);
      await expect(waiting).rejects.toMatchObject({ code: "WAL_DISK_FULL", outcome: "unknown" });
      expect(await store.get(bytes("key"))).toBe(undefined);
      await sleep(clock, 10_000);
      state.isFull = false;
      await sleep(clock, 1000);

      expect(text((await store.get(bytes("key")))!)).toBe("value");
      await store.batch([put("key", "new")]);
      await expectSound(store);
    },
    { world: { disk: { onCall } } },
  );
});

test("a store that is closed while batches wait for space answers them", async () => {
  const { state, onCall } = fullLog();
  const storage = newStorage();
  const close = (store: Store): Promise<unknown> => store.close().catch((error: unknown) => error);
  await withStore(
    storage,
    async (store) => {
      await store.batch([put("before", "1")]);
      state.isFull = true;
      const waiting = store.batch([put("key", "value")]);
      const answer = expect(waiting).rejects.toMatchObject({ outcome: "unknown" });
      expect(await close(store)).toMatchObject({ code: "WAL_DISK_FULL" });
      await answer;
    },
    { world: { disk: { onCall } } },
  );
  await withStore(storage.worstCase(), async (store) => {
    expect((await contentOf(store))["before"]).toBe("1");
    await expectSound(store);
  });
});
