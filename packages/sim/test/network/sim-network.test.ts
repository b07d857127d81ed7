import { type Connection, isKvsError, type Network, sleep } from "@kvs/env";
import { expect, test } from "vitest";
import { type LinkSettings } from "../../src/network/link.ts";
import { Simulation } from "../../src/simulation.ts";
import { numbered, numberOf } from "../chatter.ts";

interface World {
  readonly simulation: Simulation;
  /** Frames n1 received, by number; `undefined` for damaged ones. */
  readonly received: (number | undefined)[];
  readonly arrivalsMs: number[];
  readonly closed: { readonly n1: string[]; readonly n2: string[] };
  readonly client: () => Connection;
  readonly server: () => Connection;
}

/** `n2` has a connection to `n1`, open from 10 ms on. */
function connected(
  seed: number,
  link: Partial<LinkSettings> = {},
  knobs: { readonly giveUpMs?: number } = {},
): World {
  const simulation = new Simulation({ seed, knobs: { link, ...knobs } });
  const received: (number | undefined)[] = [];
  const arrivalsMs: number[] = [];
  const closed = { n1: [] as string[], n2: [] as string[] };
  let client: Connection | undefined;
  let server: Connection | undefined;
  simulation.addHost("n1", {
    main: async ({ network }) => {
      await network.listen({
        host: "n1",
        port: 1,
        connection: (connection) => {
          server = connection;
          connection.start({
            frame: (bytes) => {
              received.push(numberOf(bytes));
              arrivalsMs.push(simulation.nowMicros / 1000);
            },
            closed: (reason) => closed.n1.push(reason),
          });
        },
      });
    },
  });
  simulation.addHost("n2", {
    main: async ({ network, clock }) => {
      await sleep(clock, 1);
      client = await network.connect("ws://n1:1/");
      client.start({ frame: () => undefined, closed: (reason) => closed.n2.push(reason) });
    },
  });
  const get = (connection: Connection | undefined): Connection => connection!;
  return {
    simulation,
    received,
    arrivalsMs,
    closed,
    client: () => get(client),
    server: () => get(server),
  };
}

/** Sends `count` numbered frames from n2, one each millisecond. */
function sendEachMs(world: World, count: number): void {
  for (let number = 0; number < count; number++) {
    world.simulation.after(number, () => world.client().send(numbered(number)));
  }
}

const FIRST_100 = Array.from({ length: 100 }, (_, number) => number);

test("delay, loss and bandwidth make frames late, and lose or reorder none", async () => {
  const settings: Partial<LinkSettings>[] = [
    { delayMinMs: 30 },
    { delayMeanMs: 100 },
    { lossProbability: 0.3 },
    { bandwidthBytesPerSecond: 1000 },
  ];
  for (const link of settings) {
    const quiet = connected(1);
    const slow = connected(1);
    for (const world of [quiet, slow]) await world.simulation.run({ untilMs: 500 });
    slow.simulation.network.override("n2", "n1", link);
    for (const world of [quiet, slow]) {
      sendEachMs(world, 100);
      await world.simulation.run();
    }

    expect(slow.received).toEqual(FIRST_100);
    expect(quiet.received).toEqual(FIRST_100);
    const late = slow.arrivalsMs.at(-1)! - quiet.arrivalsMs.at(-1)!;
    expect(late).toBeGreaterThan(20);
  }
});

test("a bandwidth limit holds over all connections of a link", async () => {
  const world = connected(2, { bandwidthBytesPerSecond: 10_000, delayMeanMs: 0 });
  await world.simulation.run({ untilMs: 500 });
  const startMs = world.simulation.nowMicros / 1000;
  for (let number = 0; number < 100; number++) world.client().send(numbered(number));
  await world.simulation.run();

  // 100 frames of 16 bytes at 10 kB/s take 160 ms, with the headers of a segment or two some more.
  expect(world.arrivalsMs.at(-1)! - startMs).toBeGreaterThan(160);
  expect(world.arrivalsMs.at(-1)! - startMs).toBeLessThan(200);
});

test("a cut holds frames back; after healing they arrive, all and in order", async () => {
  const world = connected(3);
  await world.simulation.run({ untilMs: 10 });
  const cut = world.simulation.network.cut("n2", "n1");
  sendEachMs(world, 100);
  await world.simulation.run({ untilMs: 5000 });
  expect(world.received).toEqual([]);

  cut.heal();
  await world.simulation.run();

  expect(world.received).toEqual(FIRST_100);
  expect(world.closed).toEqual({ n1: [], n2: [] });
});

test("a one-way cut stops one direction only", async () => {
  const world = connected(4);
  await world.simulation.run({ untilMs: 10 });
  world.simulation.network.cut("n1", "n2");
  world.server().send(numbered(1));
  sendEachMs(world, 100);
  await world.simulation.run({ untilMs: 5000 });

  expect(world.received).toEqual(FIRST_100);
});

