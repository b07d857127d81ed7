import { isKvsError } from "@kvs/env";
import { expect, test } from "vitest";

import { chaos, hostsBut, powerCuts } from "./driver-chaos.ts";
import { DriverWorld, type WorldOptions } from "./driver-world.ts";

const TIMEOUT_MS = 120_000;

async function started(options: Partial<WorldOptions> = {}): Promise<DriverWorld> {
  const world = new DriverWorld({ seed: 1, nodes: 3, ...options });
  await world.runUntil("a leader", () => world.leader !== undefined);
  return world;
}

function expectSound(world: DriverWorld): void {
  world.checkHistory();
  expect(world.violations, world.describe()).toEqual([]);
}

test("three processes elect a leader, and what is proposed reaches all of them", async () => {
  const world = await started();
  for (let at = 0; at < 100; at++) world.propose(`item ${at}`);
  await world.runUntil("all acknowledged", () => world.acked.size === 100);
  await world.runUntil("all applied", () =>
    [...world.members.values()].every(({ machine }) => machine.items.length === 100),
  );
  expectSound(world);
});

test("a follower refuses proposals and names the leader; a stopped replica refuses all", async () => {
  const world = await started();
  await world.run(200);
  const leader = world.leader!;
  const follower = [...world.members.values()].find(({ id }) => id !== leader.id)!;

  const refused = await follower.node.propose(new Uint8Array(1)).catch((error: unknown) => error);
  await follower.node.close();
  const stopped = await follower.node.propose(new Uint8Array(1)).catch((error: unknown) => error);

  expect(isKvsError(refused, "RAFT_NOT_LEADER") && refused.details["leader"]).toBe(leader.id);
  expect(isKvsError(stopped, "RAFT_STOPPED")).toBe(true);
  await expect(follower.node.readIndex()).rejects.toThrow("RAFT_STOPPED");
});

test("more than may wait to be committed is refused at once, and taken again later", async () => {
  const world = await started({ settings: { uncommittedMaxBytes: 10_000 } });
  const { node } = world.leader!;
  world.simulation.network.partition([[`n${world.leader!.id}`], others(world)]);
  const outcomes: string[] = [];
  for (let at = 0; at < 30; at++) {
    node.propose(new Uint8Array(1000)).then(
      () => outcomes.push("applied"),
      (error: unknown) => outcomes.push(isKvsError(error) ? error.code : "?"),
    );
    await world.run(1);
  }
  expect(outcomes).toContain("RAFT_OVERLOADED");
  expect(outcomes.length).toBeLessThan(30);
  world.simulation.network.heal();
  await world.runUntil("it is taken again", () => {
    world.propose(`again ${world.acked.size}`);
    return world.acked.size > 0;
  });
});

test("a proposal that another leader's entry replaced is dropped, and says so", async () => {
  const world = await started();
  await world.run(200);
  const old = world.leader!;
  world.simulation.network.partition([[`n${old.id}`], others(world)]);
  const outcome = old.node.propose(new Uint8Array(1)).catch((error: unknown) => error);
  await world.runUntil("another leader", () => world.leader!.id !== old.id);
  world.propose("newer");
  await world.runUntil("newer", () => world.acked.has("newer"));
  world.simulation.network.heal();
  await world.runUntil("it applied", () => old.machine.items.includes("newer"));

  const error = await outcome;
  expect(isKvsError(error, "RAFT_DROPPED") && error.outcome).toBe("none");
  expectSound(world);
});

test("a proposal that is not decided in time has an unknown outcome", async () => {
  const world = await started({ settings: { checkQuorum: false } });
  const old = world.leader!;
  world.simulation.network.partition([[`n${old.id}`], others(world)]);
  let outcome: unknown;
  old.node.propose(new Uint8Array(1)).catch((error: unknown) => {
    outcome = error;
  });
  await world.run(11_000);
  expect(isKvsError(outcome, "RAFT_UNDECIDED") && outcome.outcome).toBe("unknown");
});

// REL-R10
test("REL-R10: a read sees all that was acknowledged before it, on whatever node", async () => {
  const world = await started();
  for (let round = 0; round < 30; round++) {
    world.propose(`item ${round}`);
    await world.runUntil("acknowledged", () => world.acked.has(`item ${round}`));
    for (const { node, machine } of world.members.values()) {
      let isRead = false;
      void node.readIndex().then(() => {
        isRead = machine.items.includes(`item ${round}`);
      });
      await world.runUntil("the read sees it", () => isRead, 1000);
    }
  }
});

// REL-R18
test("leadership passes to the node that was asked for", async () => {
  const world = await started();
  await world.run(300);
  const old = world.leader!;
  const target = (old.id % 3) + 1;
  let isDone = false;
  void old.node.transferLeadership(target).then(() => {
    isDone = true;
  });
  await world.runUntil("the transfer", () => isDone);
  expect(world.leader!.id).toBe(target);
  await expect(old.node.transferLeadership(target)).rejects.toThrow("RAFT_NOT_LEADER");
});

