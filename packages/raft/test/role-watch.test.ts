import { sleep } from "@kvs/env";
import { Simulation } from "@kvs/sim";
import { expect, test } from "vitest";

import {
  InProcessHub,
  MemoryLogStore,
  MemorySnapshotStore,
  MultiRaft,
  type RoleChange,
} from "../src/index.ts";
import { ListMachine } from "./counter.ts";

test("who hosts a replica is told of each change of its role, term or leader, once", async () => {
  const simulation = new Simulation({ seed: 3 });
  const hub = new InProcessHub();
  const founders = { incoming: [1, 2, 3] };
  const told = new Map<number, RoleChange[]>();
  let isDone = false;
  simulation.addHost("all", {
    main: async (environment) => {
      const hosts = founders.incoming.map((self) => {
        const changes: RoleChange[] = [];
        told.set(self, changes);
        const transport = hub.transport(environment, self);
        const onRole = (change: RoleChange) => void changes.push(change);
        const random = environment.random.split(`node ${self}`); // else all votes are split
        return new MultiRaft({ ...environment, random }, { self, transport, onRole });
      });
      for (const raft of hosts) {
        const log = new MemoryLogStore(founders);
        const snapshots = new MemorySnapshotStore();
        await raft.open({ group: 1, log, machine: new ListMachine(), snapshots });
      }
      await sleep(environment.clock, 2000);
      const first = hosts.find((raft) => raft.node(1)?.role === "leader")!;
      expect(told.get(first.self)!.at(-1)).toMatchObject({ role: "leader", leader: first.self });
      await first.close();
      await sleep(environment.clock, 2000);
      for (const raft of hosts) await raft.close();
      isDone = true;
    },
  });

  await simulation.run({ until: () => isDone, untilMs: 60_000 });

  expect(isDone).toBe(true);
  for (const changes of told.values()) {
    for (const [at, change] of changes.entries()) {
      expect(change.group).toBe(1);
      expect(change).not.toEqual(changes[at - 1]);
      expect(change.term).toBeGreaterThanOrEqual(changes[at - 1]?.term ?? 0);
    }
  }
  const leaders = [...told.values()].flat().filter(({ role }) => role === "leader");
  expect(new Set(leaders.map(({ leader }) => leader)).size).toBe(2);
});
