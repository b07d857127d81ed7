import { type Environment, createRandom, sleep, yieldTurn } from "@kvs/env";
import { expect, test } from "vitest";

import { InstantWorld, SIM_EPOCH_MS, SimStorage, clockConformance } from "../src/index.ts";

function newStorage(): SimStorage {
  return new SimStorage({ random: createRandom(1) });
}

async function writeByte({ disk }: Environment, byte: number): Promise<void> {
  const file = await disk.open("file", { create: true });
  await file.writeDurableAt(new Uint8Array([byte]), 0);
  await disk.syncDirectory("");
  await file.close();
}

test("a body runs to its end, and what it stored is on the disk", async () => {
  const storage = newStorage();
  const world = new InstantWorld(storage);

  const answer = await world.run(async (environment) => {
    await writeByte(environment, 7);
    return 42;
  });

  expect(answer).toBe(42);
  expect(storage.worstCase().readFile("file")).toEqual(new Uint8Array([7]));
});

test("what a body throws comes out", async () => {
  const world = new InstantWorld(newStorage());
  const run = world.run(({ disk }) => disk.open("absent"));
  await expect(run).rejects.toMatchObject({ code: "DISK_NOT_FOUND" });
});

test("time leaps to the next timer when nothing else is to be done", async () => {
  const world = new InstantWorld(newStorage());
  const order: string[] = [];

  await world.run(async (environment) => {
    const { clock } = environment;
    clock.schedule(30, () => order.push("late"));
    clock.schedule(10, () => order.push("early"));
    clock.schedule(20, () => order.push("never")).cancel();
    clock.defer(() => order.push("deferred"));
    await writeByte(environment, 1);
    order.push("written");
    await sleep(clock, 40);
    expect(clock.wallMs()).toBe(SIM_EPOCH_MS + 40);
  });

  expect(order.toSorted()).toEqual(["deferred", "early", "late", "written"].toSorted());
  expect(order.slice(-2)).toEqual(["early", "late"]);
  expect(Math.floor(world.nowMs)).toBe(40);
});

test("a body that waits for nothing is stuck, also if timers go on for ever", async () => {
  const never = new Promise<void>(() => undefined);
  await expect(new InstantWorld(newStorage()).run(() => never)).rejects.toMatchObject({
    code: "SIM_STUCK",
  });
  const ticking = new InstantWorld(newStorage(), { limitMs: 5000 });
  const run = ticking.run(({ clock }) => {
    const tick = (): void => void clock.schedule(1000, tick);
    tick();
    return never;
  });
  await expect(run).rejects.toMatchObject({
    code: "SIM_STUCK",
  });
  expect(Math.floor(ticking.nowMs)).toBe(4000);
});

test("a body that takes turns for ever is stuck", async () => {
  const world = new InstantWorld(newStorage(), { turnsMax: 100 });
  const run = world.run(async ({ clock }) => {
    for (;;) await yieldTurn(clock);
  });
  await expect(run).rejects.toMatchObject({ code: "SIM_STUCK" });
});

test("answers in turn let others run in between, in the same order every time", async () => {
  const orders: string[] = [];
  for (const answers of ["at-once", "in-turn", "in-turn"] as const) {
    const world = new InstantWorld(newStorage(), { answers });
    const order: string[] = [];
    await world.run(async (environment) => {
      const turns = async (): Promise<void> => {
        for (let turn = 0; turn < 4; turn++) {
          await yieldTurn(environment.clock);
          order.push(`turn ${turn}`);
        }
      };
      const write = writeByte(environment, 1).then(() => order.push("written"));
      await Promise.all([turns(), write]);
    });
    orders.push(order.join());
  }

  expect(orders[0]).toMatch(/^written/);
  expect(orders[1]).toBe("turn 0,turn 1,turn 2,written,turn 3");
  expect(orders[2]).toBe(orders[1]);
});

test("latency, faults and sabotage are as asked for", async () => {
  const world = new InstantWorld(newStorage(), {
    mutants: ["layer.bug"],
    disk: {
      plan: { latencyMinMicros: 2000 },
      onCall: ({ operation }) =>
        operation === "datasync" ? { type: "error", code: "DISK_IO" } : undefined,
    },
  });

  const run = world.run(async ({ disk, hooks }) => {
    expect(hooks.hasMutant("layer.bug")).toBe(true);
    expect(hooks.hasMutant("layer.other")).toBe(false);
    expect(hooks.buggify("layer.site")).toBe(false);
    hooks.probe("layer.state");
    const file = await disk.open("file", { create: true });
    await file.datasync();
  });

  await expect(run).rejects.toMatchObject({ code: "DISK_SYNC_FAILED" });
  expect(Math.floor(world.nowMs)).toBe(4);
  expect(() => world.environment.network).toThrow("no network");
});

for (const { name, run } of clockConformance()) {
  test(`its clock keeps the contract: ${name}`, async () => {
    const world = new InstantWorld(newStorage(), { answers: "in-turn" });
    await world.run((environment) => run(environment.clock));
  });
}
