import assert from "node:assert/strict";
import { isKvsError } from "@kvs/env";
import { type Isolation, type Transaction } from "@kvs/protocol";
import { type ConformanceCase } from "../conformance-case.ts";
import { expectError } from "../expect-error.ts";
import { keysOf, wait } from "../walks.ts";

const LEVELS: readonly Isolation[] = ["read-committed", "snapshot", "serializable"];
const MODES = ["pessimistic", "optimistic"] as const;

interface Account {
  readonly _id?: string;
  readonly owner: string;
  readonly balance: number;
}

/** What transactions read and write. */
export const TRANSACTION_CASES: readonly ConformanceCase[] = [
  {
    name: "a transaction's keys and documents take effect together, or not at all",
    async run(database) {
      const accounts = database.collection<Account>("accounts");
      const id = await accounts.insert({ owner: "Ada", balance: 10 });
      await database.kv.put("count", 1);
      for (const end of ["rollback", "commit"] as const) {
        const tx = await database.begin();
        const inside = tx.collection<Account>("accounts");
        await inside.update(id, { owner: "Ada", balance: 5 });
        await inside.insert({ _id: "bob", owner: "Bob", balance: 5 });
        await tx.put("count", 2);
        await tx.batch([
          { type: "put", key: ["list", 1], value: "x" },
          { type: "delete", key: "absent" },
        ]);
        assert.deepEqual(await accounts.get(id), { _id: id, owner: "Ada", balance: 10 });
        assert.equal(await database.kv.get("count"), 1);
        await tx[end]();
        const isDone = end === "commit";
        assert.equal(await database.kv.get("count"), isDone ? 2 : 1);
        assert.equal(await database.kv.get(["list", 1]), isDone ? "x" : undefined);
        assert.equal((await accounts.get("bob"))?.balance, isDone ? 5 : undefined);
        assert.equal((await accounts.get(id))?.balance, isDone ? 5 : 10);
      }
    },
  },
  {
    name: "all that a transaction wrote has the version that commit answers",
    async run(database) {
      const tx = await database.begin("snapshot");
      await tx.put("a", 1);
      await tx.put("b", 2);
      await tx.collection<object>("c").insert({ _id: "one" });
      const { version } = await tx.commit();
      assert.ok(version > 0);
      assert.equal((await database.stats()).version, version);
      for (const key of ["a", "b"]) {
        assert.equal((await database.kv.getEntry(key))?.version, version);
      }
      const empty = await database.begin({ readOnly: true });
      assert.equal(await empty.get("a"), 1);
      assert.equal((await empty.commit()).version, version);
    },
  },
  {
    name: "a transaction reads its own writes, in every kind of read",
    async run(database) {
      await database.kv.batch(
        ["a", "b", "c", "d"].map((key) => ({ type: "put", key, value: key })),
      );
      const rows = database.collection<{ _id?: string; n: number }>("rows");
      await rows.insertMany([
        { _id: "1", n: 1 },
        { _id: "2", n: 2 },
      ]);
      for (const isolation of LEVELS) {
        for (const mode of MODES) {
          await using tx = await database.begin({ isolation, mode });
          await tx.delete("b");
          await tx.put("bb", { new: true });
          await tx.put("d", "changed");
          assert.deepEqual(await keysOf(tx.scan()), ["a", "bb", "c", "d"]);
          assert.deepEqual(await keysOf(tx.scan({ reverse: true, limit: 3 })), ["d", "c", "bb"]);
          assert.deepEqual(await keysOf(tx.scan({ gte: "b", lt: "c" })), ["bb"]);
          assert.deepEqual(await tx.getEntry("bb"), { value: { new: true }, version: 0 });
          assert.equal(await tx.get("b"), undefined);
          assert.equal(await tx.getForUpdate("d"), "changed");
          const inside = tx.collection<{ _id?: string; n: number }>("rows");
          await inside.update("1", { n: 10 });
          await inside.insert({ _id: "3", n: 3 });
          await inside.delete("2");
          assert.equal(await inside.count(), 2);
          assert.deepEqual(await inside.find({ sort: { n: -1 } }).toArray(), [
            { _id: "1", n: 10 },
            { _id: "3", n: 3 },
          ]);
          assert.deepEqual((await inside.getDocument("1"))?.data, { n: 10 });
          assert.equal(await inside.find({ filter: { n: 2 } }).first(), undefined);
        }
      }
      assert.deepEqual(await keysOf(database.kv.scan()), ["a", "b", "c", "d"]);
    },
  },
  {
    name: "conditions and unique ids hold within a transaction, as of its own writes",
    async run(database) {
      const { version } = await database.kv.put("key", 1);
      await database.collection<object>("c").insert({ _id: "taken" });
      for (const isolation of LEVELS) {
        for (const mode of MODES) {
          await using tx = await database.begin({ isolation, mode });
          await expectError("VERSION_MISMATCH", () => tx.put("key", 2, { ifVersion: version + 1 }));
          await expectError("VERSION_MISMATCH", () => tx.delete("key", { ifVersion: 0 }));
          await tx.put("key", 2, { ifVersion: version });
          const inside = tx.collection<object>("c");
          await expectError("DUPLICATE_ID", () => inside.insert({ _id: "taken" }));
          await inside.insert({ _id: "own" });
          await expectError("DUPLICATE_ID", () => inside.insert({ _id: "own" }));
          assert.equal(await tx.get("key"), 2);
        }
      }
    },
  },
  {
    name: "snapshot and serializable see one moment, read-committed what was committed last",
    async run(database) {
      for (const isolation of LEVELS) {
        await database.kv.put("a", "before");
        await database.kv.delete("b");
        const tx = await database.begin({ isolation, readOnly: true });
        assert.equal(await tx.get("a"), "before");
        await database.kv.batch([
          { type: "put", key: "a", value: "after" },
          { type: "put", key: "b", value: "after" },
        ]);
        const isMoving = isolation === "read-committed";
        assert.equal(await tx.get("a"), isMoving ? "after" : "before");
        assert.equal(await tx.get("b"), isMoving ? "after" : undefined);
        assert.deepEqual(await keysOf(tx.scan()), isMoving ? ["a", "b"] : ["a"]);
        await tx.commit();
      }
    },
  },
  {
    name: "rollbackTo takes back what was written since the savepoint, also twice and nested",
    async run(database) {
      const tx = await database.begin();
      await tx.put("a", 1);
      const first = await tx.savepoint();
      await tx.put("a", 2);
      await tx.put("b", 2);
      const second = await tx.savepoint();
      await tx.delete("a");
      await tx.collection<object>("c").insert({ _id: "one" });
      await tx.rollbackTo(second);
      assert.deepEqual([await tx.get("a"), await tx.get("b")], [2, 2]);
      assert.equal(await tx.collection("c").count(), 0);
      await tx.rollbackTo(first);
      await tx.put("c", 3);
      await tx.rollbackTo(first);
      assert.deepEqual(
        [await tx.get("a"), await tx.get("b"), await tx.get("c")],
        [1, undefined, undefined],
      );
      await expectError("TXN_ENDED", () => tx.rollbackTo(second));
      await using other = await database.begin();
      await expectError("TXN_ENDED", () => other.rollbackTo(first));
      await tx.commit();
      assert.deepEqual(await keysOf(database.kv.scan()), ["a"]);
    },
  },
  {
    name: "a key that was read for update is nobody else's before the transaction ends",
    async run(database) {
      await database.kv.put("count", 0);
      const order: string[] = [];
      const tx = await database.begin();
      assert.equal(await tx.getForUpdate("count"), 0);
      const outside = database.kv.put("count", "outside").then(() => order.push("outside"));
      await wait(30);
      await tx.put("count", "inside");
      await tx.commit().then(() => order.push("inside"));
      await outside;
      assert.deepEqual(order, ["inside", "outside"]);
      assert.equal(await database.kv.get("count"), "outside");
    },
  },
  {
    name: "of several that write one key at once, each level lets those through that it may",
    async run(database) {
      for (const isolation of LEVELS) {
        for (const mode of MODES) {
          const key = `${isolation} ${mode}`;
          await database.kv.put(key, 0);
          const add = async (): Promise<string> => {
            await using tx = await database.begin({ isolation, mode });
            try {
              const value = (await tx.get<number>(key)) ?? 0;
              await wait(5);
              await tx.put(key, value + 1);
              await tx.commit();
              return "done";
            } catch (error) {
              assert.ok(isKvsError(error) && error.retryable, String(error));
              return error.code;
            }
          };
          const outcomes = await Promise.all(Array.from({ length: 8 }, add));
          const done = outcomes.filter((outcome) => outcome === "done").length;
          const value = (await database.kv.get<number>(key))!;
          assert.ok(done >= 1, "somebody gets through");
          if (isolation === "read-committed") assert.ok(value <= done);
          else assert.equal(value, done, "no update is lost");
        }
      }
    },
  },
  {
    name: "what was read of a database or collection that was not there yet is checked as well",
    async run(database) {
      const reads: readonly ((tx: Transaction) => Promise<unknown>)[] = [
        (tx) => tx.get("a"),
        (tx) => keysOf(tx.scan()),
        (tx) => tx.collection("new").count(),
        (tx) => tx.collection("newer").get("id"),
      ];
      const writes: readonly (() => Promise<unknown>)[] = [
        () => database.kv.put("a", 1),
        () => database.kv.put("b", 1),
        () => database.collection<object>("new").insert({}),
        () => database.collection<object>("newer").insert({ _id: "id" }),
      ];
      const frozen = await database.begin({ readOnly: true });
      const results = await Promise.all(reads.map((read) => read(frozen)));
      for (const [at, read] of reads.entries()) {
        const tx = await database.begin();
        const skewed = await database.begin("snapshot");
        const before = await read(tx);
        assert.deepEqual(await read(skewed), before);
        await writes[at]!();
        assert.deepEqual(await read(skewed), before, "it sees one moment");
        await tx.put(["other", at], 1);
        await expectError("TXN_CONFLICT", () => tx.commit());
        await skewed.put(["skewed", at], 1);
        await skewed.commit();
        assert.deepEqual(await read(frozen), results[at], "and so does one that only reads");
      }
      await frozen.commit();
    },
  },
];
