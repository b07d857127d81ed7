import { createRandom } from "@kvs/env";
import { expect, test } from "vitest";
import {
  allowedKinds,
  drawFaultPlan,
  type FaultKind,
  type FaultPlan,
  intervalsOf,
  isKindOf,
  NO_FAULTS,
} from "../src/fault-plan.ts";
import { applyFault } from "../src/fault-event.ts";
import { type Nemesis, startNemesis } from "../src/nemesis.ts";
import { type FaultScenario, replayScenario } from "../src/scenario.ts";
import { chatter } from "./chatter.ts";

const EVERYTHING = { canBreakConnections: true, canFailDisks: true, canDamageDisks: true };

/** A plan with one kind of fault, five times a second. */
function only(kind: FaultKind): FaultPlan {
  const intervals = { [kind]: 200 };
  return {
    network: { ...NO_FAULTS.network, intervals: isKindOf(kind, "network") ? intervals : {} },
    disk: { ...NO_FAULTS.disk, intervals: isKindOf(kind, "disk") ? intervals : {} },
    clock: { ...NO_FAULTS.clock, intervals: isKindOf(kind, "clock") ? intervals : {} },
    process: { intervals: isKindOf(kind, "process") ? intervals : {} },
  };
}

for (const kind of allowedKinds(EVERYTHING)) {
  test(`${kind} is injected and counted, and its runs repeat`, async () => {
    const run = async (): Promise<{ hash: string; count: number; scenario: FaultScenario }> => {
      const { simulation } = chatter({ seed: 11 });
      const nemesis = startNemesis(simulation, only(kind), { damageable: ["n1"] });
      await simulation.run({ untilMs: 5000 });
      const { hash, faults } = simulation.result();
      return { hash, count: faults[kind] ?? 0, scenario: nemesis.scenario() };
    };

    const first = await run();
    const second = await run();

    expect(first.count).toBeGreaterThan(0);
    expect(second.hash).toBe(first.hash);
    expect(first.scenario.events.every(({ fault }) => fault.kind === kind)).toBe(true);
  });
}

test("a scenario that went through JSON gives the very run it was recorded from", async () => {
  for (const seed of [1, 2, 3, 4, 5, 6]) {
    const plan = drawFaultPlan(createRandom(seed), EVERYTHING);
    const recorded = chatter({ seed });
    const nemesis = startNemesis(recorded.simulation, plan, { damageable: ["n2"] });
    await recorded.simulation.run({ untilMs: 5000 });
    const scenario = JSON.parse(JSON.stringify(nemesis.scenario())) as FaultScenario;

    const replayed = chatter({ seed });
    replayScenario(replayed.simulation, scenario);
    await replayed.simulation.run({ untilMs: 5000 });

    expect(replayed.simulation.result().faults).toEqual(recorded.simulation.result().faults);
    expect(replayed.seen).toEqual(recorded.seen);
  }
});

test("plans are drawn as a swarm: some without faults, some with one, most with a subset", () => {
  const counts = { none: 0, one: 0, some: 0 };
  const kinds = new Map<string, number>();
  for (let seed = 0; seed < 1000; seed++) {
    const on = Object.keys(intervalsOf(drawFaultPlan(createRandom(seed), EVERYTHING)));
    if (on.length === 0) counts.none++;
    else if (on.length === 1) counts.one++;
    else counts.some++;
    if (on.length > 1) for (const kind of on) kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  }

  expect(counts.none).toBeGreaterThan(60);
  expect(counts.none).toBeLessThan(140);
  expect(counts.one).toBeGreaterThan(60);
  expect(counts.one).toBeLessThan(140);
  expect([...kinds.keys()].toSorted()).toEqual(allowedKinds(EVERYTHING).toSorted());
  for (const count of kinds.values()) {
    expect(count).toBeGreaterThan(0.4 * counts.some);
    expect(count).toBeLessThan(0.6 * counts.some);
  }
});

