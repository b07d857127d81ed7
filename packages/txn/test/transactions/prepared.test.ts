import { type Environment, createRandom } from "@kvs/env";
import { type SimStorage } from "@kvs/sim";
import { expect, test } from "vitest";

import { type Store } from "../../src/index.ts";
import { Transactions } from "../../src/transactions/transactions.ts";
import { bytes, codeIs, contentOf, newStorage, put, withStore } from "../fixture.ts";

interface Scene {
  readonly store: Store;
  readonly transactions: Transactions;
}

async function openTransactions(store: Store, environment: Environment): Promise<Transactions> {
  const preparedTree = await store.openTree("prepared");
  return Transactions.open(environment, { source: store, pipe: store, preparedTree });
}

/** One life of a process with a store and its transactions. */
function life(
  storage: SimStorage,
  body: (scene: Scene) => Promise<void>,
  options: Parameters<typeof withStore>[2] = {},
): Promise<void> {
  return withStore(
    storage,
    async (store, environment) => {
      const transactions = await openTransactions(store, environment);
      await body({ store, transactions });
      transactions.close();
    },
    options,
  );
}

async function prepare(
  { transactions }: Scene,
  id: string,
  rows: Record<string, string>,
): Promise<void> {
  const tx = transactions.begin();
  for (const [key, value] of Object.entries(rows)) await tx.put(bytes(key), bytes(value));
  await transactions.prepared.prepare(tx, id, "somebody");
  expect(tx.isOpen).toBe(false);
}

const lockTest = async ({ transactions }: Scene, key: string): Promise<string> => {
  const tx = transactions.begin({ lockTimeoutMs: 10 });
  try {
    await tx.put(bytes(key), bytes("other"));
    await tx.rollback();
    return "free";
  } catch (error) {
    expect(error).toEqual(codeIs("TXN_LOCK_TIMEOUT"));
    expect(String(error)).toContain("prepared");
    return "locked";
  }
};

test("REL-C10 what is prepared keeps its locks, over restarts too, until it is committed", async () => {
  const storage = newStorage();
  await life(storage, async (scene) => {
    await scene.store.batch([put("a", "0")]);
    await prepare(scene, "gid", { a: "1", b: "1" });
    expect(await lockTest(scene, "a")).toBe("locked");
    expect(await lockTest(scene, "c")).toBe("free");
    expect(await contentOf(scene.store)).toEqual({ a: "0" });
  });
  await life(storage, async (scene) => {
    expect(scene.transactions.prepared.inDoubt()).toMatchObject([
      { globalId: "gid", coordinator: "somebody", keyCount: 2 },
    ]);
    expect(await lockTest(scene, "b")).toBe("locked");
    const outcome = await scene.transactions.prepared.commit("gid");
    expect(outcome).toMatchObject({ outcome: "committed" });
    expect(await lockTest(scene, "a")).toBe("free");
    expect(await contentOf(scene.store)).toEqual({ a: "1", b: "1" });
    expect(await scene.transactions.prepared.commit("gid")).toEqual(outcome);
  });
  await life(storage, async ({ transactions }) => {
    expect(transactions.prepared.inDoubt()).toEqual([]);
    expect(await transactions.prepared.commit("gid")).toMatchObject({ outcome: "committed" });
    await expect(transactions.prepared.rollback("gid")).rejects.toEqual(
      codeIs("TXN_PREPARED_DECIDED"),
    );
    await transactions.prepared.forget("gid");
    await expect(transactions.prepared.commit("gid")).rejects.toEqual(
      codeIs("TXN_UNKNOWN_PREPARED"),
    );
  });
});