test("members come and go while entries are proposed", async () => {
  const world = await started({ nodes: 5, founders: { incoming: [1, 2, 3] } });
  let step = 0;
  const leader = world.leader!;
  const changes = leader.node
    .changeMembership([
      { type: "add-learner", node: 4 },
      { type: "add-learner", node: 5 },
    ])
    .then(() => (step = 1));
  for (let at = 0; at < 50; at++) world.propose(`item ${at}`);
  await world.runUntil("learners", () => step === 1);
  await changes;
  await world.runUntil("they caught up", () => world.members.get(5)!.machine.items.length >= 50);
  void leader.node
    .changeMembership([
      { type: "add-voter", node: 4 },
      { type: "add-voter", node: 5 },
      { type: "remove", node: (leader.id % 3) + 1 },
    ])
    .then(() => (step = 2));
  await world.runUntil("voters", () => step === 2);
  expect(world.leader!.node.configuration.incoming).toHaveLength(4);
  expect(world.leader!.node.configuration.outgoing).toEqual([]);
  expectSound(world);
});

// REL-R19
test("a replica that was away for long is brought up by an image", async () => {
  const world = await started({ snapshotEntries: 50 });
  await world.run(300);
  const away = others(world)[0]!;
  const id = Number(away.slice(1));
  world.crash(id);
  for (let at = 0; at < 400; at++) {
    world.propose(`item ${at}`);
    if (at % 10 === 0) await world.run(5);
  }
  await world.runUntil("acknowledged", () => world.acked.size === 400);
  expect(world.leader!.node.core.state.log.baseIndex).toBeGreaterThan(300);
  world.restart(id);
  await world.runUntil("it caught up", () => world.members.get(id)?.machine.items.length === 400);
  expectSound(world);
});

// REL-R24
test("REL-R24: a leader whose sync hangs longer than an election timeout steps down", async () => {
  const world = await started();
  await world.run(300);
  const old = world.leader!;
  world.host(old.id).configureDisk({ latencyMinMicros: 60_000_000 });
  world.propose("hangs", old);
  await world.runUntil("another leader", () => world.leader!.id !== old.id, 3000);
  world.propose("goes on");
  await world.runUntil("it goes on", () => world.acked.has("goes on"), 3000);
  expect(old.node.role).not.toBe("leader");
});

// REL-R13
test("REL-R13: a follower that stood still does not depose a healthy leader when it wakes", async () => {
  for (const first of ["timers", "input"] as const) {
    // Without pre-vote a campaign of its own would be enough to do it.
    const world = await started({ settings: { preVote: false } });
    await world.run(500);
    const { id, node } = world.leader!;
    const { term } = node.core;
    const follower = (id % 3) + 1;
    for (let round = 0; round < 5; round++) {
      world.host(follower).pause(400, { first });
      await world.run(1000);
    }
    expect(node.core.term).toBe(term);
    expect(node.role).toBe("leader");
  }
});

function others(world: DriverWorld): string[] {
  return hostsBut(world.leader!.id, world.hosts.length);
}

test(
  "clusters of drivers keep all promises under crashes, partitions and pauses, and heal",
  async () => {
    const seeds = Number(process.env["KVS_RAFT_DRIVER_SEEDS"] ?? 12);
    let reads = 0;
    for (let seed = 1; seed <= seeds; seed++) {
      const world = await chaos({ seed });
      expect(world.violations, `seed ${seed}\n${world.describe()}`).toEqual([]);
      expect(world.failures, `seed ${seed}`).toEqual([]);
      expect(world.acked.size).toBeGreaterThan(5);
      reads += world.reads;
    }
    expect(reads).toBeGreaterThan(seeds);
  },
  TIMEOUT_MS,
);

// REL-R27
test(
  "REL-R27: power cuts of all hosts at once lose nothing that was acknowledged",
  async () => {
    for (let seed = 1; seed <= 4; seed++) {
      const world = await powerCuts({ seed });
      expect(world.violations, `seed ${seed}`).toEqual([]);
      expect(world.failures, `seed ${seed}`).toEqual([]);
    }
  },
  TIMEOUT_MS,
);

test("a connection that hung in a one-way cut is replaced once the network is well", async () => {
  const world = await started();
  await world.run(300);
  const { id } = world.leader!;
  const deaf = (id % 3) + 1;
  for (let round = 0; round < 3; round++) {
    const cut = world.simulation.network.cut(`n${id}`, `n${deaf}`);
    world.propose(`item ${round}`);
    await world.run(8000);
    cut.heal();
    await world.runUntil("it hears the leader", () => has(world, deaf, `item ${round}`), 1500);
  }
});

function has(world: DriverWorld, id: number, item: string): boolean {
  return world.members.get(id)!.machine.items.includes(item);
}
