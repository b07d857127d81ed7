import { type Environment, sleep } from "@kvs/env";
import {
  DiskSnapshotStore,
  MultiRaft,
  NetworkTransport,
  type RaftNode,
  type SnapshotStore,
} from "@kvs/raft";
import { WalLogStore } from "@kvs/raft/wal";
import { DurableMachine } from "./durable-machine.ts";
import { runClients } from "./raft-clients.ts";
import { type RaftFleet } from "./raft-fleet.ts";
import { newMemory } from "./raft-judge.ts";
import { runOperator } from "./raft-operator.ts";
import { type MachineWitness, RegisterMachine } from "./register-machine.ts";
import { WatchedLog } from "./watched-log.ts";
import { watchTransport } from "./watched-transport.ts";

const PORT = 7000;
const CLUSTER = 7;
const GROUP = 1;
/** Between two looks for space that nobody needs any more, in ticks. */
const PRUNE_TICKS = 40;
/** Proposals that are not decided within this many ticks are given up. */
const PROPOSAL_TICKS = 150;

/** What one process of a cluster does: opens its replica, serves its clients, and dies of an error. */
export async function runProcess(
  fleet: RaftFleet,
  number: number,
  environment: Environment,
): Promise<void> {
  const id = fleet.idOf(number);
  fleet.judge.members.delete(id);
  await environment.disk.makeDirectory("data");
  await environment.disk.syncDirectory("");
  const { segmentBytes, tickMs } = fleet.knobs;
  const store = await WalLogStore.open(environment, {
    path: "data/log",
    segmentBytes,
    readCacheBytes: 4096,
  });
  const transport = await NetworkTransport.open(environment, {
    self: id,
    cluster: CLUSTER,
    host: `n${number}`,
    port: PORT,
    addressOf: (node) => `ws://n${fleet.hostOf(node)}:${PORT}/`,
  });
  const watched = watchTransport(transport, (message) => fleet.judge.onSend(message));
  fleet.judge.onRecovered(id);
  const raft = new MultiRaft(environment, { self: id, transport: watched, tickMs });
  const failure = Promise.withResolvers<never>();
  const parts = { fleet, id, environment, store, raft, fail: failure.reject };
  const node = await openReplica(parts);
  void runPruner(environment, store, tickMs, failure.reject);
  runClients({ fleet, environment, node, machine: fleet.judge.members.get(id)?.machine });
  runOperator(fleet, environment, node);
  await failure.promise;
}

interface Parts {
  readonly fleet: RaftFleet;
  readonly id: number;
  readonly environment: Environment;
  readonly store: WalLogStore;
  readonly raft: MultiRaft;
  readonly fail: (error: unknown) => void;
}

async function openReplica(parts: Parts): Promise<RaftNode> {
  const { fleet, id, store, raft, fail } = parts;
  const { founders, settings, snapshotEntries, keptEntries } = fleet.knobs;
  const { judge } = fleet;
  const isFounder = [...founders.incoming, ...(founders.learners ?? [])].includes(id);
  const inner = await store.group(GROUP, isFounder ? founders : undefined);
  const known = fleet.knownOf(id);
  const missing = known.reopen(inner.image());
  if (missing !== undefined && !fleet.lost.has(id)) {
    judge.broke("what is synced survives", `n${id}: ${missing}`);
  }
  const log = new WatchedLog(inner, known, (write) => judge.onWrite(id, write));
  const machine = fleet.isWitness(id) ? undefined : await openMachine(parts);
  const snapshots = machine instanceof DurableMachine ? undefined : openImages(parts);
  const generation = fleet.host(fleet.hostOf(id)).generation;
  const isUp = (): boolean => {
    const host = fleet.host(fleet.hostOf(id));
    return host.isAlive && host.generation === generation && !isStopped;
  };
  let isStopped = false;
  const node = await raft.open({
    group: GROUP,
    log,
    settings,
    snapshotEntries,
    keptEntries,
    proposalTimeoutTicks: PROPOSAL_TICKS,
    shouldPromote: () => fleet.isChanging && fleet.knobs.canChangeMembers,
    onFailure: (error) => {
      isStopped = true;
      judge.members.delete(id);
      fail(error);
    },
    ...(machine !== undefined && { machine }),
    ...(snapshots !== undefined && { snapshots }),
    ...(fleet.observer !== undefined && { observer: fleet.observer }),
  });
  if (machine !== undefined) judge.onStart(id, node.appliedIndex);
  fleet.noteConfiguration({ id, node });
  const host = fleet.hostOf(id);
  judge.members.set(id, { id, host, isUp, node, machine, known, memory: newMemory() });
  return node;
}

function openMachine({ fleet, id, environment }: Parts): Promise<RegisterMachine> {
  const { judge, knobs } = fleet;
  const witness: MachineWitness = {
    applied: (entry) => judge.onApplied(id, entry),
    restored: (point, hash) => {
      judge.onRestored(id, point.index, hash);
      probeImage(fleet, id, "image-installed");
    },
    imaged: () => probeImage(fleet, id, "image-made"),
    durable: (index) => judge.onDurable(id, index),
  };
  if (knobs.machine === "memory") return Promise.resolve(new RegisterMachine(witness));
  return DurableMachine.open(environment, "data/state", witness);
}

function probeImage({ judge }: RaftFleet, id: number, name: string): void {
  const member = judge.members.get(id);
  if (member === undefined) return; // at a start
  judge.probe(name);
  if (member.node.configuration.outgoing.length > 0) judge.probe(`${name}-while-joint`);
}

/** Where images are kept; tells when one is durable. */
function openImages({ fleet, id, environment }: Parts): SnapshotStore {
  const inner = new DiskSnapshotStore(environment, "data/image");
  return {
    load: () => inner.load(),
    save: async (snapshot) => {
      await inner.save(snapshot);
      fleet.judge.onDurable(id, snapshot.point.index);
    },
  };
}

async function runPruner(
  { clock }: Environment,
  store: WalLogStore,
  tickMs: number,
  fail: (error: unknown) => void,
): Promise<void> {
  try {
    for (;;) {
      await sleep(clock, PRUNE_TICKS * tickMs);
      await store.prune();
    }
  } catch (error) {
    fail(error);
  }
}