test("REL-C11 a decision is repeated without harm; what was rolled back cannot be prepared again", () =>
  life(newStorage(), async (scene) => {
    const { prepared } = scene.transactions;
    await prepare(scene, "one", { a: "1" });
    await expect(prepare(scene, "one", { b: "1" })).rejects.toEqual(codeIs("TXN_PREPARED_EXISTS"));
    await prepared.rollback("one");
    await prepared.rollback("one");
    await expect(prepared.commit("one")).rejects.toEqual(codeIs("TXN_PREPARED_DECIDED"));
    await prepared.rollback("never prepared");
    await expect(prepare(scene, "never prepared", { c: "1" })).rejects.toEqual(
      codeIs("TXN_PREPARED_EXISTS"),
    );
    await expect(prepared.commit("unknown")).rejects.toEqual(codeIs("TXN_UNKNOWN_PREPARED"));
    expect(await contentOf(scene.store)).toEqual({});
    expect(await lockTest(scene, "a")).toBe("free");
  }));

test("REL-C13 a serializable transaction that read a key in doubt does not commit before the decision", () =>
  life(newStorage(), async (scene) => {
    const { transactions } = scene;
    await prepare(scene, "gid", { a: "1" });
    const reader = transactions.begin();
    expect(await reader.get(bytes("a"))).toBeUndefined();
    await reader.put(bytes("b"), bytes("seen without a"));
    await expect(reader.commit()).rejects.toEqual(codeIs("TXN_CONFLICT"));
    const bystander = transactions.begin();
    await bystander.get(bytes("x"));
    await bystander.put(bytes("y"), bytes("1"));
    await bystander.commit();
    await transactions.prepared.rollback("gid");
  }));

test("REL-C16 a transaction that waits for one in doubt is no deadlock, and ends with its time", () =>
  life(newStorage(), async (scene) => {
    await prepare(scene, "gid", { a: "1" });
    expect(await lockTest(scene, "a")).toBe("locked");
    expect(scene.transactions.stats().deadlocks).toBe(0);
    await scene.transactions.prepared.commit("gid");
    expect(await lockTest(scene, "a")).toBe("free");
  }));

test("REL-C3 a crash at any call of the disk leaves a transaction prepared, decided, or as if never begun", async () => {
  const seen = new Set<string>();
  for (let failing = 0; ; failing++) {
    const storage = newStorage();
    let image: SimStorage | undefined;
    let calls = 0;
    let isCounting = false;
    let told = "nothing";
    const random = createRandom(failing + 1);
    const onCall = (): undefined => {
      if (isCounting && calls++ === failing) {
        image = storage.sampleCrashImage(random, failing % 2 === 0 ? "worst-case" : "subset");
        toldAtCrash = told;
      }
    };
    let toldAtCrash = "nothing";
    await life(
      storage,
      async (scene) => {
        await scene.store.batch([put("a", "0")]);
        isCounting = true;
        await prepare(scene, "gid", { a: "1", b: "1" });
        told = "prepared";
        await scene.store.checkpoint();
        await scene.transactions.prepared.commit("gid");
        told = "committed";
        await scene.store.checkpoint();
      },
      { world: { disk: { onCall } } },
    );
    if (image === undefined) break;
    await life(image, async (scene) => {
      const isInDoubt = scene.transactions.prepared.inDoubt().length === 1;
      const content = await contentOf(scene.store);
      const isDone = content["a"] === "1";
      expect(content).toEqual(isDone ? { a: "1", b: "1" } : { a: "0" });
      if (toldAtCrash !== "nothing") expect(isInDoubt || isDone).toBe(true);
      if (toldAtCrash === "committed") expect(isDone).toBe(true);
      expect(await lockTest(scene, "a")).toBe(isInDoubt ? "locked" : "free");
      seen.add(isDone ? "committed" : isInDoubt ? "prepared" : "nothing");
    });
  }
  expect([...seen].toSorted()).toEqual(["committed", "nothing", "prepared"]);
});

test("the sabotage txn.prepare-forgets-locks is found", async () => {
  const storage = newStorage();
  await life(storage, (scene) => prepare(scene, "gid", { a: "1" }));
  const hooks = { hasMutant: (name: string) => name === "txn.prepare-forgets-locks" };
  await life(storage, async (scene) => expect(await lockTest(scene, "a")).toBe("free"), {
    world: { hooks },
  });
});