test("a sender gives up on a link that stays cut; the receiver notices nothing", async () => {
  const world = connected(5, {}, { giveUpMs: 3000 });
  await world.simulation.run({ untilMs: 10 });
  world.simulation.network.partition([["n1"], ["n2"]]);
  world.client().send(numbered(1));
  await world.simulation.run({ untilMs: 20_000 });

  expect(world.closed).toEqual({ n1: [], n2: ["reset"] });
  expect(world.simulation.result().faults).toEqual({ "network.give-up": 1 });
});

test("a reset tells both sides; a half-open connection only one, until the other sends", async () => {
  const reset = connected(6);
  await reset.simulation.run({ untilMs: 10 });
  expect(reset.simulation.network.resetConnections("n1", "n2")).toBe(1);
  await reset.simulation.run();
  expect(reset.closed).toEqual({ n1: ["reset"], n2: ["reset"] });

  const halfOpen = connected(7);
  await halfOpen.simulation.run({ untilMs: 10 });
  expect(halfOpen.simulation.network.halfOpen("n1", "n2")).toBe(1);
  await halfOpen.simulation.run({ untilMs: 60_000 });
  expect(halfOpen.closed).toEqual({ n1: ["reset"], n2: [] });
  halfOpen.client().send(numbered(1));
  await halfOpen.simulation.run();
  expect(halfOpen.closed).toEqual({ n1: ["reset"], n2: ["reset"] });
  expect(halfOpen.received).toEqual([]);
});

test("a connection that breaks loses a suffix, and never a frame before one that arrived", async () => {
  let lossyRuns = 0;
  for (let seed = 0; seed < 60; seed++) {
    const world = connected(seed, { resetProbability: 0.02, delayMeanMs: 3 });
    await world.simulation.run({ untilMs: 100 });
    sendEachMs(world, 100);
    await world.simulation.run();

    expect(world.received).toEqual(FIRST_100.slice(0, world.received.length));
    if (world.received.length === 100) continue;
    lossyRuns++;
    expect(world.closed).toEqual({ n1: ["reset"], n2: ["reset"] });
    expect(world.simulation.result().faults["network.reset"]).toBe(1);
  }

  expect(lossyRuns).toBeGreaterThan(20);
});

test("a faithless link drops, doubles, reorders or damages frames, as told, and counts it", async () => {
  const run = async (link: Partial<LinkSettings>): Promise<World> => {
    const world = connected(8);
    await world.simulation.run({ untilMs: 10 });
    world.simulation.network.override("n2", "n1", link);
    sendEachMs(world, 100);
    await world.simulation.run();
    return world;
  };
  const sorted = (world: World): number[] =>
    world.received.map((number) => number ?? -1).toSorted((a, b) => a - b);

  const dropping = await run({ dropProbability: 0.2 });
  const dropped = dropping.simulation.result().faults["network.drop"]!;
  expect(dropped).toBeGreaterThan(5);
  expect(dropping.received.length).toBe(100 - dropped);

  const doubling = await run({ duplicateProbability: 0.2 });
  const doubled = doubling.simulation.result().faults["network.duplicate"]!;
  expect(doubled).toBeGreaterThan(5);
  expect(doubling.received.length).toBe(100 + doubled);
  expect(new Set(doubling.received).size).toBe(100);

  const reordering = await run({ reorderProbability: 0.2 });
  expect(reordering.simulation.result().faults["network.reorder"]).toBeGreaterThan(5);
  expect(reordering.received).not.toEqual(FIRST_100);
  expect(sorted(reordering)).toEqual(FIRST_100);

  const damaging = await run({ corruptProbability: 0.2 });
  const damaged = damaging.simulation.result().faults["network.corrupt"]!;
  expect(damaged).toBeGreaterThan(5);
  expect(damaging.received.filter((number) => number === undefined).length).toBe(damaged);
});

/** Runs `ask` on n2, while n1 listens, and gives back the code of its error or "ok". */
async function attempt(
  prepare: (simulation: Simulation) => void,
  ask: (network: Network) => Promise<unknown>,
): Promise<string> {
  const simulation = new Simulation({ seed: 9 });
  let outcome = "pending";
  simulation.addHost("n1", {
    main: async ({ network }) => {
      const http = () => ({ status: 200 });
      await network.listen({ host: "n1", port: 1, connection: (c) => c.close(), http });
    },
  });
  simulation.addHost("n2", {
    main: async ({ network, clock }) => {
      await sleep(clock, 10);
      outcome = await ask(network).then(
        () => "ok",
        (error: unknown) => (isKvsError(error) ? error.code : String(error)),
      );
    },
  });
  simulation.after(5, () => prepare(simulation));
  await simulation.run({ untilMs: 30_000 });
  return outcome;
}

