import { type Connection, createRandom, sleep, writeFullyAt } from "@kvs/env";
import { expect, test } from "vitest";
import { SimStorage } from "../src/disk/sim-storage.ts";
import { Simulation } from "../src/simulation.ts";
import { serveEcho } from "./ping-pong.ts";

test("after a kill nothing of the process runs, and nothing it waits for settles", async () => {
  const simulation = new Simulation({ seed: 1 });
  const log: string[] = [];
  const host = simulation.addHost("n1", {
    main: async ({ clock }) => {
      clock.schedule(20, () => log.push("timer"));
      clock.defer(() => log.push("defer"));
      await sleep(clock, 20);
      log.push("slept");
    },
  });
  simulation.after(10, () => host.kill());

  await simulation.run();

  expect(log).toEqual(["defer"]);
  expect(host.isAlive).toBe(false);
});

test("calls through a dead environment never settle and have no effect", async () => {
  const simulation = new Simulation({ seed: 2 });
  const host = simulation.addHost("n1");
  const { clock, disk, network } = host.environment;
  host.kill();
  const settled: string[] = [];
  const note = (what: string) => (): void => void settled.push(what);

  void disk.open("a", { create: true }).then(note("open"), note("open"));
  void network.connect("ws://n1:1").then(note("connect"), note("connect"));
  void network.listen({ host: "n1", port: 1, connection: note("listen") }).then(note("listen"));
  void network.request("http://n1:1/").then(note("request"), note("request"));
  clock.schedule(1, note("timer")).cancel();
  clock.schedule(1, note("timer"));
  clock.defer(note("defer"));
  await simulation.run({ untilMs: 60_000 });

  expect(settled).toEqual([]);
  expect(host.storage.files()).toEqual([]);
});

test("a restart runs main again, with a new environment on the same disk", async () => {
  const simulation = new Simulation({ seed: 3 });
  const sizes: (number | undefined)[] = [];
  const host = simulation.addHost("n1", {
    main: async ({ disk }) => {
      sizes.push((await disk.stat("log"))?.sizeBytes);
      const file = await disk.open("log", { create: true });
      await writeFullyAt(file, new Uint8Array(10), await file.size());
    },
  });
  const first = host.environment;
  simulation.after(10, () => host.restart());
  simulation.after(20, () => host.restart());

  await simulation.run();

  expect(sizes).toEqual([undefined, 10, 20]);
  expect(host.environment).not.toBe(first);
  expect(host.generation).toBe(3);
});

test("a power cut takes what was not synced, in the worst case", async () => {
  const simulation = new Simulation({ seed: 4 });
  const sizes: (number | undefined)[] = [];
  const host = simulation.addHost("n1", {
    main: async ({ disk }) => {
      sizes.push((await disk.stat("log"))?.sizeBytes);
      const file = await disk.open("log", { create: true });
      await file.writeDurableAt(new Uint8Array(10), 0);
      await disk.syncDirectory("");
      await file.writeAt(new Uint8Array(10), 10);
    },
  });
  simulation.after(10, () => {
    host.crash("worst-case");
    host.restart();
  });

  await simulation.run();

  expect(sizes).toEqual([undefined, 10]);
});

test("peers of a killed process see a reset; peers of a dark host see nothing", async () => {
  for (const end of ["kill", "crash"] as const) {
    const simulation = new Simulation({ seed: 5 });
    const seen: string[] = [];
    const server = simulation.addHost("n1", { main: (environment) => serveEcho(environment) });
    simulation.addHost("n2", {
      main: async ({ network, clock }) => {
        await sleep(clock, 1);
        const connection = await network.connect("ws://n1:5000/");
        connection.start({ frame: () => seen.push("frame"), closed: (why) => seen.push(why) });
        connection.send(new Uint8Array(1));
        await sleep(clock, 1000);
        connection.send(new Uint8Array(1));
      },
    });
    simulation.after(500, () => (end === "kill" ? server.kill() : server.crash()));

    await simulation.run({ untilMs: 30_000 });

    expect(seen).toEqual(end === "kill" ? ["frame", "reset"] : ["frame"]);
  }
});

test("a rebooted host resets the connections it has forgotten", async () => {
  const simulation = new Simulation({ seed: 6 });
  const seen: string[] = [];
  const server = simulation.addHost("n1", { main: (environment) => serveEcho(environment) });
  simulation.addHost("n2", {
    main: async ({ network, clock }) => {
      await sleep(clock, 1);
      const connection = await network.connect("ws://n1:5000/");
      connection.start({ frame: () => seen.push("frame"), closed: (why) => seen.push(why) });
      await sleep(clock, 1000);
      connection.send(new Uint8Array(1));
    },
  });
  simulation.after(500, () => server.crash());
  simulation.after(5000, () => server.restart());

  await simulation.run({ untilMs: 4999 });
  expect(seen).toEqual([]);
  await simulation.run({ untilMs: 30_000 });
  expect(seen).toEqual(["reset"]);
});

