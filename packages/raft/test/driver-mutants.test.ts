import { sleep, type Environment } from "@kvs/env";
import { crc32 } from "@kvs/codec";
import { Simulation } from "@kvs/sim";
import { expect, test } from "vitest";

import { encodeFrame } from "../src/codec/frame-codec.ts";
import { toConfiguration } from "../src/core/configuration.ts";
import { type Message } from "../src/core/message.ts";
import { readMutants } from "../src/core/read-mutants.ts";
import { Applier } from "../src/driver/applier.ts";
import { DRIVER_MUTANTS, type DriverMutant } from "../src/driver/driver-mutants.ts";
import { NetworkTransport } from "../src/driver/network-transport.ts";
import { Snapshots } from "../src/driver/snapshots.ts";
import { MemorySnapshotStore } from "../src/index.ts";
import { TurnBudget } from "@kvs/env";
import { ListMachine, text } from "./counter.ts";
import { chaos, powerCuts } from "./driver-chaos.ts";
import { DriverWorld } from "./driver-world.ts";

const TIMEOUT_MS = 120_000;

interface Hunt {
  readonly mutant: DriverMutant;
  readonly run: (options: { seed: number; mutants: readonly string[] }) => Promise<DriverWorld>;
  readonly seeds: number;
}

const HUNTS: readonly Hunt[] = [
  { mutant: "raft.driver.send-before-persist", run: powerCuts, seeds: 20 },
  { mutant: "raft.driver.report-before-sync", run: powerCuts, seeds: 20 },
  { mutant: "raft.driver.apply-twice", run: chaos, seeds: 5 },
  { mutant: "raft.driver.ignore-term", run: chaos, seeds: 40 },
  { mutant: "raft.driver.read-before-apply", run: chaos, seeds: 40 },
  { mutant: "raft.driver.compact-before-save", run: powerCuts, seeds: 20 },
];

test.each(HUNTS)(
  "$mutant is caught",
  async ({ mutant, run, seeds }) => {
    let caught = "";
    for (let seed = 1; seed <= seeds && caught === ""; seed++) {
      try {
        const world = await run({ seed, mutants: [mutant] });
        caught = [...world.violations, ...world.failures].join();
      } catch (error) {
        caught = String(error); // an assertion, or a cluster that never heals
      }
    }
    expect(caught).not.toBe("");
  },
  TIMEOUT_MS,
);

// REL-R13
test("raft.driver.tick-before-input is caught", async () => {
  const settings = { preVote: false };
  const mutants = ["raft.driver.tick-before-input"];
  const world = new DriverWorld({ seed: 1, nodes: 3, settings, mutants });
  await world.runUntil("a leader", () => world.leader !== undefined);
  await world.run(500);
  const { id, node } = world.leader!;
  const { term } = node.core;
  for (let round = 0; round < 5; round++) {
    world.host((id % 3) + 1).pause(400, { first: "timers" });
    await world.run(1000);
  }
  expect(world.leader!.node.core.term).toBeGreaterThan(term);
});

const clock = {
  monotonicMs: () => 0,
  wallMs: () => 0,
  schedule: () => ({ cancel: () => undefined }),
  defer: (action: () => void) => void setImmediate(action),
};

/** A replica that is told of an image whose bytes changed on their way. */
async function installDamaged(
  mutant?: DriverMutant,
): Promise<{ isGood: boolean; items: string[] }> {
  const sabotage = readMutants(DRIVER_MUTANTS, (name) => name === mutant);
  const machine = new ListMachine();
  const configuration = toConfiguration({ incoming: [1] });
  const budget = new TurnBudget(clock);
  const start = { index: 0, term: 0, configuration };
  const applier = new Applier({ machine, budget, sabotage }, start);
  const store = new MemorySnapshotStore();
  const snapshots = new Snapshots({ machine, applier, store, sabotage }, 0);
  const image = text(JSON.stringify(["one", "two"]));
  const checksum = crc32(image);
  const snapshot = { index: 5, term: 2, configuration, sizeBytes: image.length, checksum };
  const damaged = image.slice();
  damaged[2] = damaged[2]! ^ 1;
  snapshots.receive({ snapshot, offset: 0, data: damaged });
  const isGood = await snapshots.install(snapshot);
  return { isGood, items: machine.items };
}

// REL-R19
test("REL-R19: an image that was damaged is not installed; raft.driver.trust-image is caught", async () => {
  expect(await installDamaged()).toEqual({ isGood: false, items: [] });
  expect((await installDamaged("raft.driver.trust-image")).isGood).toBe(true);
});

/** What a node hears that is sent a sound frame, a damaged one, one of a stranger, and nonsense. */
async function hear(mutants: readonly string[]) {
  const simulation = new Simulation({ seed: 1, mutants });
  const heard: Message[] = [];
  let transport: NetworkTransport | undefined;
  simulation.addHost("n1", {
    main: async (environment) => {
      transport = await NetworkTransport.open(environment, {
        self: 1,
        cluster: 7,
        host: "n1",
        port: 7000,
        addressOf: () => undefined,
      });
      transport.start({ received: (messages) => void heard.push(...messages), peerLost: () => {} });
      for (;;) await sleep(environment.clock, 1000);
    },
  });
  simulation.addHost("n2", { main: (environment) => sendBadly(environment) });
  await simulation.run({ untilMs: 1000 });
  return { heard, stats: transport!.stats };
}

async function sendBadly({ network, clock: time }: Environment): Promise<void> {
  const envelope = { group: 1, from: 2, to: 1, term: 3 };
  const sound: Message = { type: "heartbeat-response", ...envelope, round: 200 };
  const forged: Message = { ...sound, from: 3 };
  const hello = Uint8Array.of(...text("KVSRAFT1"), 7, 2);
  const damaged = encodeFrame(7, [sound]).slice();
  damaged[damaged.length - 2] = damaged[damaged.length - 2]! ^ 4;
  const frames = [
    [hello, encodeFrame(7, [sound, forged])],
    [hello, damaged, encodeFrame(7, [sound])],
    [text("GET / HTTP"), encodeFrame(7, [sound])],
    [Uint8Array.of(...text("KVSRAFT1"), 8, 2), encodeFrame(8, [sound])],
  ];
  await sleep(time, 10);
  for (const each of frames) {
    const connection = await network.connect("ws://n1:7000/");
    connection.start({ frame: () => undefined, closed: () => undefined });
    for (const frame of each) connection.send(frame.slice());
    await sleep(time, 50);
    connection.close();
  }
}

// REL-R23, REL-R28
test("REL-R23: damaged, forged and foreign frames are dropped and counted; raft.driver.believe-frames is caught", async () => {
  const { heard, stats } = await hear([]);
  expect(heard.map((message) => "round" in message && message.round)).toEqual([200]);
  expect(stats).toMatchObject({ framesRefused: 3, messagesForged: 1 });

  const believed = await hear(["raft.driver.believe-frames"]);
  expect(believed.heard.length).toBeGreaterThan(1);
});
