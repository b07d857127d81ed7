import { Simulation } from "@kvs/sim";
import { expect, test } from "vitest";
import { warmUp } from "../src/session/warm-up.ts";
import { MemoryDatabases, MemoryStorage } from "../src/testing/memory-database.ts";

/** Warms up over a database in memory, and tells what it holds then. */
async function warmedUp(
  limitMs: number,
  isBroken = false,
): Promise<{ readonly rounds: number; readonly places: number; readonly keys: number }> {
  const simulation = new Simulation({ seed: 1 });
  const result = Promise.withResolvers<{ rounds: number; places: number; keys: number }>();
  result.promise.catch(() => undefined); // looked at when the simulation has ended
  let isDone = false;
  simulation.addHost("n1", {
    main: async (environment) => {
      const databases = new MemoryDatabases(environment, { storage: new MemoryStorage() });
      const broken = { open: () => Promise.reject(new Error("no database")) };
      try {
        const rounds = await warmUp(environment, isBroken ? broken : databases, limitMs);
        await using database = await databases.open("default");
        const places = await database.collection("places").count();
        let keys = 0;
        for await (const entry of database.kv.scan({ prefix: ["warm-up"] })) keys += +!!entry;
        result.resolve({ rounds, places, keys });
      } catch (error) {
        result.reject(error);
      }
      isDone = true;
    },
  });
  await simulation.run({ until: () => isDone });
  return result.promise;
}

test("a warm-up sends insertions, finds, puts and gets through a session, and all are answered", async () => {
  const { rounds, places, keys } = await warmedUp(1000);

  expect(rounds).toBeGreaterThan(10);
  expect(places).toBe(rounds * 256);
  expect(keys).toBe(rounds * 32);
});

test("a warm-up ends at its limit of time", async () => {
  expect(await warmedUp(0)).toEqual({ rounds: 0, places: 0, keys: 0 });
});

test("a warm-up whose requests fail says so", async () => {
  await expect(warmedUp(1000, true)).rejects.toThrow("a request of the warm-up failed");
});
