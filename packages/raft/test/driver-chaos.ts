import { createRandom, type Random } from "@kvs/env";

import { DriverWorld } from "./driver-world.ts";

interface Chaos {
  readonly seed: number;
  readonly mutants?: readonly string[];
}

/** Crashes, partitions, pauses and slow disks while items are proposed; then all is healed. */
export async function chaos({ seed, mutants = [] }: Chaos): Promise<DriverWorld> {
  const random = createRandom(seed);
  const nodes = random.chance(0.3) ? 5 : 3;
  const world = new DriverWorld({
    seed,
    nodes,
    mutants,
    snapshotEntries: random.chance(0.5) ? 40 : 100_000,
  });
  let item = 0;
  for (let round = 0; round < 60; round++) {
    for (const member of world.members.values()) {
      if (random.chance(0.3)) world.read(member);
      if (member.node.role === "leader") {
        for (let left = random.below(8); left > 0; left--) world.propose(`item ${item++}`, member);
      }
    }
    disturb(world, random, nodes);
    await world.run(20 + random.below(120));
  }
  world.simulation.network.heal();
  for (let id = 1; id <= nodes; id++) {
    world.host(id).configureDisk({});
    world.restart(id);
  }
  await world.runUntil("all live", () => world.members.size === nodes, 5000);
  await world.runUntil("a healed cluster has a leader", () => world.leader !== undefined, 3000);
  await world.runUntil(
    "it commits",
    () => {
      world.propose(`last ${item++}`);
      return [...world.acked].some((each) => each.startsWith("last"));
    },
    5000,
  );
  await world.runUntil("all agree", () => agree(world), 5000);
  world.checkHistory();
  return world;
}

/** Power cuts of all hosts at once, on slow disks, as soon as something was acknowledged. */
export async function powerCuts({ seed, mutants = [] }: Chaos): Promise<DriverWorld> {
  const random = createRandom(seed);
  const world = new DriverWorld({ seed, nodes: 3, mutants, snapshotEntries: 10, keptEntries: 0 });
  for (const host of world.hosts) host.configureDisk({ latencyMeanMicros: 8000 });
  let item = 0;
  for (let round = 0; round < 12; round++) {
    await world.runUntil("a leader", () => world.leader !== undefined, 20_000);
    const before = world.acked.size;
    const enough = before + 1 + random.below(20);
    await world.runUntil(
      "acknowledgements",
      () => {
        world.propose(`item ${item++}`);
        return world.acked.size >= enough;
      },
      20_000,
    );
    await world.run(random.below(10));
    for (let id = 1; id <= 3; id++) world.crash(id);
    await world.run(50);
    for (let id = 1; id <= 3; id++) world.restart(id);
  }
  await world.runUntil("it commits", () => {
    world.propose(`last ${item++}`);
    return [...world.acked].some((each) => each.startsWith("last"));
  });
  world.checkHistory();
  return world;
}

function disturb(world: DriverWorld, random: Random, nodes: number): void {
  const id = 1 + random.below(nodes);
  const chosen = random.below(12);
  if (chosen < 2) world.crash(id);
  else if (chosen < 5) for (let each = 1; each <= nodes; each++) world.restart(each);
  else if (chosen === 5) world.simulation.network.partition([[`n${id}`], hostsBut(id, nodes)]);
  else if (chosen < 8) world.simulation.network.heal();
  else if (chosen === 8 && world.host(id).isAlive) world.host(id).pause(random.below(500));
  else if (chosen === 9) world.simulation.network.cut(`n${id}`, `n${(id % nodes) + 1}`);
  else if (chosen === 10) world.host(id).configureDisk({ latencyMeanMicros: 50_000 });
  else for (const host of world.hosts) host.configureDisk({});
}

function agree(world: DriverWorld): boolean {
  const lengths = [...world.members.values()].map(({ machine }) => machine.items.length);
  return lengths.every((length) => length === lengths[0]);
}

export function hostsBut(id: number, nodes: number): string[] {
  const all = Array.from({ length: nodes }, (_, at) => at + 1);
  return all.filter((each) => each !== id).map((each) => `n${each}`);
}
