import { type Environment, sleep } from "@kvs/env";
import { createNodeEnvironment } from "@kvs/node";
import {
  type GroupLog,
  InProcessHub,
  MemoryLogStore,
  MemorySnapshotStore,
  MultiRaft,
  type RaftNode,
  type RaftSettings,
} from "@kvs/raft";
import { WalLogStore } from "@kvs/raft/wal";
import { CountingMachine } from "./counting-machine.ts";

const SELVES = [1, 2, 3] as const;
const FOUNDERS = { incoming: [...SELVES] };
const POLL_MS = 1;
/** More means that something hangs. */
const PATIENCE_MS = 60_000;

export interface ClusterOptions {
  readonly groups: number;
  /** Where logs are kept on disk. Absent: in memory. */
  readonly folder?: string;
  readonly settings?: Partial<RaftSettings>;
}

/** One of the three nodes. */
export interface Member {
  readonly self: number;
  readonly raft: MultiRaft;
  readonly store: WalLogStore | undefined;
  /** Of each group, in the order of their ids. */
  readonly nodes: RaftNode[];
  readonly machines: CountingMachine[];
}

/** Three nodes in this process, connected without sockets, with the real clock and disk. */
export class RaftCluster {
  readonly environment: Environment;
  readonly members: Member[] = [];
  readonly #options: ClusterOptions;

  private constructor(environment: Environment, options: ClusterOptions) {
    this.environment = environment;
    this.#options = options;
  }

  /** Opens the cluster and waits until every group has a leader that everybody knows. */
  static async open(options: ClusterOptions): Promise<RaftCluster> {
    const environment = createNodeEnvironment({ root: options.folder ?? "." });
    const cluster = new RaftCluster(environment, options);
    const hub = new InProcessHub();
    for (const self of SELVES) cluster.members.push(await cluster.#openMember(self, hub));
    await cluster.until(() => cluster.isLed(cluster.members));
    return cluster;
  }

  /** The replica that leads a group. */
  leader(group: number): RaftNode {
    const found = this.members.map(({ nodes }) => nodes[group]!).find(isLeader);
    if (found === undefined) throw new Error(`group ${group} has no leader`);
    return found;
  }

  /** Whether each group has a leader among these, which all of these follow. */
  isLed(members: readonly Member[]): boolean {
    for (let group = 0; group < this.#options.groups; group++) {
      const nodes = members.map((member) => member.nodes[group]!);
      const leader = nodes.find(isLeader)?.leader;
      if (leader === undefined || nodes.some((node) => node.leader !== leader)) return false;
    }
    return true;
  }

  /** Waits until something holds; looks every millisecond. */
  async until(isReached: () => boolean): Promise<void> {
    const end = performance.now() + PATIENCE_MS;
    while (!isReached()) {
      if (performance.now() > end) throw new Error(this.members[0]!.raft.describe());
      await sleep(this.environment.clock, POLL_MS);
    }
  }

  async close(): Promise<void> {
    for (const { raft, store } of this.members) {
      await raft.close();
      await store?.close();
    }
  }

  async #openMember(self: number, hub: InProcessHub): Promise<Member> {
    const { environment } = this;
    const { groups, folder, settings } = this.#options;
    const raft = new MultiRaft(environment, { self, transport: hub.transport(environment, self) });
    const path = `raft-${self}`;
    const store = folder === undefined ? undefined : await WalLogStore.open(environment, { path });
    const member: Member = { self, raft, store, nodes: [], machines: [] };
    const logs = Array.from({ length: groups }, (_, at): Promise<GroupLog> => {
      if (store === undefined) return Promise.resolve(new MemoryLogStore(FOUNDERS));
      return store.group(at + 1, FOUNDERS);
    });
    for (const [at, log] of (await Promise.all(logs)).entries()) {
      const machine = new CountingMachine();
      const node = await raft.open({
        group: at + 1,
        log,
        machine,
        snapshots: new MemorySnapshotStore(),
        ...(settings !== undefined && { settings }),
      });
      member.nodes.push(node);
      member.machines.push(machine);
    }
    return member;
  }
}

function isLeader({ role }: RaftNode): boolean {
  return role === "leader";
}
