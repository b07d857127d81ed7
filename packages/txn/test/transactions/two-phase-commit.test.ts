import { type Environment, createRandom, sleep } from "@kvs/env";
import { InstantWorld, type InstantWorldOptions, type SimStorage } from "@kvs/sim";
import { expect, test } from "vitest";

import { Store } from "../../src/index.ts";
import { Transactions } from "../../src/transactions/transactions.ts";
import { type Participant, TwoPhaseCommit } from "../../src/transactions/two-phase-commit.ts";
import { type Transaction } from "../../src/transactions/transaction.ts";
import { SMALL, bytes, contentOf, newStorage, put } from "../fixture.ts";

/** One bank: a store, and the transactions that are about to be prepared in it. */
class Bank implements Participant {
  readonly name: string;
  readonly store: Store;
  readonly transactions: Transactions;
  readonly open = new Map<string, Transaction>();
  /** Calls that fail before they do anything. */
  failures = 0;
  afterPrepare: () => Promise<void> = () => Promise.resolve();

  constructor(name: string, store: Store, transactions: Transactions) {
    this.name = name;
    this.store = store;
    this.transactions = transactions;
  }

  static async open(environment: Environment, name: string): Promise<Bank> {
    const store = await Store.open(environment, { ...SMALL, path: name });
    const preparedTree = await store.openTree("prepared");
    const parts = { source: store, pipe: store, preparedTree };
    return new Bank(name, store, await Transactions.open(environment, parts));
  }

  async prepare(globalId: string, coordinator: string): Promise<void> {
    this.#fail();
    await this.transactions.prepared.prepare(this.open.get(globalId)!, globalId, coordinator);
    await this.afterPrepare();
  }

  async commit(globalId: string): Promise<unknown> {
    this.#fail();
    return this.transactions.prepared.commit(globalId);
  }

  async rollback(globalId: string): Promise<unknown> {
    await this.open.get(globalId)?.rollback();
    return this.transactions.prepared.rollback(globalId);
  }

  forget(globalId: string): Promise<void> {
    return this.transactions.prepared.forget(globalId);
  }

  async add(globalId: string, amount: number): Promise<void> {
    const tx = this.transactions.begin();
    this.open.set(globalId, tx);
    const found = await tx.getForUpdate(bytes("account"));
    const sum = Number(String.fromCharCode(...(found?.value ?? bytes("0")))) + amount;
    await tx.put(bytes("account"), bytes(String(sum)));
  }

  async balance(): Promise<number> {
    return Number((await contentOf(this.store))["account"] ?? "0");
  }

  #fail(): void {
    if (this.failures-- > 0) throw new Error("no answer");
  }
}

interface Banks {
  readonly a: Bank;
  readonly b: Bank;
  readonly coordinator: TwoPhaseCommit;
}

/** One life of a process with two banks and a coordinator that keeps its decisions in one. */
async function life(
  storage: SimStorage,
  body: (banks: Banks) => Promise<void>,
  options: InstantWorldOptions & { readonly decidesIn?: "a" | "b" } = {},
): Promise<void> {
  const world = new InstantWorld(storage, options);
  try {
    await world.run(async (environment) => {
      const a = await Bank.open(environment, "a");
      const b = await Bank.open(environment, "b");
      const { clock, random, hooks } = environment;
      const { store } = options.decidesIn === "b" ? b : a;
      const coordinator = new TwoPhaseCommit({
        clock,
        random,
        hooks,
        name: "a",
        source: store,
        pipe: {
          propose: async (batch) => {
            if (options.decidesIn === "b") await sleep(clock, 5); // a log that is far away
            return store.propose(batch);
          },
        },
        tree: await store.openTree("decisions"),
        participant: (name) => (name === "a" ? a : b),
      });
      await coordinator.resume();
      await body({ a, b, coordinator });
    });
  } finally {
    storage.processDied(world.environment.disk);
  }
}

async function transfer({ a, b, coordinator }: Banks, id: string, amount: number): Promise<void> {
  await a.add(id, -amount);
  await b.add(id, amount);
  await coordinator.run(id, [a, b]);
}

const balances = async ({ a, b }: Banks): Promise<number[]> => [
  await a.balance(),
  await b.balance(),
];

test("both take effect, however often nobody answers", () =>
  life(newStorage(), async (banks) => {
    await transfer(banks, "one", 30);
    await banks.coordinator.settled();
    expect(await balances(banks)).toEqual([-30, 30]);
    banks.b.failures = 5;
    await expect(transfer(banks, "two", 5)).rejects.toThrow("no answer");
    banks.b.failures = 0;
    await banks.coordinator.settled();
    expect(await balances(banks)).toEqual([-30, 30]);
    await banks.a.add("three", -1);
    await banks.b.add("three", 1);
    banks.b.afterPrepare = () => {
      banks.b.failures = 4; // the commits that follow
      return Promise.resolve();
    };
    await banks.coordinator.run("three", [banks.a, banks.b]);
    await banks.coordinator.settled();
    expect(await balances(banks)).toEqual([-31, 31]);
    expect(await banks.coordinator.decision("three")).toBe("rolled-back"); // forgotten: all have it
    expect(banks.a.transactions.prepared.inDoubt()).toEqual([]);
  }));

