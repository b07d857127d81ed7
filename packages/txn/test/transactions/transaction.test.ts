import { type Environment } from "@kvs/env";
import { expect, test } from "vitest";

import { type Store } from "../../src/index.ts";
import { type Transaction } from "../../src/transactions/transaction.ts";
import { type Transactions } from "../../src/transactions/transactions.ts";
import { type TransactionOptions } from "../../src/transactions/transaction-options.ts";
import { bytes, codeIs, contentOf, newStorage, put, text, withStore } from "../fixture.ts";
import { makeTransactions } from "./random-history.ts";

interface Scene {
  readonly store: Store;
  readonly transactions: Transactions;
  readonly environment: Environment;
}

/** Runs a body with a store and its transactions; afterwards nothing is locked and nobody waits. */
function scene(body: (scene: Scene) => Promise<void>): Promise<void> {
  return withStore(newStorage(), async (store, environment) => {
    const transactions = makeTransactions(environment, store);
    await body({ store, transactions, environment });
    transactions.close();
    expect(transactions.stats()).toMatchObject({ open: 0, locks: 0, waits: 0 });
  });
}

async function valueOf(tx: Transaction, key: string): Promise<string | undefined> {
  const value = await tx.get(bytes(key));
  return value === undefined ? undefined : text(value);
}

async function scanOf(tx: Transaction, options = {}): Promise<string[]> {
  const found: string[] = [];
  for await (const { key, value } of tx.scan(options)) found.push(`${text(key)}=${text(value)}`);
  return found;
}

const set = (tx: Transaction, key: string, value: string): Promise<void> =>
  tx.put(bytes(key), bytes(value));

test("it sees its own writes, in every kind of read; others see them when it has committed", () =>
  scene(async ({ store, transactions }) => {
    await store.batch([put("a", "1"), put("b", "2"), put("d", "4")]);
    const tx = transactions.begin();
    await set(tx, "b", "two");
    await set(tx, "c", "three");
    await tx.delete(bytes("a"));
    expect([await valueOf(tx, "a"), await valueOf(tx, "b"), await valueOf(tx, "d")]).toEqual([
      undefined,
      "two",
      "4",
    ]);
    expect(await scanOf(tx)).toEqual(["b=two", "c=three", "d=4"]);
    expect(await scanOf(tx, { reverse: true, limit: 2 })).toEqual(["d=4", "c=three"]);
    expect(await scanOf(tx, { gt: bytes("b"), lte: bytes("c") })).toEqual(["c=three"]);
    expect((await tx.getForUpdate(bytes("c")))?.version).toBe(0);
    expect(await contentOf(store)).toEqual({ a: "1", b: "2", d: "4" });
    const { version } = await tx.commit();
    expect(await contentOf(store)).toEqual({ b: "two", c: "three", d: "4" });
    expect(store.publishedTs).toBe(version);
  }));

test("a transaction that is rolled back, or left, has no effect", () =>
  scene(async ({ store, transactions }) => {
    const tx = transactions.begin();
    await set(tx, "a", "1");
    await tx.rollback();
    await tx.rollback();
    {
      await using left = transactions.begin();
      await set(left, "b", "2");
    }
    expect(await contentOf(store)).toEqual({});
  }));

test("after its end every call says so and names it", () =>
  scene(async ({ transactions }) => {
    const tx = transactions.begin();
    await set(tx, "a", "1");
    await tx.commit();
    const calls = [
      () => tx.get(bytes("a")),
      () => set(tx, "a", "2"),
      () => tx.delete(bytes("a")),
      () => tx.getForUpdate(bytes("a")),
      () => tx.commit(),
      async () => tx.scan(),
      async () => tx.savepoint(),
    ];
    for (const call of calls) {
      const error = await call().catch((caught: unknown) => caught);
      expect(error).toEqual(codeIs("TXN_ENDED"));
      expect(String(error)).toContain(tx.id);
    }
  }));

test("a savepoint takes back what came after it, and nothing else", () =>
  scene(async ({ store, transactions }) => {
    const tx = transactions.begin();
    await set(tx, "a", "1");
    const first = tx.savepoint();
    await set(tx, "a", "2");
    await set(tx, "b", "2");
    const second = tx.savepoint();
    await tx.delete(bytes("a"));
    tx.rollbackTo(second);
    expect(await scanOf(tx)).toEqual(["a=2", "b=2"]);
    tx.rollbackTo(first);
    expect(await scanOf(tx)).toEqual(["a=1"]);
    expect(() => tx.rollbackTo(second)).toThrow(/left it before/u);
    const other = transactions.begin();
    expect(() => other.rollbackTo(first)).toThrow(/has no such savepoint/u);
    await other.rollback();
    await tx.commit();
    expect(await contentOf(store)).toEqual({ a: "1" });
  }));

test("one that only reads never writes, never waits, and never fails for what others do", () =>
  scene(async ({ store, transactions }) => {
    await store.batch([put("a", "1")]);
    const reader = transactions.begin({ readOnly: true });
    const writer = transactions.begin();
    expect(await valueOf(reader, "a")).toBe("1");
    await set(writer, "a", "2");
    expect(await valueOf(reader, "a")).toBe("1");
    await writer.commit();
    expect(await valueOf(reader, "a")).toBe("1");
    await expect(set(reader, "a", "3")).rejects.toEqual(codeIs("TXN_READ_ONLY"));
    await expect(reader.getForUpdate(bytes("a"))).rejects.toEqual(codeIs("TXN_READ_ONLY"));
    await reader.commit();
  }));

