import { type Environment, sleep } from "@kvs/env";
import { type HostedDatabase } from "@kvs/protocol";
import { Store, type CommitPipe } from "@kvs/txn";
import { InstantWorld } from "@kvs/sim";
import { expect, test } from "vitest";
import { DatabaseEngine } from "../../src/index.ts";
import { SPACE_EXPIRY, rowRange } from "../../src/database/rows.ts";
import { SMALL, collect, newStorage, withDatabase } from "./fixture.ts";

async function keysOf(database: HostedDatabase): Promise<unknown[]> {
  return (await collect(database.kv.scan())).map(({ key }) => key);
}

test("a value is there before its time is over, and absent soon after", async () => {
  await withDatabase(newStorage(), async ({ kv }, { environment: { clock } }) => {
    await kv.put("key", 1, { ttlMs: 5000 });
    await sleep(clock, 4900);
    expect(await kv.get("key")).toBe(1);
    await sleep(clock, 200);
    expect(await kv.get("key")).toBeUndefined();
    expect(await collect(kv.scan())).toEqual([]);
    await kv.put("key", 2, { ifVersion: 0 });
    await sleep(clock, 100_000);
    expect(await kv.get("key")).toBe(2);
  });
});

test("a value that was replaced before it was due stays", async () => {
  await withDatabase(newStorage(), async ({ kv }, { environment: { clock } }) => {
    await kv.put("for ever", 1, { ttlMs: 1000 });
    await kv.put("for longer", 1, { ttlMs: 1000 });
    await kv.put("deleted", 1, { ttlMs: 1000 });
    await kv.put("for ever", 2);
    await kv.put("for longer", 2, { ttlMs: 10_000 });
    await kv.delete("deleted");
    await sleep(clock, 5000);
    expect(await kv.get("for ever")).toBe(2);
    expect(await kv.get("for longer")).toBe(2);
    await sleep(clock, 6000);
    expect(await kv.get("for ever")).toBe(2);
    expect(await kv.get("for longer")).toBeUndefined();
  });
});

test("many values go, each in its time, in more than one batch", async () => {
  await withDatabase(newStorage(), async (database, { environment: { clock } }) => {
    const { kv } = database;
    await kv.batch(
      Array.from({ length: 1800 }, (_, key) => ({
        type: "put",
        key,
        value: key,
        ttlMs: key % 3 === 0 ? 10_000 : 1000,
      })),
    );
    await sleep(clock, 2000);
    const left = await keysOf(database);
    expect(left).toEqual(Array.from({ length: 600 }, (_, at) => at * 3));
    await sleep(clock, 10_000);
    expect(await keysOf(database)).toEqual([]);
  });
});

test("a value written while others are being removed goes in its own time", async () => {
  await withDatabase(newStorage(), async (database, { environment: { clock } }) => {
    const { kv } = database;
    // Each removal meets puts at every moment of it.
    for (let round = 0; round < 200; round++) {
      await kv.put(["first", round], 1, { ttlMs: 10 });
      await sleep(clock, 9.9 + round / 1000);
      for (let turn = 0; turn < round % 20; turn++) await sleep(clock, 0);
      await kv.put(["second", round], 1, { ttlMs: 15 });
      await sleep(clock, 40);
      await sleep(clock, 40);
      expect(await keysOf(database)).toEqual([]);
    }
  });
});

test("values go after a restart, also those that were due meanwhile", async () => {
  const storage = newStorage();
  await withDatabase(storage, async (database, { environment: { clock } }) => {
    await database.kv.put("stays", 1);
    await database.kv.put("goes", 1, { ttlMs: 50 });
    await database.kv.put("goes later", 1, { ttlMs: 5000 });
    await sleep(clock, 0);
    await database.close();
  });
  await withDatabase(storage, async (database, { environment: { clock } }) => {
    await sleep(clock, 1000);
    expect(await keysOf(database)).toEqual(["goes later", "stays"]);
    await sleep(clock, 6000);
    expect(await keysOf(database)).toEqual(["stays"]);
  });
});

test("a removal that fails is tried again, and leaves no note behind", async () => {
  const storage = newStorage();
  const world = new InstantWorld(storage, { answers: "in-turn" });
  await world.run(async (environment: Environment) => {
    const { clock } = environment;
    const store = await Store.open(environment, { path: "data", ...SMALL });
    let failuresLeft = 0;
    let proposals = 0;
    const pipe: CommitPipe = {
      propose: async (batch) => {
        proposals++;
        if (failuresLeft-- > 0) throw new Error("not now");
        return store.propose(batch);
      },
    };
    const engine = await DatabaseEngine.open(environment, {
      rows: store,
      pipe,
      checkpoint: () => store.checkpoint(),
      stats: () => store.stats(),
      diskBytes: async () => 0,
    });
    const database = engine.database("default");
    await database.kv.put("key", 1, { ttlMs: 100 });
    failuresLeft = 3;
    proposals = 0;
    await sleep(clock, 60_000);
    expect(proposals).toBe(4);
    expect(await database.kv.get("key")).toBeUndefined();
    expect(await collect(store.scan(rowRange(SPACE_EXPIRY, undefined, undefined)))).toEqual([]);
    await engine.close();
    await store.close();
  });
  storage.processDied(world.environment.disk);
});

test("a scan that has begun keeps what expires meanwhile", async () => {
  await withDatabase(newStorage(), async (database, { environment: { clock } }) => {
    await database.kv.batch(
      Array.from({ length: 2000 }, (_, key) => ({ type: "put", key, value: 1, ttlMs: 1000 })),
    );
    let seen = 0;
    for await (const _ of database.kv.scan()) if (seen++ === 0) await sleep(clock, 5000);
    expect(seen).toBe(2000);
    expect(await keysOf(database)).toEqual([]);
  });
});

test("a clock that goes back makes nothing expire early", async () => {
  const storage = newStorage();
  const world = new InstantWorld(storage, { answers: "in-turn" });
  await world.run(async (honest) => {
    let offsetMs = 0;
    const clock = {
      monotonicMs: () => honest.clock.monotonicMs(),
      wallMs: () => honest.clock.wallMs() + offsetMs,
      schedule: (delayMs: number, action: () => void) => honest.clock.schedule(delayMs, action),
      defer: (action: () => void) => honest.clock.defer(action),
    };
    const environment = Object.create(honest, { clock: { value: clock } }) as Environment;
    const store = await Store.open(environment, { path: "data", ...SMALL });
    const engine = await DatabaseEngine.open(environment, {
      rows: store,
      pipe: store,
      checkpoint: () => store.checkpoint(),
      stats: () => store.stats(),
      diskBytes: async () => 0,
    });
    const { kv } = engine.database("default");
    await kv.put("before", 1);
    offsetMs = -3_600_000;
    await kv.put("key", 1, { ttlMs: 10_000 });
    expect(await kv.get("key")).toBe(1);
    await sleep(clock, 5000);
    expect(await kv.get("key")).toBe(1);
    await engine.close();
    await store.close();
  });
  storage.processDied(world.environment.disk);
});