test("REL-C9 a participant that cannot prepare takes all of them back, and prepares no more afterwards", () =>
  life(newStorage(), async (banks) => {
    await banks.a.store.batch([put("account", "10")]);
    await banks.a.add("gid", -5);
    await banks.b.add("gid", 5);
    banks.b.failures = 1;
    await expect(banks.coordinator.run("gid", [banks.a, banks.b])).rejects.toThrow("no answer");
    await banks.coordinator.settled();
    const late = banks.b.transactions.begin();
    await late.put(bytes("account"), bytes("5"));
    expect(await balances(banks)).toEqual([10, 0]);
    expect(banks.a.transactions.stats().locks).toBe(0);
    await late.rollback();
  }));

// REL-C1 REL-C2 REL-C4 REL-C5 REL-C6 REL-C7 REL-C12
test("a crash of all at any call of the disk: after a restart both have it, or neither", async () => {
  const outcomes = new Set<string>();
  for (let failing = 0; ; failing++) {
    const storage = newStorage();
    let image: SimStorage | undefined;
    let calls = 0;
    let isCounting = false;
    let isAnswered = false;
    let wasAnswered = false;
    const random = createRandom(failing + 1);
    const onCall = (): undefined => {
      if (!isCounting || calls++ !== failing) return;
      image = storage.sampleCrashImage(random, failing % 2 === 0 ? "worst-case" : "subset");
      wasAnswered = isAnswered;
    };
    await life(
      storage,
      async (banks) => {
        isCounting = true;
        await transfer(banks, "gid", 7);
        isAnswered = true;
        await banks.coordinator.settled();
      },
      { disk: { onCall } },
    );
    if (image === undefined) break;
    await life(image, async (banks) => {
      const { a, b, coordinator } = banks;
      await coordinator.settled();
      for (const bank of [a, b]) {
        for (const { globalId } of bank.transactions.prepared.inDoubt()) {
          expect(await coordinator.decision(globalId)).toBe("rolled-back");
          await bank.rollback(globalId);
        }
      }
      const [left, right] = await balances(banks);
      expect(left! + right!).toBe(0);
      if (wasAnswered) expect(right).toBe(7);
      outcomes.add(right === 7 ? "committed" : "rolled back");
      expect([a.transactions.stats().locks, b.transactions.stats().locks]).toEqual([0, 0]);
    });
  }
  expect([...outcomes].toSorted()).toEqual(["committed", "rolled back"]);
});

test("REL-C4 the sabotage txn.decide-before-durable loses one side after a crash", async () => {
  const hooks = { hasMutant: (name: string) => name === "txn.decide-before-durable" };
  const sums = new Set<number>();
  for (let failing = 0; failing < 100; failing++) {
    const storage = newStorage();
    let image: SimStorage | undefined;
    let calls = 0;
    let isCounting = false;
    const onCall = (): undefined => {
      if (isCounting && calls++ === failing) image = storage.worstCase();
    };
    await life(
      storage,
      async (banks) => {
        banks.b.afterPrepare = () => {
          banks.b.failures = 1; // the first commit, so that it comes later than the other's
          return Promise.resolve();
        };
        isCounting = true;
        await transfer(banks, "gid", 7);
        await banks.coordinator.settled();
      },
      { disk: { onCall }, hooks, decidesIn: "b" },
    );
    if (image === undefined) break;
    await life(
      image,
      async (banks) => {
        await banks.coordinator.settled();
        for (const bank of [banks.a, banks.b]) {
          for (const { globalId } of bank.transactions.prepared.inDoubt())
            await bank.rollback(globalId);
        }
        const [left, right] = await balances(banks);
        sums.add(left! + right!);
      },
      { decidesIn: "b" },
    );
  }
  expect([...sums].some((sum) => sum !== 0)).toBe(true);
});

test("REL-C8 while a transaction is being prepared its coordinator says that it is undecided", () =>
  life(newStorage(), async (banks) => {
    await banks.a.add("gid", 1);
    await banks.b.add("gid", -1);
    let decision: unknown;
    banks.b.afterPrepare = async () => {
      decision = await banks.coordinator.decision("gid");
    };
    await banks.coordinator.run("gid", [banks.a, banks.b]);
    expect(decision).toBe("undecided");
    await banks.coordinator.settled();
  }));
