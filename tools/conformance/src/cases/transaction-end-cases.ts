import assert from "node:assert/strict";
import { isKvsError } from "@kvs/env";
import {
  type Database,
  type Isolation,
  type Transaction,
  type TransactionOptions,
} from "@kvs/protocol";
import { type ConformanceCase } from "../conformance-case.ts";
import { expectError } from "../expect-error.ts";
import { collect, wait } from "../walks.ts";

/** Abandoned at a time: a server lets a connection have 1000. */
const ABANDONED = 900;
const ROUNDS = 3;

/** How transactions end, and what they are told. */
export const TRANSACTION_END_CASES: readonly ConformanceCase[] = [
  {
    name: "a deadlock ends in the call that closes it, and its error tells who waited for what",
    async run(database) {
      const [one, two, three] = [
        await database.begin(),
        await database.begin(),
        await database.begin(),
      ];
      await one.put("a", 1);
      await two.put("b", 2);
      await three.collection<object>("c").insert({ _id: "doc" });
      const first = one.put("b", 1);
      const second = two.collection<object>("c").update("doc", {}, { upsert: true });
      const error = await expectError("TXN_DEADLOCK", () => three.put("a", 3));
      assert.equal(error.retryable, true);
      const waits = [
        `${one.id} waits for key "b" of database ${database.name}, which ${two.id} has`,
        `${two.id} waits for document "doc" of collection c of database ${database.name}, which ${three.id} has`,
        `${three.id} waits for key "a" of database ${database.name}, which ${one.id} has`,
      ];
      // In its own process it tells where in the program, too.
      const told = error.message.replaceAll(/ \(asked for at [^)]*\)/gu, "");
      for (const text of waits) assert.ok(told.includes(text), error.message);
      assert.equal(await second, true);
      await two.commit();
      await first;
      await one.commit();
      await expectError(["TXN_ENDED", "TXN_DEADLOCK"], () => three.commit());
      assert.deepEqual([await database.kv.get("a"), await database.kv.get("b")], [1, 1]);
      assert.deepEqual(await database.collection("c").get("doc"), { _id: "doc" });
      await expectQuiet(database);
    },
  },
  {
    name: "after its end every call of a transaction is TXN_ENDED, with its name, and does nothing",
    async run(database) {
      const calls: ((tx: Transaction) => Promise<unknown>)[] = [
        (tx) => tx.get("a"),
        (tx) => tx.getEntry("a"),
        (tx) => tx.getForUpdate("a"),
        (tx) => tx.put("a", 1),
        (tx) => tx.delete("a"),
        (tx) => tx.batch([{ type: "put", key: "a", value: 1 }]),
        (tx) => collect(tx.scan()),
        (tx) => tx.savepoint(),
        (tx) => tx.collection<object>("c").insert({}),
        (tx) => tx.collection("c").find().toArray(),
        (tx) => tx.commit(),
      ];
      await database.kv.put("kept", 1);
      await database.collection<object>("c").insert({ _id: "kept" });
      for (const end of ["commit", "rollback"] as const) {
        const tx = await database.begin();
        await tx[end]();
        for (const call of calls) {
          const error = await expectError("TXN_ENDED", () => call(tx));
          assert.ok(error.message.includes(tx.id), error.message);
        }
        await tx.rollback();
        await tx[Symbol.asyncDispose]();
      }
      assert.equal(await database.kv.get("a"), undefined);
      assert.equal(await database.collection("c").count(), 1);
    },
  },
  {
    name: "a second commit is refused, and the first counts",
    async run(database) {
      const tx = await database.begin();
      await tx.put("a", 1);
      const first = tx.commit();
      await expectError("TXN_ENDED", () => tx.commit());
      await tx.rollback();
      const { version } = await first;
      assert.deepEqual(await database.kv.getEntry("a"), { value: 1, version });
    },
  },
  {
    name: "a read-only transaction never waits, never fails for others, and never writes",
    async run(database) {
      await database.kv.put("a", 1);
      const writer = await database.begin();
      await writer.put("a", 2);
      for (const isolation of ["read-committed", "snapshot", "serializable"] as const) {
        const reader = await database.begin({ isolation, readOnly: true });
        assert.equal(await reader.get("a"), 1);
        for (const write of [
          () => reader.put("b", 1),
          () => reader.delete("a"),
          () => reader.getForUpdate("a"),
          () => reader.collection<object>("c").insert({}),
        ]) {
          const error = await expectError("TXN_READ_ONLY", write);
          assert.ok(error.message.includes(reader.id), error.message);
        }
        assert.equal(await reader.get("a"), 1);
        await reader.commit();
      }
      const reader = await database.begin({ readOnly: true });
      assert.equal(await reader.get("a"), 1);
      await writer.commit();
      assert.equal(await reader.get("a"), 1);
      await reader.commit();
    },
  },
  {
    name: "a transaction that nobody uses is rolled back, and what it had locked is free",
    async run(database) {
      const tx = await database.begin({ timeoutMs: 50 });
      await tx.put("a", "forgotten");
      await database.kv.put("a", "next"); // waits for the lock
      const error = await expectError("TXN_TIMEOUT", () => tx.commit());
      assert.ok(error.message.includes(tx.id), error.message);
      assert.equal(await database.kv.get("a"), "next");
      await expectQuiet(database);
    },
  },
  {
    name: "thousands of abandoned transactions leave nothing locked and nothing open",
    async run(database) {
      for (let round = 0; round < ROUNDS; round++) {
        const writes = Array.from({ length: ABANDONED }, async (_, at) => {
          const tx = await database.begin({ timeoutMs: 1, isolation: "snapshot" });
          await tx.put([round, at], at).catch((error: unknown) => {
            assert.ok(isKvsError(error, "TXN_TIMEOUT"), String(error));
          });
        });
        await Promise.all(writes);
        await expectQuiet(database);
      }
      assert.equal((await collect(database.kv.scan())).length, 0);
      await database.kv.put([0, 0], "free");
      assert.ok((await database.stats()).transactions.rolledBack >= ROUNDS * ABANDONED);
    },
  },
  {
    name: "a connection that ends rolls its transactions back at once",
    needs: "connect",
    async run(database, { connect }) {
      const other = await connect!();
      for (const key of ["a", "b"]) await (await other.begin()).put(key, "lost");
      const write = database.kv.put("a", "kept");
      await wait(20);
      await other.close();
      await write;
      assert.deepEqual(
        [await database.kv.get("a"), await database.kv.get("b")],
        ["kept", undefined],
      );
      await expectQuiet(database);
    },
  },
  {
    name: "transaction repeats a body that met others, until it is done",
    async run(database) {
      const add = (options: TransactionOptions): Promise<number> =>
        database.transaction(async (tx) => {
          const value = ((await tx.get<number>("count")) ?? 0) + 1;
          await tx.put("count", value);
          return value;
        }, options);
      const levels: readonly Isolation[] = ["snapshot", "serializable"];
      const options = levels.flatMap((isolation) => [
        { isolation, mode: "pessimistic" as const },
        { isolation, mode: "optimistic" as const },
      ]);
      const added = await Promise.all([...options, ...options, ...options].map(add));
      assert.deepEqual(
        added.toSorted((a, b) => a - b),
        Array.from({ length: 12 }, (_, at) => at + 1),
      );
      assert.equal(await database.kv.get("count"), 12);
    },
  },
  {
    name: "a body that throws is rolled back and not repeated; attempts are bounded",
    async run(database) {
      let runs = 0;
      const own = new Error("of the body");
      const failing = database.transaction(async (tx) => {
        runs++;
        await tx.put("a", 1);
        throw own;
      });
      await assert.rejects(failing, (error) => error === own);
      assert.equal(runs, 1);
      runs = 0;
      const unlucky = database.transaction(
        async (tx) => {
          runs++;
          await tx.get("a");
          await tx.put("b", 1);
          await database.kv.put("a", runs);
        },
        { attempts: 3 },
      );
      await expectError("TXN_CONFLICT", () => unlucky);
      assert.equal(runs, 3);
      assert.deepEqual([await database.kv.get("a"), await database.kv.get("b")], [3, undefined]);
      await expectQuiet(database);
    },
  },
  {
    name: "options that mean nothing are BAD_OPTION",
    async run(database) {
      for (const options of [
        { isolation: "dirty" },
        { mode: "hopeful" },
        { readOnly: 1 },
        { timeoutMs: 0 },
        { timeoutMs: 3_600_001 },
      ]) {
        await expectError("BAD_OPTION", () => database.begin(options as TransactionOptions));
        const body = (): Promise<void> => assert.fail("it does not begin");
        await expectError("BAD_OPTION", () =>
          database.transaction(body, options as TransactionOptions),
        );
      }
      await expectError("BAD_OPTION", () => database.transaction(async () => 1, { attempts: 0 }));
    },
  },
];

/** Waits until no transaction is open and nothing locked. */
async function expectQuiet(database: Database): Promise<void> {
  for (let round = 0; round < 500; round++) {
    const { open, locks, waits } = (await database.stats()).transactions;
    if (open + locks + waits === 0) return;
    await wait(20);
  }
  assert.fail(`not quiet: ${JSON.stringify((await database.stats()).transactions)}`);
}
