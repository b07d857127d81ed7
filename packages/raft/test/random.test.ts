import { forEachSeed } from "@kvs/sim";
import { expect, test } from "vitest";

import { RandomCluster } from "./random-cluster.ts";

/** Seeds of one run; more with `KVS_RAFT_SEEDS`. */
const seeds = Number(process.env["KVS_RAFT_SEEDS"] ?? 1000);

test("a cluster under random faults keeps all promises, and works again once healed", () => {
  let committed = 0;
  let reads = 0;
  let lateElections = 0;
  forEachSeed({ seeds, size: 600 }, ({ seed, size }) => {
    const cluster = new RandomCluster({ seed, steps: size });
    cluster.run();
    committed += cluster.committed;
    reads += cluster.reads;
    if (cluster.isElectedLate) lateElections++;
  });

  // The runs do something.
  expect(committed).toBeGreaterThan(seeds * 10);
  expect(reads).toBeGreaterThan(seeds * 2);
  // A leader within two election timeouts, but for votes that split twice.
  expect(lateElections).toBeLessThanOrEqual(Math.ceil(seeds / 200));
});