const connect = (network: Network): Promise<unknown> => network.connect("ws://n1:1/");
const request = (network: Network): Promise<unknown> => network.request("http://n1:1/");

test("an attempt fails by the code that fits what is wrong", async () => {
  for (const ask of [connect, request]) {
    const nothing = (): void => undefined;
    expect(await attempt(nothing, ask)).toBe("ok");
    expect(await attempt((s) => s.host("n1").kill(), ask)).toBe("NET_REFUSED");
    expect(await attempt((s) => s.network.refuse("n1"), ask)).toBe("NET_REFUSED");
    expect(await attempt((s) => s.host("n1").crash(), ask)).toBe("NET_TIMEOUT");
    expect(await attempt((s) => s.network.cut("n2", "n1"), ask)).toBe("NET_TIMEOUT");
    expect(await attempt((s) => s.network.cut("n1", "n2"), ask)).toBe("NET_TIMEOUT");
    expect(await attempt((s) => s.host("n1").pause(20_000), ask)).toBe("NET_TIMEOUT");
    // A short cut is bridged by sending again.
    const shortCut = (s: Simulation): void => s.network.healAfter(s.network.cut("n2", "n1"), 500);
    expect(await attempt(shortCut, ask)).toBe("ok");
  }
  const nothing = (): void => undefined;
  expect(await attempt(nothing, (n) => n.connect("ws://nobody:1/"))).toBe("NET_UNREACHABLE");
  expect(await attempt(nothing, (n) => n.connect("http://n1:1/"))).toBe("NET_UNREACHABLE");
  expect(await attempt(nothing, (n) => n.connect("wss://n1:1/"))).toBe("NET_TLS");
  expect(await attempt(nothing, (n) => n.request("https://n1:1/"))).toBe("NET_TLS");
  expect(await attempt(nothing, (n) => n.request("n1"))).toBe("NET_UNREACHABLE");
  expect(await attempt(nothing, (n) => n.connect("ws://localhost:1/"))).toBe("NET_REFUSED");
});

test("a server that dies before it answers leaves the outcome unknown", async () => {
  const simulation = new Simulation({ seed: 10 });
  const seen: unknown[] = [];
  const server = simulation.addHost("n1", {
    main: async ({ network, clock }) => {
      await network.listen({
        host: "n1",
        port: 1,
        connection: (connection) => connection.close(),
        http: async () => {
          await sleep(clock, 1000);
          return { status: 200 };
        },
      });
    },
  });
  simulation.addHost("n2", {
    main: async ({ network, clock }) => {
      await sleep(clock, 1);
      await request(network).catch((error: unknown) => seen.push(error));
    },
  });
  simulation.after(100, () => server.kill());
  await simulation.run();

  expect(seen).toEqual([
    expect.objectContaining({ code: "NET_UNREACHABLE", outcome: "unknown", retryable: true }),
  ]);
});

test("a frame belongs to the connection: what the sender does to it later may be seen", async () => {
  const world = connected(11);
  await world.simulation.run({ untilMs: 10 });
  const frame = numbered(5);
  world.client().send(frame);
  world.simulation.after(100, () => frame.fill(0));
  await world.simulation.run();

  expect(world.received).toEqual([5]);
});

test("everything a process had open is gone with it", async () => {
  const world = connected(12);
  await world.simulation.run({ untilMs: 10 });
  expect(world.simulation.network.openSides).toBe(2);

  world.simulation.host("n1").kill();
  await world.simulation.run();

  expect(world.simulation.network.openSides).toBe(0);
  expect(world.closed).toEqual({ n1: [], n2: ["reset"] });
});

test("without acknowledgements a sender stops at the window, and goes on when they come", async () => {
  const simulation = new Simulation({ seed: 13, knobs: { windowBytes: 1000 } });
  let received = 0;
  let client: Connection | undefined;
  simulation.addHost("n1", {
    main: async ({ network }) => {
      await network.listen({
        host: "n1",
        port: 1,
        connection: (connection) =>
          connection.start({ frame: () => void received++, closed: () => undefined }),
      });
    },
  });
  simulation.addHost("n2", {
    main: async ({ network, clock }) => {
      await sleep(clock, 1);
      client = await network.connect("ws://n1:1/");
      client.start({ frame: () => undefined, closed: () => undefined });
    },
  });
  await simulation.run({ untilMs: 10 });
  const cut = simulation.network.cut("n1", "n2");
  for (let sent = 0; sent < 100; sent++) client!.send(new Uint8Array(100));
  await simulation.run({ untilMs: 1000 });
  expect(received).toBe(10);
  expect(client!.bufferedBytes).toBe(9000);

  cut.heal();
  await simulation.run();

  expect(received).toBe(100);
});
