import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { isKvsError, sleep } from "@kvs/env";
import { type RaftNode } from "@kvs/raft";
import { cpuMicrosOf } from "../cpu.ts";
import { RaftCluster } from "../raft/raft-cluster.ts";
import { type Sample } from "../sample.ts";
import { type RunContext, type Suite } from "../suite.ts";

const ENTRIES_FULL = 1_000_000;
const PAYLOAD_BYTES = 16;
const IN_FLIGHT = 512;
const GROUPS = 1000;
const NODES = 3;
/** So soon is a group at rest, and so long is it watched. */
const QUIET_TICKS = 20;
const IDLE_MS = 3000;

/** What Raft costs by itself: three nodes in this process, whose state is a counter. */
export const raftSuite: Suite = {
  name: "raft",
  description: "Raft: entries per second, idle groups, changes of leaders",
  measures: [
    {
      id: "raft.memory-entries-per-s",
      unit: "1/s",
      run: (context) => replicate(context, {}),
    },
    {
      id: "raft.cpu-micros-per-entry",
      unit: "µs",
      better: "less",
      run: async (context) => {
        const { cpuMicrosPerOp } = await replicate(context, {});
        return { value: cpuMicrosPerOp! };
      },
    },
    {
      id: "raft.wal-entries-per-s",
      unit: "1/s",
      run: (context) => inFolder(context, (folder) => replicate(context, { folder })),
    },
    {
      id: "raft.idle-group-bytes",
      unit: "B",
      better: "less",
      run: (context) => measureIdleBytes(context.operations(GROUPS)),
    },
    {
      id: "raft.idle-cpu-percent",
      unit: "%",
      better: "less",
      run: (context) => measureIdleCpu(context),
    },
    {
      id: "raft.leader-change-ms",
      unit: "ms",
      better: "less",
      run: (context) => inFolder(context, (folder) => changeLeaders(context, folder)),
    },
  ],
};

async function inFolder(
  { folder }: RunContext,
  body: (folder: string) => Promise<Sample>,
): Promise<Sample> {
  const own = mkdtempSync(join(folder, "raft-"));
  try {
    return await body(own);
  } finally {
    rmSync(own, { recursive: true, force: true });
  }
}

/** Proposes single entries to one group, a fixed number at a time, each when another one is applied. */
async function replicate(
  context: RunContext,
  options: { readonly folder?: string },
): Promise<Sample> {
  const count = context.operations(ENTRIES_FULL);
  const cluster = await RaftCluster.open({ groups: 1, ...options });
  try {
    const leader = cluster.leader(0);
    await propose(leader, IN_FLIGHT);
    const cpuBefore = cpuMicrosOf();
    const startMs = performance.now();
    await propose(leader, count);
    const elapsedMs = performance.now() - startMs;
    const cpuMicrosPerOp = (cpuMicrosOf() - cpuBefore) / count;
    await cluster.until(() =>
      cluster.members.every(({ machines }) => machines[0]!.count === count + IN_FLIGHT),
    );
    return { value: (count / elapsedMs) * 1000, cpuMicrosPerOp };
  } finally {
    await cluster.close();
  }
}

/** Resolves once `count` entries are applied on the leader. */
function propose(leader: RaftNode, count: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let proposed = 0;
    let done = 0;
    const next = (): void => {
      if (proposed === count) return;
      proposed++;
      const payload = new Uint8Array(PAYLOAD_BYTES);
      payload[0] = proposed;
      leader.propose(payload).then(onDone, reject);
    };
    const onDone = (): void => {
      done++;
      if (done === count) resolve();
      else next();
    };
    for (let at = 0; at < IN_FLIGHT; at++) next();
  });
}

/** What a replica of a group at rest weighs: a third of what a group does on three nodes. */
async function measureIdleBytes(groups: number): Promise<Sample> {
  const few = await bytesOfIdle(1);
  const many = await bytesOfIdle(groups + 1);
  return { value: (many - few) / (groups * NODES) };
}

async function bytesOfIdle(groups: number): Promise<number> {
  const cluster = await openQuiet(groups);
  for (let round = 0; round < 3; round++) {
    globalThis.gc?.();
    await sleep(cluster.environment.clock, 10);
  }
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  await cluster.close();
  return heapUsed + arrayBuffers;
}

async function measureIdleCpu(context: RunContext): Promise<Sample> {
  const cluster = await openQuiet(context.operations(GROUPS));
  const watchedMs = context.operations(IDLE_MS);
  const cpuBefore = cpuMicrosOf();
  await sleep(cluster.environment.clock, watchedMs);
  const cpuMicros = cpuMicrosOf() - cpuBefore;
  await cluster.close();
  return { value: cpuMicros / 1000 / (watchedMs / 100) };
}

/** A cluster of groups that have nothing to do any more. */
async function openQuiet(groups: number, folder?: string): Promise<RaftCluster> {
  const cluster = await RaftCluster.open({
    groups,
    settings: { quietAfterTicks: QUIET_TICKS },
    ...(folder !== undefined && { folder }),
  });
  const all = cluster.members.flatMap(({ nodes }) => nodes);
  await cluster.until(() => all.every(({ isQuiet }) => isQuiet));
  return cluster;
}

/** A node that leads a third of all groups ends, as when its process dies: its connections break. */
async function changeLeaders(context: RunContext, folder: string): Promise<Sample> {
  const groups = context.operations(GROUPS);
  const cluster = await openQuiet(groups, folder);
  for (let group = 0; group < groups; group++) {
    const wanted = (group % NODES) + 1;
    await cluster.until(() => cluster.isLed(cluster.members));
    if (cluster.leader(group).leader === wanted) continue;
    await moveLeader(cluster, group, wanted);
  }
  const [lost, ...rest] = cluster.members;
  const startMs = performance.now();
  await lost!.raft.close();
  await cluster.until(() => cluster.isLed(rest));
  const elapsedMs = performance.now() - startMs;
  await cluster.close();
  return { value: elapsedMs };
}

async function moveLeader(cluster: RaftCluster, group: number, wanted: number): Promise<void> {
  try {
    await cluster.leader(group).transferLeadership(wanted);
  } catch (error) {
    if (!isKvsError(error, "RAFT_TRANSFER_FAILED")) throw error;
  }
}
