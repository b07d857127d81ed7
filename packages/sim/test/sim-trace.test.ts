import { type TraceLevel } from "@kvs/env";
import { expect, test } from "vitest";
import { type TraceLine } from "../src/sim-trace.ts";
import { Simulation } from "../src/simulation.ts";

async function run(message: string, traceLevel: TraceLevel = "debug", value = 1) {
  const lines: TraceLine[] = [];
  const simulation = new Simulation({
    seed: 1,
    knobs: { traceLevel },
    onTrace: (line) => lines.push(line),
  });
  const host = simulation.addHost("n1", {
    main: ({ clock, trace }) => {
      clock.schedule(5, () => {
        expect(trace.isEnabled("info")).toBe(true);
        trace.event("info", "test.part", message, { value });
        trace.event("trace", "test.part", "detail");
        host.kill();
        trace.event("info", "test.part", "after death");
      });
    },
  });
  await simulation.run();
  return { lines, hash: simulation.result().hash };
}

test("a host's trace says who spoke and when, down to its level, until its death", async () => {
  const { lines } = await run("said");

  expect(lines).toEqual([
    {
      atMicros: expect.any(Number) as number,
      host: "n1",
      generation: 1,
      level: "info",
      component: "test.part",
      message: "said",
      fields: { value: 1 },
    },
  ]);
  expect(Math.floor(lines[0]!.atMicros / 1000)).toBe(5);
  expect((await run("said", "trace")).lines.length).toBe(2);
});

test("what is said is part of the hash", async () => {
  const { hash } = await run("said");

  expect((await run("said")).hash).toBe(hash);
  expect((await run("told")).hash).not.toBe(hash);
  expect((await run("said", "debug", 2)).hash).not.toBe(hash);
  expect((await run("said", "trace")).hash).not.toBe(hash);
});
