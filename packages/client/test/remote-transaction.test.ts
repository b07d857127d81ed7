import { type Environment, isKvsError } from "@kvs/env";
import { type Transaction } from "@kvs/protocol";
import { expect, test } from "vitest";
import { type World, type WorldOptions, failureOf, withServer } from "./world.ts";

function withEngine(
  body: (world: World) => Promise<void>,
  options: WorldOptions = {},
): Promise<unknown> {
  return withServer({ isReal: true, ...options }, body);
}

/** Counts the frames that a client sends. */
function countFrames(environment: Environment): { count: number } {
  const counter = { count: 0 };
  const connect = environment.network.connect.bind(environment.network);
  Object.assign(environment.network, {
    connect: async (...given: Parameters<typeof connect>) => {
      const connection = await connect(...given);
      const send = connection.send.bind(connection);
      return Object.assign(connection, {
        send: (frame: Uint8Array) => {
          counter.count++;
          return send(frame);
        },
      });
    },
  });
  return counter;
}

test("keys and documents change together, or not at all", () =>
  withEngine(async ({ connect }) => {
    await using db = await connect();
    const people = db.collection<{ name: string }>("people");
    const tx = await db.begin({ isolation: "snapshot", mode: "optimistic", timeoutMs: 5000 });
    expect(tx.id).toMatch(/^t-/);
    const inside = tx.collection<{ name: string }>("people");
    const id = await inside.insert({ name: "Ada" });
    await tx.put("count", 1);
    await tx.batch([
      { type: "put", key: "a", value: 1 },
      { type: "delete", key: "b" },
    ]);
    expect([await tx.get("count"), await tx.getForUpdate("a"), await tx.get("b")]).toEqual([
      1,
      1,
      undefined,
    ]);
    expect(await tx.getEntry("a")).toEqual({ value: 1, version: 0 });
    expect(await inside.find().toArray()).toEqual([{ _id: id, name: "Ada" }]);
    const keys = [];
    for await (const { key } of tx.scan({ reverse: true })) keys.push(key);
    expect(keys).toEqual(["count", "a"]);
    expect([await people.count(), await db.kv.get("a")]).toEqual([0, undefined]);
    const { version } = await tx.commit();
    expect(await db.kv.getEntry("count")).toEqual({ value: 1, version });
    expect(await people.get(id)).toEqual({ _id: id, name: "Ada" });
    await db.close();
  }));

test("savepoints are gone back to, one of another transaction is refused", () =>
  withEngine(async ({ connect }) => {
    await using db = await connect();
    await using tx = await db.begin();
    await using other = await db.begin();
    await tx.put("a", 1);
    const savepoint = await tx.savepoint();
    await tx.put("a", 2);
    await tx.rollbackTo(savepoint);
    expect(await tx.get("a")).toBe(1);
    expect(await failureOf(other.rollbackTo(savepoint))).toMatchObject({ code: "TXN_ENDED" });
    expect(await other.get("a")).toBeUndefined();
  }));

test("what one turn asks for within a transaction leaves in one frame", () =>
  withEngine(async ({ connect, environment }) => {
    const frames = countFrames(environment);
    await using db = await connect({ connections: 3 });
    const tx = await db.begin();
    const before = frames.count;
    await Promise.all(Array.from({ length: 50 }, (_, at) => tx.put(at, at)));
    expect(frames.count - before).toBe(1);
    await tx.commit();
    expect(await db.kv.get(49)).toBe(49);
  }));

test("after its end a transaction is not asked any more, and says so with its name", () =>
  withEngine(async ({ connect }) => {
    await using db = await connect();
    const calls: ((tx: Transaction) => Promise<unknown>)[] = [
      (tx) => tx.get("a"),
      (tx) => tx.put("a", 1),
      (tx) => tx.commit(),
      (tx) => tx.savepoint(),
      (tx) => tx.collection<object>("c").insert({}),
      (tx) => tx.scan()[Symbol.asyncIterator]().next(),
    ];
    for (const end of ["commit", "rollback"] as const) {
      const tx = await db.begin();
      await tx[end]();
      for (const call of calls) {
        const error = await failureOf(call(tx));
        expect(error).toMatchObject({ code: "TXN_ENDED", outcome: "none", retryable: false });
        expect(String(error)).toContain(tx.id);
      }
      await tx.rollback();
    }
    const twice = await db.begin();
    const [first, second] = [twice.commit(), failureOf(twice.commit())];
    expect(await second).toMatchObject({ code: "TXN_ENDED" });
    await first;
  }));