test("a plan keeps to what it may contain", () => {
  for (let seed = 0; seed < 300; seed++) {
    const plan = drawFaultPlan(createRandom(seed), { canCrashAll: false });

    const kinds = Object.keys(intervalsOf(plan));
    expect(kinds).not.toContain("process.crash-all");
    expect(kinds).not.toContain("network.corrupt");
    expect(kinds).not.toContain("disk.bit-flip");
    expect(plan.disk.calls.syncFailed ?? 0).toBe(0);
    expect(plan.disk.calls.bitFlip ?? 0).toBe(0);
  }
});

test("after healing every host runs and reaches every other, whatever was done before", async () => {
  for (let seed = 1; seed <= 12; seed++) {
    const { simulation, seen } = chatter({ seed });
    const plan = drawFaultPlan(createRandom(seed), { canBreakConnections: true });
    const nemesis: Nemesis = startNemesis(simulation, plan);
    await simulation.run({ untilMs: 8000 });

    nemesis.heal();
    const injected = nemesis.scenario().events.length;
    await simulation.run({ untilMs: 20_000 });
    const before = new Map([...seen].map(([name, { frames }]) => [name, frames.length]));
    await simulation.run({ untilMs: 22_000 });

    expect(nemesis.scenario().events.length).toBe(injected);
    for (const host of simulation.hosts) {
      expect(host.isAlive && !host.isPaused).toBe(true);
      expect(seen.get(host.name)!.frames.length).toBeGreaterThan(before.get(host.name)! + 100);
      for (const other of simulation.hosts) {
        expect(simulation.network.canReach(host.name, other.name)).toBe(true);
      }
    }
  }
});

test("each kind has a stream of its own: without one, the others strike as before", async () => {
  const run = async (plan: FaultPlan): Promise<string[]> => {
    const { simulation } = chatter({ seed: 21 });
    const nemesis = startNemesis(simulation, plan);
    await simulation.run({ untilMs: 4000 });
    const { events } = nemesis.scenario();
    return events.filter(({ fault }) => fault.kind === "clock.jump").map((e) => JSON.stringify(e));
  };
  const jumps = only("clock.jump");

  const alone = await run(jumps);
  const together = await run({ ...jumps, process: only("process.kill").process });

  expect(alone.length).toBeGreaterThan(5);
  expect(together).toEqual(alone);
});

test("healing a core leaves the rest of the world as broken as it was", async () => {
  const { simulation, seen } = chatter({ seed: 31, hosts: 5 });
  const names = simulation.hosts.map((host) => host.name);
  await simulation.run({ untilMs: 1000 });
  simulation.network.partition(names.map((name) => [name]));
  for (const name of ["n1", "n4"]) simulation.host(name).crash();
  for (const fault of ["n2", "n5"]) simulation.network.refuse(fault);
  await simulation.run({ untilMs: 2000 });

  simulation.heal(["n1", "n2", "n3"]);
  await simulation.run({ untilMs: 5000 });
  const before = seen.get("n1")!.frames.length;
  await simulation.run({ untilMs: 6000 });

  expect(seen.get("n1")!.frames.length).toBeGreaterThan(before + 100);
  expect(simulation.host("n4").isAlive).toBe(false);
  for (const from of names) {
    for (const to of names) {
      const isCore = ["n1", "n2", "n3"].includes(from) && ["n1", "n2", "n3"].includes(to);
      const isDark = from === "n4" && to === "n4";
      expect(simulation.network.canReach(from, to)).toBe((from === to && !isDark) || isCore);
    }
  }
});

test("after healing nothing that a fault had in mind happens any more", async () => {
  const { simulation } = chatter({ seed: 32 });
  await simulation.run({ untilMs: 100 });
  applyFault(simulation, {
    kind: "process.crash-in-recovery",
    hosts: ["n1"],
    downMs: 10,
    againAfterMs: [500, 500, 500],
  });
  applyFault(simulation, {
    kind: "network.swizzle",
    steps: [{ host: "n2", afterMs: 500, forMs: 10_000 }],
  });
  await simulation.run({ untilMs: 200 });
  simulation.heal();
  const { generation } = simulation.host("n1");
  await simulation.run({ untilMs: 5000 });

  expect(simulation.host("n1").generation).toBe(generation);
  expect(simulation.host("n1").isAlive).toBe(true);
  expect(simulation.network.canReach("n2", "n3")).toBe(true);
});
