import assert from "node:assert/strict";
import { isKvsError } from "@kvs/env";
import { type ConformanceCase } from "../conformance-case.ts";
import { expectError } from "../expect-error.ts";
import { collect, keysOf } from "../walks.ts";

const CLOSED = ["TXN_CLOSED", "CLIENT_CLOSED"];

export const DATABASE_CASES: readonly ConformanceCase[] = [
  {
    name: "of concurrent writers with ifVersion on one key exactly one wins each round",
    async run({ kv }) {
      let version = 0;
      for (let round = 0; round < 30; round++) {
        const writers = Array.from({ length: 8 }, (_, writer) =>
          kv.put("key", { round, writer }, { ifVersion: version }).then(
            (answer) => ({ writer, version: answer.version }),
            (error: unknown) => {
              assert.ok(isKvsError(error, "VERSION_MISMATCH"), String(error));
              return undefined;
            },
          ),
        );
        const winners = (await Promise.all(writers)).filter((winner) => winner !== undefined);
        assert.equal(winners.length, 1);
        const { writer, version: won } = winners[0]!;
        assert.deepEqual(await kv.getEntry("key"), { value: { round, writer }, version: won });
        version = won;
      }
    },
  },
  {
    name: "of concurrent writers with ifVersion on one document exactly one wins each round",
    async run(database) {
      const things = database.collection<{ writer: number }>("things");
      for (let round = 0; round < 15; round++) {
        const writers = Array.from({ length: 8 }, (_, writer) =>
          things.update("id", { writer }, { ifVersion: round, upsert: true }).then(
            () => writer,
            (error: unknown) => {
              assert.ok(isKvsError(error, "VERSION_MISMATCH"), String(error));
              return undefined;
            },
          ),
        );
        const winners = (await Promise.all(writers)).filter((writer) => writer !== undefined);
        assert.equal(winners.length, 1);
        const found = (await things.getDocument("id"))!;
        assert.deepEqual([found._version, found.data.writer], [round + 1, winners[0]]);
      }
    },
  },
  {
    name: "of concurrent inserts of one _id exactly one succeeds",
    async run(database) {
      const things = database.collection<object>("things");
      const attempts = Array.from({ length: 20 }, (_, at) =>
        things.insertMany([{ _id: `own-${at}` }, { _id: "shared" }]).then(
          () => at,
          (error: unknown) => {
            assert.ok(isKvsError(error, "DUPLICATE_ID"), String(error));
            return undefined;
          },
        ),
      );
      const winners = (await Promise.all(attempts)).filter((at) => at !== undefined);
      assert.equal(winners.length, 1);
      const ids = (await things.find().toArray()).map(({ _id }) => _id);
      assert.deepEqual(ids, [`own-${winners[0]}`, "shared"]);
    },
  },
  {
    name: "counters that writers add to without locks lose nothing",
    async run({ kv }) {
      await kv.put("counter", 0);
      const add = async (): Promise<void> => {
        for (let times = 0; times < 10;) {
          const { value, version } = (await kv.getEntry<number>("counter"))!;
          try {
            await kv.put("counter", value + 1, { ifVersion: version });
            times++;
          } catch (error) {
            assert.ok(isKvsError(error, "VERSION_MISMATCH"), String(error));
          }
        }
      };
      await Promise.all(Array.from({ length: 6 }, add));
      assert.equal(await kv.get("counter"), 60);
    },
  },
  {
    name: "concurrent batches of the same keys never mix",
    async run({ kv }) {
      const keys = Array.from({ length: 40 }, (_, key) => key);
      await Promise.all(
        Array.from({ length: 30 }, (_, value) => {
          const order = value % 2 === 0 ? keys : keys.toReversed();
          return kv.batch(order.map((key) => ({ type: "put", key, value })));
        }),
      );
      const entries = await collect(kv.scan());
      assert.equal(new Set(entries.map(({ value }) => value)).size, 1);
      assert.equal(new Set(entries.map(({ version }) => version)).size, 1);
    },
  },
  {
    name: "writes begun one after the other take effect in that order",
    async run({ kv }) {
      const writes: Promise<unknown>[] = [];
      for (let value = 0; value < 200; value++) writes.push(kv.put("key", value));
      await Promise.all(writes);
      assert.equal(await kv.get("key"), 199);
    },
  },
  {
    name: "a write that begins after the very first one does not overtake it",
    async run(database) {
      const things = database.collection<object>("things");
      const answers = await Promise.all([
        database.kv.put("key", 1),
        database.kv.delete("key"),
        things.insert({ _id: "a" }),
        things.update("a", { n: 2 }),
        things.insert({ _id: "b" }),
        things.delete("b"),
      ]);
      assert.deepEqual(answers.slice(1), [true, "a", true, "b", true]);
      assert.equal(await database.kv.get("key"), undefined);
      assert.deepEqual(await things.find().toArray(), [{ _id: "a", n: 2 }]);
    },
  },
  {
    name: "stats tell the name, the version and what lies there",
    async run(database) {
      const before = await database.stats();
      assert.equal(before.name, database.name);
      const { version } = await database.kv.put("key", 1);
      const after = await database.stats();
      assert.ok(after.version >= version);
      for (const count of [after.diskBytes, after.memoryBytes, after.logBytes, after.openCursors]) {
        assert.ok(Number.isSafeInteger(count) && count >= 0);
      }
    },
  },
  {
    name: "a checkpoint changes nothing that readers see",
    async run(database) {
      await database.kv.put("key", 1);
      await database.checkpoint();
      await Promise.all([
        database.checkpoint(),
        database.checkpoint(),
        database.kv.put("other", 2),
      ]);
      assert.deepEqual(await keysOf(database.kv.scan()), ["key", "other"]);
    },
  },
  {
    name: "closing waits for writes under way; a second call does nothing",
    needs: "reopen",
    async run(database, context) {
      const things = database.collection<object>("things");
      const writes = [
        ...Array.from({ length: 50 }, (_, value) => database.kv.put("key", value)),
        ...Array.from({ length: 50 }, (_, at) => things.insert({ _id: `id-${at}` })),
      ];
      const settled = Promise.allSettled(writes);
      await Promise.all([database.close(), database.close()]);
      await database.close();
      assert.deepEqual(
        (await settled).filter(({ status }) => status === "rejected"),
        [],
      );
      const again = await context.reopen!(database.name);
      assert.equal(await again.kv.get("key"), 49);
      assert.equal(await again.collection("things").count(), 50);
    },
  },
  {
    name: "use after close is an error with a code",
    async run(database) {
      await database.kv.put("key", 1);
      const things = database.collection<object>("things");
      await things.insert({ _id: "id" });
      await database.close();
      const uses: readonly (() => unknown)[] = [
        () => database.kv.get("key"),
        () => database.kv.getEntry("key"),
        () => database.kv.put("key", 2),
        () => database.kv.delete("key"),
        () => database.kv.batch([{ type: "put", key: "key", value: 2 }]),
        () => collect(database.kv.scan()),
        () => things.get("id"),
        () => things.getDocument("id"),
        () => things.insert({}),
        () => things.update("id", {}),
        () => things.delete("id"),
        () => things.find().toArray(),
        () => things.count(),
        () => database.checkpoint(),
      ];
      for (const use of uses) await expectError(CLOSED, use);
    },
  },
  {
    name: "several databases of one store know nothing of each other",
    needs: "reopen",
    async run(database, context) {
      const first = database.name;
      await database.kv.put("key", "first");
      await database.collection("things").insert({ _id: "id", of: "first" });
      const second = await context.reopen!(`${first}-2`);
      assert.equal(second.name, `${first}-2`);
      assert.equal(await second.kv.get("key"), undefined);
      assert.deepEqual(await keysOf(second.kv.scan()), []);
      assert.equal(await second.collection("things").count(), 0);
      assert.deepEqual((await second.stats()).collections, []);
      await second.kv.put("key", "second", { ifVersion: 0 });
      await second.collection("things").insert({ _id: "id", of: "second" });
      await second.kv.delete("key");
      const again = await context.reopen!(first);
      assert.equal(await again.kv.get("key"), "first");
      assert.deepEqual(await again.collection("things").find().toArray(), [
        { _id: "id", of: "first" },
      ]);
      assert.deepEqual((await again.stats()).collections, ["things"]);
    },
  },
  {
    name: "a database whose name is none is refused",
    needs: "reopen",
    async run(database, context) {
      await database.kv.put("key", 1);
      for (const name of ["a.b", "x".repeat(65), "a b"]) {
        await expectError(["BAD_DATABASE_NAME", "BAD_URL"], () => context.reopen!(name));
      }
      const again = await context.reopen!(database.name);
      assert.equal(await again.kv.get("key"), 1);
    },
  },
];