test("what is too large is refused, and the transaction goes on", () =>
  withStore(newStorage(), async (store, environment) => {
    const transactions = makeTransactions(environment, store, { writeBytesMax: 20_000 });
    const tx = transactions.begin();
    const value = new Uint8Array(6000);
    await expect(tx.put(new Uint8Array(1057), value)).rejects.toEqual(codeIs("TXN_KEY_TOO_LARGE"));
    await expect(tx.put(bytes("a"), new Uint8Array((16 << 20) + 1))).rejects.toEqual(
      codeIs("TXN_VALUE_TOO_LARGE"),
    );
    for (const key of ["a", "b", "c"]) await tx.put(bytes(key), value);
    await expect(tx.put(bytes("d"), value)).rejects.toEqual(codeIs("TXN_TOO_LARGE"));
    await tx.commit();
    expect(Object.keys(await contentOf(store))).toEqual(["a", "b", "c"]);
  }));

test("a forgotten transaction is rolled back, and lets its locks go", () =>
  scene(async ({ transactions, environment }) => {
    const forgotten = transactions.begin({ timeoutMs: 5000 });
    await set(forgotten, "a", "1");
    const patient = transactions.begin({ lockTimeoutMs: 60_000 });
    const started = environment.clock.monotonicMs();
    await set(patient, "a", "2");
    expect(environment.clock.monotonicMs() - started).toBeGreaterThan(4000);
    await expect(forgotten.commit()).rejects.toEqual(codeIs("TXN_TIMEOUT"));
    await patient.commit();
  }));

test("a lock that is not had in time ends the transaction, and names who has it", () =>
  scene(async ({ transactions }) => {
    const holder = transactions.begin();
    await set(holder, "a", "1");
    const waiting = transactions.begin({ lockTimeoutMs: 100 });
    const error = await set(waiting, "a", "2").catch((caught: unknown) => caught);
    expect(error).toEqual(codeIs("TXN_LOCK_TIMEOUT"));
    expect(String(error)).toContain(holder.id);
    expect(String(error)).toContain('key "a" of tree 2');
    expect(waiting.isOpen).toBe(false);
    await holder.commit();
  }));

test("who only locks and writes one key after the other never conflicts: it reads what was there last", () =>
  scene(async ({ store, transactions }) => {
    await store.batch([put("n", "0")]);
    const add = async (): Promise<void> => {
      const tx = transactions.begin();
      const found = await tx.getForUpdate(bytes("n"));
      await set(tx, "n", String(Number(text(found!.value)) + 1));
      await tx.commit();
    };
    await Promise.all(Array.from({ length: 30 }, add));
    expect(await contentOf(store)).toEqual({ n: "30" });
    expect(transactions.stats().conflicts).toBe(0);
  }));

test("single writes take their turn among transactions, and are seen by their checks", () =>
  scene(async ({ store, transactions }) => {
    await store.batch([put("a", "0")]);
    const tx = transactions.begin();
    expect(await valueOf(tx, "a")).toBe("0");
    await set(tx, "b", "1");
    await transactions.write([{ key: bytes("a") }], () => [put("a", "1")]);
    await expect(tx.commit()).rejects.toEqual(codeIs("TXN_CONFLICT"));
    const holder = transactions.begin();
    await set(holder, "a", "2");
    const order: string[] = [];
    const write = transactions
      .write([{ key: bytes("a") }], () => [put("a", "3")])
      .then(() => order.push("write"));
    await holder.commit().then(() => order.push("transaction"));
    await write;
    expect(order).toEqual(["transaction", "write"]);
    expect(await contentOf(store)).toEqual({ a: "3" });
  }));

test("REL-DL3 a commit that is the victim while it still asks for locks asks for no more", () =>
  scene(async ({ transactions }) => {
    const options: TransactionOptions = { mode: "optimistic", lockTimeoutMs: 1e6 };
    const holder = transactions.begin({ lockTimeoutMs: 1e6 });
    await set(holder, "x", "1");
    const young = transactions.begin(options);
    for (const key of ["y", "x", "z"]) await set(young, key, "2");
    const commit = young.commit().catch((error: unknown) => error);
    await set(holder, "y", "1");
    expect(await commit).toEqual(codeIs("TXN_DEADLOCK"));
    await holder.commit();
    const last = transactions.begin(options);
    await set(last, "z", "3");
    await last.commit();
  }));

test("more transactions than may be open are refused", () =>
  withStore(newStorage(), async (store, environment) => {
    const transactions = makeTransactions(environment, store, { openMax: 3 });
    const open = [transactions.begin(), transactions.begin(), transactions.begin()];
    expect(() => transactions.begin()).toThrow(/TXN_TOO_MANY/u);
    await open[0]!.rollback();
    transactions.begin();
    transactions.close();
    expect(open.map(({ isOpen }) => isOpen)).toEqual([false, false, false]);
  }));
