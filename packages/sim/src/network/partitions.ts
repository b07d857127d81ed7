import { assert, type Random, shuffle, unreachable } from "@kvs/env";

/** One direction that no longer carries anything. */
export type Cut = readonly [from: string, to: string];

/** The shapes a broken network takes. */
export const PARTITION_SHAPES = [
  "isolate",
  "halves",
  "majority-ring",
  "bridge",
  "one-way",
  "random",
] as const;

export type PartitionShape = (typeof PARTITION_SHAPES)[number];

/**
 * Draws a partition of `hosts` as the directions to cut. Pure but for the draws.
 *
 * - `isolate`: one host loses all others, both ways.
 * - `halves`: two groups that cannot reach each other; for an odd count one is a majority.
 * - `majority-ring`: each host sees a majority, and no two see the same one. Needs 3 hosts; for 3
 *   and 4 it is a line or a square.
 * - `bridge`: two groups that share one host. Two hosts have no bridge: they are parted.
 * - `one-way`: one host still sends and no longer receives, or the other way round.
 * - `random`: each direction is cut with the same chance, and at least one is.
 *
 * Source: Jepsen's nemesis (bridge, majorities ring); Alquraan et al., "An Analysis of
 * Network-Partitioning Failures in Cloud Systems" (OSDI 2018).
 *
 * @param hosts At least 2, without repetitions.
 */
export function drawPartition(
  random: Random,
  shape: PartitionShape,
  hosts: readonly string[],
): Cut[] {
  assert(hosts.length >= 2, "a partition needs two hosts");
  const order = shuffle(random, [...hosts]);
  switch (shape) {
    case "isolate":
      return cutsBetween([order.slice(0, 1), order.slice(1)]);
    case "halves": {
      const middle = Math.ceil(order.length / 2);
      return cutsBetween([order.slice(0, middle), order.slice(middle)]);
    }
    case "majority-ring":
      return majorityRing(order);
    case "bridge": {
      const middle = Math.floor(order.length / 2);
      const rest = order.length === 2 ? middle : middle + 1;
      return cutsBetween([order.slice(0, middle), order.slice(rest)]);
    }
    case "one-way":
      return oneWay(order, random.chance(0.5));
    case "random":
      return randomCuts(random, order);
    default:
      return unreachable(shape, "shape of a partition");
  }
}

/** All directions between hosts of different groups. */
export function cutsBetween(groups: readonly (readonly string[])[]): Cut[] {
  const cuts: Cut[] = [];
  for (const group of groups) {
    for (const other of groups) {
      if (group === other) continue;
      for (const from of group) for (const to of other) cuts.push([from, to]);
    }
  }
  return cuts;
}

/** On a ring, each host keeps the neighbours that make a majority with it, half on each side. */
function majorityRing(ring: readonly string[]): Cut[] {
  const count = ring.length;
  const majority = Math.floor(count / 2) + 1;
  const reach = Math.ceil((majority - 1) / 2);
  const cuts: Cut[] = [];
  for (let from = 0; from < count; from++) {
    for (let to = 0; to < count; to++) {
      const distance = Math.min((from - to + count) % count, (to - from + count) % count);
      if (distance > reach) cuts.push([ring[from]!, ring[to]!]);
    }
  }
  // On a ring of three everybody is a neighbour: open it, so that the ends see only the middle.
  if (cuts.length === 0) cuts.push([ring[0]!, ring.at(-1)!], [ring.at(-1)!, ring[0]!]);
  return cuts;
}

function oneWay(order: readonly string[], isDeaf: boolean): Cut[] {
  const [victim, ...others] = order;
  return others.map((other): Cut => (isDeaf ? [other, victim!] : [victim!, other]));
}

function randomCuts(random: Random, order: readonly string[]): Cut[] {
  const probability = 0.1 + 0.8 * random.nextFloat();
  const cuts: Cut[] = [];
  for (const from of order) {
    for (const to of order) {
      if (from !== to && random.chance(probability)) cuts.push([from, to]);
    }
  }
  if (cuts.length === 0) cuts.push([order[0]!, order[1]!]);
  return cuts;
}
