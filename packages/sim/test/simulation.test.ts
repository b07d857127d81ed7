import { assert, type HttpResponse, isKvsError, sleep } from "@kvs/env";
import { expect, test } from "vitest";
import { Simulation } from "../src/simulation.ts";
import { pingPong } from "./ping-pong.ts";

test("frames travel between hosts, and the run ends when nothing is left to happen", async () => {
  const { simulation, answers } = pingPong({ seed: 1 }, 5);

  expect(await simulation.run()).toBe("idle");
  expect(answers.length).toBe(5);
  expect(answers[0]).toBe("1,2,3");
});

test("one seed gives one run, and another seed another", async () => {
  const hashes: string[] = [];
  for (const seed of [1, 1, 2, 2 ** 40, 2 ** 40]) {
    const { simulation } = pingPong({ seed }, 100);
    await simulation.run();
    hashes.push(simulation.result().hash);
  }

  expect(hashes[0]).toBe(hashes[1]);
  expect(hashes[3]).toBe(hashes[4]);
  expect(new Set(hashes).size).toBe(3);
});

test("a run stops at its time, at its condition, and goes on from there", async () => {
  const simulation = new Simulation({ seed: 3 });
  const seen: number[] = [];
  simulation.addHost("n1", {
    main: async ({ clock }) => {
      for (;;) {
        await sleep(clock, 10);
        seen.push(seen.length);
      }
    },
  });

  expect(await simulation.run({ untilMs: 45 })).toBe("time");
  expect(simulation.nowMicros).toBe(45_000);
  expect(seen.length).toBe(4);
  expect(await simulation.run({ until: () => seen.length === 7 })).toBe("until");
  expect(seen.length).toBe(7);
});

test("a run without end is reported, not endured", async () => {
  const simulation = new Simulation({ seed: 4 });
  simulation.addHost("n1", {
    main: ({ clock }) => {
      const again = (): void => void clock.schedule(0, again);
      again();
    },
  });

  const error = await simulation.run({ maxEvents: 1000 }).catch((thrown: unknown) => thrown);

  expect(isKvsError(error, "SIM_TOO_MANY_EVENTS")).toBe(true);
});

test("what a host's code throws ends the run, or only the host", async () => {
  for (const verdict of ["fail", "kill"] as const) {
    const simulation = new Simulation({ seed: 5, onHostFailure: () => verdict });
    const host = simulation.addHost("n1", {
      main: ({ clock }) => void clock.schedule(1, () => assert(false, "this always holds")),
    });

    const end = await simulation.run().catch((thrown: unknown) => String(thrown));

    expect(end).toBe(verdict === "fail" ? "AssertionFailure: this always holds" : "idle");
    expect(host.isAlive).toBe(verdict === "fail");
  }
});

test("a rejected main is a failure of its host", async () => {
  const simulation = new Simulation({ seed: 6 });
  simulation.addHost("n1", { main: () => Promise.reject(new Error("no configuration")) });

  await expect(simulation.run()).rejects.toThrow("no configuration");
});

test("the hash tells apart what hosts put into disks and HTTP bodies", async () => {
  const run = async (path: string, body: number): Promise<string> => {
    const simulation = new Simulation({ seed: 7 });
    simulation.addHost("n1", {
      main: async ({ network }) => {
        const http = (): HttpResponse => ({ status: 200, body: new Uint8Array([body]) });
        await network.listen({ host: "n1", port: 1, connection: (c) => c.close(), http });
      },
    });
    simulation.addHost("n2", {
      main: async ({ disk, network, clock }) => {
        await disk.open(path, { create: true });
        await sleep(clock, 10);
        await network.request("http://n1:1/");
      },
    });
    await simulation.run();
    return simulation.result().hash;
  };

  const hashes = [await run("a", 1), await run("a", 1), await run("b", 1), await run("a", 2)];

  expect(hashes[1]).toBe(hashes[0]);
  expect(new Set(hashes).size).toBe(3);
});
