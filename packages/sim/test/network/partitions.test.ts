import { createRandom } from "@kvs/env";
import { expect, test } from "vitest";
import { type Cut, drawPartition, PARTITION_SHAPES } from "../../src/network/partitions.ts";
import { Simulation } from "../../src/simulation.ts";

const SEEDS = 20;

/** Whom each host still reaches both ways, itself included. */
function groupsOf(hosts: readonly string[], cuts: readonly Cut[]): Map<string, Set<string>> {
  const isCut = new Set(cuts.map(([from, to]) => `${from}>${to}`));
  const reach = (from: string, to: string): boolean => !isCut.has(`${from}>${to}`);
  return new Map(
    hosts.map((host) => [
      host,
      new Set(hosts.filter((other) => reach(host, other) && reach(other, host))),
    ]),
  );
}

function forEveryDraw(
  shape: (typeof PARTITION_SHAPES)[number],
  check: (hosts: string[], cuts: Cut[], groups: Map<string, Set<string>>) => void,
): void {
  for (let count = 2; count <= 7; count++) {
    const hosts = Array.from({ length: count }, (_, index) => `n${index}`);
    for (let seed = 0; seed < SEEDS; seed++) {
      const cuts = drawPartition(createRandom(seed), shape, hosts);
      check(hosts, cuts, groupsOf(hosts, cuts));
    }
  }
}

test("every shape cuts something, never a host from itself, nothing twice", () => {
  for (const shape of PARTITION_SHAPES) {
    forEveryDraw(shape, (hosts, cuts) => {
      expect(cuts.length).toBeGreaterThan(0);
      expect(new Set(cuts.map(String)).size).toBe(cuts.length);
      for (const [from, to] of cuts) {
        expect(from).not.toBe(to);
        expect(hosts).toContain(from);
        expect(hosts).toContain(to);
      }
    });
  }
});

test("isolate leaves one host alone and the others together", () => {
  forEveryDraw("isolate", (hosts, _cuts, groups) => {
    const sizes = [...groups.values()].map((group) => group.size).toSorted((a, b) => a - b);
    expect(sizes).toEqual([1, ...hosts.slice(1).map(() => hosts.length - 1)]);
  });
});

test("halves are two whole groups; of an odd count one is a majority", () => {
  forEveryDraw("halves", (hosts, _cuts, groups) => {
    const larger = Math.ceil(hosts.length / 2);
    for (const [host, group] of groups) {
      expect([larger, hosts.length - larger]).toContain(group.size);
      for (const other of group) expect(groups.get(other)).toEqual(groups.get(host));
    }
    expect(new Set([...groups.values()].map((group) => [...group].join())).size).toBe(2);
  });
});

test("on a majority ring everybody sees a majority, and no two the same", () => {
  forEveryDraw("majority-ring", (hosts, _cuts, groups) => {
    if (hosts.length < 4) return; // three or fewer cannot have distinct majorities
    const majority = Math.floor(hosts.length / 2) + 1;
    for (const group of groups.values()) expect(group.size).toBeGreaterThanOrEqual(majority);
    const distinct = new Set([...groups.values()].map((group) => [...group].toSorted().join()));
    expect(distinct.size).toBe(hosts.length);
  });
});

test("a bridge is one host that sees everybody, between two groups that do not", () => {
  forEveryDraw("bridge", (hosts, _cuts, groups) => {
    if (hosts.length < 3) return;
    const bridges = hosts.filter((host) => groups.get(host)!.size === hosts.length);
    expect(bridges.length).toBe(1);
  });
});

test("one-way cuts all directions to, or all from, a single host", () => {
  let deaf = 0;
  let mute = 0;
  forEveryDraw("one-way", (hosts, cuts) => {
    expect(cuts.length).toBe(hosts.length - 1);
    const senders = new Set(cuts.map(([from]) => from)).size;
    const receivers = new Set(cuts.map(([, to]) => to)).size;
    expect(Math.min(senders, receivers)).toBe(1);
    if (hosts.length > 2 && senders === 1) mute++;
    if (hosts.length > 2 && receivers === 1) deaf++;
  });

  expect(deaf).toBeGreaterThan(20);
  expect(mute).toBeGreaterThan(20);
});

test("a partition stops exactly the directions it says, and heals alone", () => {
  const simulation = new Simulation({ seed: 1 });
  const names = ["n1", "n2", "n3", "n4"];
  for (const name of names) simulation.addHost(name);
  const { network } = simulation;
  const reached = (): string[] =>
    names.flatMap((from) =>
      names.filter((to) => network.canReach(from, to)).map((to) => `${from}>${to}`),
    );
  const all = reached();

  const one = network.partition([["n1", "n2"], ["n3"]]);
  const other = network.cut("n1", "n3");
  expect(all.filter((link) => !reached().includes(link))).toEqual([
    "n1>n3",
    "n2>n3",
    "n3>n1",
    "n3>n2",
  ]);

  one.heal();
  one.heal();
  expect(all.filter((link) => !reached().includes(link))).toEqual(["n1>n3"]);
  other.heal();
  expect(reached()).toEqual(all);

  network.partition([["n1"], ["n2", "n3", "n4"]]);
  const late = network.clogHost("n4");
  network.heal();
  late.heal();
  expect(reached()).toEqual(all);
});