test("a paused host runs nothing, and wakes in the order it was told", async () => {
  for (const first of ["timers", "input"] as const) {
    const simulation = new Simulation({ seed: 7 });
    const log: string[] = [];
    let atMs = 0;
    const host = simulation.addHost("n1", {
      main: async ({ clock, network }) => {
        await network.listen({
          host: "n1",
          port: 1,
          connection: (connection) =>
            connection.start({ frame: () => log.push("input"), closed: () => undefined }),
        });
        clock.schedule(50, () => {
          log.push("timer");
          atMs = simulation.nowMicros / 1000;
        });
      },
    });
    simulation.addHost("n2", {
      main: async ({ clock, network }) => {
        await sleep(clock, 1);
        const connection = await network.connect("ws://n1:1/");
        connection.start({ frame: () => undefined, closed: () => undefined });
        await sleep(clock, 50);
        connection.send(new Uint8Array(1));
      },
    });
    simulation.after(20, () => host.pause(1000, { first }));

    await simulation.run();

    expect(log).toEqual(first === "timers" ? ["timer", "input"] : ["input", "timer"]);
    expect(atMs).toBe(1020);
  }
});

test("a pause that stops the clock shifts every timer", async () => {
  for (const clockMode of ["runs", "stops"] as const) {
    const simulation = new Simulation({ seed: 8 });
    let firedAtMs = 0;
    const host = simulation.addHost("n1", {
      main: ({ clock }) =>
        void clock.schedule(100, () => {
          firedAtMs = simulation.nowMicros / 1000;
        }),
    });
    simulation.after(50, () => host.pause(1000, { clock: clockMode }));

    await simulation.run();

    const expectedMs = clockMode === "runs" ? 1050 : 1100;
    expect(Math.round(firedAtMs)).toBe(expectedMs);
  }
});

test("a kill ends a pause, and what was held is never run", async () => {
  const simulation = new Simulation({ seed: 9 });
  const log: string[] = [];
  const host = simulation.addHost("n1", {
    main: ({ clock }) => void clock.schedule(20, () => log.push("timer")),
  });
  simulation.after(10, () => host.pause(100));
  simulation.after(30, () => host.kill());

  await simulation.run();

  expect(log).toEqual([]);
  expect(host.isPaused).toBe(false);
});

test("a connection keeps its frames while its host sleeps, within the window", async () => {
  const simulation = new Simulation({ seed: 10, knobs: { windowBytes: 1000 } });
  let sender: Connection | undefined;
  let received = 0;
  const host = simulation.addHost("n1", {
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
    main: async ({ clock, network }) => {
      await sleep(clock, 1);
      sender = await network.connect("ws://n1:1/");
      sender.start({ frame: () => undefined, closed: () => undefined });
      await sleep(clock, 100);
      for (let sent = 0; sent < 100; sent++) sender.send(new Uint8Array(100));
    },
  });
  simulation.after(50, () => host.pause(1000));

  await simulation.run({ untilMs: 1000 });
  expect(received).toBe(0);
  expect(sender?.bufferedBytes).toBe(9000);
  await simulation.run();
  expect(received).toBe(100);
  expect(sender?.bufferedBytes).toBe(0);
});

test("a host gets another disk only while it is down: wiped, or as it once was", async () => {
  const simulation = new Simulation({ seed: 11 });
  const sizes: (number | undefined)[] = [];
  const host = simulation.addHost("n1", {
    main: async ({ disk }) => {
      sizes.push((await disk.stat("log"))?.sizeBytes);
      const file = await disk.open("log", { create: true });
      await writeFullyAt(file, new Uint8Array(10), await file.size());
    },
  });
  await simulation.run();
  const earlier = host.storage.clone();
  expect(() => host.replaceStorage(earlier)).toThrow("no process uses it");
  host.restart();
  await simulation.run();

  host.kill();
  host.replaceStorage(earlier);
  host.restart();
  await simulation.run();
  host.kill();
  host.replaceStorage(new SimStorage({ random: createRandom(1) }));
  host.restart();
  await simulation.run();

  expect(sizes).toEqual([undefined, 10, 10, undefined]);
});