test("a lost connection rolls back; the next call says so, and it can be begun again", () =>
  withEngine(async ({ connect, simulation, sleep }) => {
    await using db = await connect();
    const tx = await db.begin();
    const waiting = await db.begin();
    await tx.put("a", 1);
    const waits = failureOf(waiting.put("a", 2));
    await sleep(5);
    simulation.network.resetConnections("client", "server");
    await sleep(100);
    for (const failure of [waits, failureOf(tx.put("b", 1))]) {
      const error = await failure;
      expect(error).toMatchObject({ code: "CONNECTION_LOST", outcome: "none", retryable: true });
      expect(String(error)).toMatch(/transaction t-/);
    }
    expect(await failureOf(tx.commit())).toMatchObject({ code: "TXN_ENDED" });
    await tx.rollback();
    expect(await db.kv.get("a")).toBeUndefined();
    await db.transaction((again) => again.put("a", 3));
    expect(await db.kv.get("a")).toBe(3);
    const { transactions } = await db.stats();
    expect(transactions).toMatchObject({ open: 0, locks: 0, waits: 0 });
  }));

test("a commit whose answer is lost is of unknown outcome, and never made twice", () =>
  withEngine(async ({ connect, simulation, sleep }) => {
    await using db = await connect();
    const seen = new Set<string>();
    for (let delayMs = 0; delayMs < 6; delayMs += 0.2) {
      const key = `after ${delayMs}`;
      await db.kv.put(key, 0);
      let runs = 0;
      const outcome = await db
        .transaction(async (tx) => {
          runs++;
          await tx.put(key, ((await tx.get<number>(key)) ?? 0) + 1);
          if (runs === 1) {
            simulation.after(delayMs, () =>
              simulation.network.resetConnections("client", "server"),
            );
          }
        })
        .then(
          () => "committed",
          (error: unknown) => (isKvsError(error) ? `${error.code} ${error.outcome}` : "none"),
        );
      await sleep(100);
      const value = await db.kv.get<number>(key);
      if (outcome === "committed") expect(value).toBe(1);
      else expect([outcome, runs]).toEqual(["CONNECTION_LOST unknown", 1]);
      expect(value).toBeLessThanOrEqual(1);
      seen.add(`${outcome}, ${value}`);
    }
    expect(seen).toContain("committed, 1");
    expect(seen).toContain("CONNECTION_LOST unknown, 1");
  }));

test("a request that is not answered in time gives the transaction up, here and there", () =>
  withEngine(async ({ connect, sleep }) => {
    await using db = await connect({ timeoutMs: 500 });
    const holder = await db.begin();
    const tx = await db.begin();
    await holder.put("a", 1);
    await tx.put("b", 1);
    const error = await failureOf(tx.put("a", 2));
    expect(error).toMatchObject({ code: "DEADLINE_EXCEEDED", outcome: "none" });
    expect(String(error)).toContain(`${tx.id} is rolled back`);
    expect(await failureOf(tx.commit())).toMatchObject({ code: "TXN_ENDED" });
    await holder.commit();
    await sleep(10);
    expect([await db.kv.get("a"), await db.kv.get("b")]).toEqual([1, undefined]);
    expect((await db.stats()).transactions).toMatchObject({ open: 0, locks: 0 });
  }));

test("callers of one key take turns, each repeated until it is done", () =>
  withEngine(async ({ connect }) => {
    await using db = await connect({ connections: 4 });
    const add = (): Promise<void> =>
      db.transaction(async (tx) => {
        const value = (await tx.getForUpdate<number>("count")) ?? 0;
        await tx.put("count", value + 1);
      });
    await Promise.all(Array.from({ length: 40 }, add));
    expect(await db.kv.get("count")).toBe(40);
    await Promise.all(
      Array.from({ length: 10 }, () =>
        db.transaction(async (tx) => tx.put("count", ((await tx.get<number>("count")) ?? 0) + 1), {
          mode: "optimistic",
        }),
      ),
    );
    expect(await db.kv.get("count")).toBe(50);
    const tooBig = db.begin({ timeoutMs: -1 });
    expect(await failureOf(tooBig)).toMatchObject({ code: "BAD_OPTION" });
  }));

test("a body that throws is rolled back, and its error comes out", () =>
  withEngine(async ({ connect }) => {
    await using db = await connect();
    const error = await failureOf(
      db.transaction(async (tx) => {
        await tx.put("a", 1);
        throw new Error("of the body");
      }),
    );
    expect(error).toEqual(new Error("of the body"));
    expect(await db.kv.get("a")).toBeUndefined();
    expect((await db.stats()).transactions).toMatchObject({ open: 0, rolledBack: 1 });
  }));

test("large writes of one turn fit, whatever else leaves with them", () =>
  withEngine(async ({ connect }) => {
    await using db = await connect();
    const tx = await db.begin();
    const large = new Uint8Array(15 << 20);
    await Promise.all([1, 2, 3].map((key) => tx.put(key, large)));
    await tx.rollback();
    const tooLarge = await db.begin();
    const puts = Array.from({ length: 5 }, (_, key) => tooLarge.put(key, large));
    const codes = (await Promise.allSettled(puts)).map((each) =>
      each.status === "rejected" && isKvsError(each.reason) ? each.reason.code : "done",
    );
    expect(codes).toEqual(["done", "done", "done", "TXN_TOO_LARGE", "TXN_TOO_LARGE"]);
    await tooLarge.rollback();
  }));
