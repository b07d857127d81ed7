import { createRandom } from "@kvs/env";
import { expect, test } from "vitest";
import { SimHooks } from "../src/sim-hooks.ts";
import { Simulation } from "../src/simulation.ts";

function hooksOf(seed: number, buggify = true): SimHooks {
  return new SimHooks({ random: createRandom(seed), buggify, mutants: ["wal.no-sync"] });
}

test("a site is on in a quarter of the runs, and then fires a quarter of the time", () => {
  let active = 0;
  let fired = 0;
  for (let seed = 0; seed < 1000; seed++) {
    const hooks = hooksOf(seed);
    for (let asked = 0; asked < 100; asked++) if (hooks.buggify("wal.rotate-early")) fired++;
    const report = hooks.sites()["wal.rotate-early"]!;
    expect(report.askedCount).toBe(100);
    if (report.isActive) active++;
    else expect(report.firedCount).toBe(0);
  }

  expect(active / 1000).toBeGreaterThan(0.2);
  expect(active / 1000).toBeLessThan(0.3);
  expect(fired / (100 * active)).toBeGreaterThan(0.22);
  expect(fired / (100 * active)).toBeLessThan(0.28);
});

test("what one site answers does not depend on the others", () => {
  for (let seed = 0; seed < 50; seed++) {
    const alone = hooksOf(seed);
    const together = hooksOf(seed);
    for (let asked = 0; asked < 50; asked++) {
      together.buggify("another");
      expect(together.buggify("site")).toBe(alone.buggify("site"));
    }
  }
});

test("switched off, no site fires, yet all are listed", () => {
  for (let seed = 0; seed < 50; seed++) {
    const hooks = hooksOf(seed, false);
    for (const site of ["b", "a", "c"]) expect(hooks.buggify(site)).toBe(false);

    expect(Object.keys(hooks.sites())).toEqual(["a", "b", "c"]);
  }
});

test("probes and mutants reach the hosts and the result", async () => {
  const simulation = new Simulation({ seed: 1, mutants: ["wal.no-sync"] });
  const mutants: boolean[] = [];
  const main = ({ hooks }: { readonly hooks: Simulation["hooks"] }): void => {
    mutants.push(hooks.hasMutant("wal.no-sync"), hooks.hasMutant("other"));
    hooks.probe("torn tail repaired");
    hooks.buggify("site");
  };
  for (const name of ["n1", "n2"]) {
    simulation.addHost(name, { main: ({ hooks }) => main({ hooks: hooks as SimHooks }) });
  }

  await simulation.run();

  expect(mutants).toEqual([true, false, true, false]);
  expect(simulation.result().probes).toEqual({ "torn tail repaired": 2 });
  expect(simulation.result().buggifySites["site"]?.askedCount).toBe(2);
});
