/** A simulated cluster of real drivers: hosts with disks and clocks, a network, and judges. */
import { type Environment, isKvsError, sleep } from "@kvs/env";
import { type SimHost, Simulation, type SimulationOptions } from "@kvs/sim";

import {
  type ConfigurationInput,
  DiskSnapshotStore,
  findViolation,
  MultiRaft,
  NetworkTransport,
  type RaftNode,
  type RaftSettings,
} from "../src/index.ts";
import { WalLogStore } from "../src/wal/index.ts";
import { ListMachine, text } from "./counter.ts";

const PORT = 7000;
const CHECK_MS = 5;

export interface WorldOptions {
  readonly seed: number;
  readonly nodes: number;
  readonly founders?: ConfigurationInput;
  readonly mutants?: readonly string[];
  readonly settings?: Partial<RaftSettings>;
  readonly snapshotEntries?: number;
  readonly keptEntries?: number;
  readonly knobs?: SimulationOptions["knobs"];
}

/** One process of the cluster, while it lives. */
export interface Member {
  readonly id: number;
  readonly raft: MultiRaft;
  readonly node: RaftNode;
  readonly machine: ListMachine;
  readonly store: WalLogStore;
  readonly transport: NetworkTransport;
}

export class DriverWorld {
  readonly simulation: Simulation;
  readonly hosts: SimHost[] = [];
  /** By node id; absent while the process is down or starting. */
  readonly members: Map<number, Member> = new Map();
  /** Replicas that stopped by themselves, as text. */
  readonly failures: string[] = [];
  /** What was acknowledged, in no order. */
  readonly acked: Set<string> = new Set();
  readonly undecided: Set<string> = new Set();
  readonly violations: string[] = [];
  /** Reads that were answered. */
  reads = 0;
  readonly #options: WorldOptions;
  readonly #leaders: Map<number, number> = new Map();
  #longest: readonly string[] = [];

  constructor(options: WorldOptions) {
    this.#options = options;
    this.simulation = new Simulation({
      seed: options.seed,
      ...(options.mutants !== undefined && { mutants: options.mutants }),
      ...(options.knobs !== undefined && { knobs: options.knobs }),
    });
    for (let id = 1; id <= options.nodes; id++) {
      const host = this.simulation.addHost(`n${id}`, { main: (env) => this.#main(id, env) });
      this.hosts.push(host);
    }
  }

  /** The member that leads, as far as it and nobody newer says. */
  get leader(): Member | undefined {
    const leaders = [...this.members.values()].filter(({ node }) => node.role === "leader");
    return leaders.toSorted((a, b) => b.node.core.term - a.node.core.term)[0];
  }

  /** Lets time pass, and judges every few milliseconds. */
  async run(forMs: number): Promise<void> {
    const end = this.simulation.result().simulatedSeconds * 1000 + forMs;
    for (;;) {
      const now = this.simulation.result().simulatedSeconds * 1000;
      if (now >= end - 0.001) return;
      await this.simulation.run({ untilMs: Math.min(end, now + CHECK_MS) });
      this.check();
    }
  }

  /** The power of a host fails, or comes back. */
  crash(id: number): void {
    this.members.delete(id);
    if (this.host(id).isAlive) this.host(id).crash();
  }

  restart(id: number): void {
    if (!this.host(id).isAlive) this.host(id).restart();
  }

  host(id: number): SimHost {
    return this.hosts[id - 1]!;
  }

  /** Runs until something holds, or fails. */
  async runUntil(what: string, isReached: () => boolean, withinMs = 10_000): Promise<void> {
    for (let left = withinMs; left > 0; left -= 20) {
      if (isReached()) return;
      await this.run(20);
    }
    throw new Error(`not within ${withinMs} ms: ${what}\n${this.describe()}`);
  }

  describe(): string {
    const texts = [...this.members.values()].map(({ raft, machine }) => {
      return `${raft.self}: ${raft.describe()}\n  items ${machine.items.length}`;
    });
    return [...texts, ...this.failures].join("\n");
  }

  /** Proposes through whoever leads; notes what became of it. */
  propose(item: string, member: Member | undefined = this.leader): void {
    if (member === undefined) return;
    member.node.propose(text(item)).then(
      () => this.acked.add(item),
      (error: unknown) => {
        if (!isKvsError(error)) throw error;
        if (error.outcome !== "none") this.undecided.add(item);
        else this.#mustBeAbsent.add(item);
      },
    );
  }

  /** Reads on a member: it must see all that was acknowledged before. */
  read(member: Member): void {
    const expected = [...this.acked];
    member.node.readIndex().then(
      () => {
        const seen = new Set(member.machine.items);
        const missing = expected.find((item) => !seen.has(item));
        if (missing !== undefined)
          this.violations.push(`a read on n${member.id} misses ${missing}`);
        this.reads++;
      },
      (error: unknown) => {
        if (!isKvsError(error)) throw error;
      },
    );
  }

  /** Every replica's state is a prefix of the longest one; what was acknowledged is in it, once. */
  check(): void {
    for (const { machine, node, id } of this.members.values()) {
      const violation = findViolation(node.core.state);
      if (violation !== undefined) this.violations.push(`n${id}: ${violation}`);
      const { items } = machine;
      const isLonger = items.length > this.#longest.length;
      const [shorter, longer] = isLonger ? [this.#longest, items] : [items, this.#longest];
      for (let at = 0; at < shorter.length; at++) {
        if (shorter[at] === longer[at]) continue;
        this.violations.push(`n${id}: item ${at} is ${shorter[at]} here, ${longer[at]} elsewhere`);
        break;
      }
      if (isLonger) this.#longest = [...items];
      if (node.role !== "leader") continue;
      const known = this.#leaders.get(node.core.term);
      if (known !== undefined && known !== id) {
        this.violations.push(`term ${node.core.term} has two leaders, n${known} and n${id}`);
      }
      this.#leaders.set(node.core.term, id);
    }
  }

  /** At the end: all that was acknowledged is there, what was refused is not, nothing twice. */
  checkHistory(): void {
    this.check();
    const items = new Set(this.#longest);
    if (items.size !== this.#longest.length) this.violations.push("an item was applied twice");
    for (const item of this.acked) {
      if (!items.has(item)) this.violations.push(`${item} was acknowledged and is lost`);
    }
    for (const item of this.#mustBeAbsent) {
      if (items.has(item)) this.violations.push(`${item} was refused and is there`);
    }
  }

  readonly #mustBeAbsent: Set<string> = new Set();

  async #main(id: number, environment: Environment): Promise<void> {
    this.members.delete(id);
    await environment.disk.makeDirectory("data");
    await environment.disk.syncDirectory("");
    const store = await WalLogStore.open(environment, { path: "data/log", segmentBytes: 1 << 16 });
    const transport = await NetworkTransport.open(environment, {
      self: id,
      cluster: 7,
      host: `n${id}`,
      port: PORT,
      addressOf: (node) => `ws://n${node}:${PORT}/`,
    });
    const raft = new MultiRaft(environment, { self: id, transport });
    const machine = new ListMachine();
    const all = Array.from({ length: this.#options.nodes }, (_, at) => at + 1);
    const { founders = { incoming: all }, settings, snapshotEntries } = this.#options;
    const isFounder = [...founders.incoming, ...(founders.learners ?? [])].includes(id);
    const node = await raft.open({
      group: 1,
      log: await store.group(1, isFounder ? founders : undefined),
      machine,
      snapshots: new DiskSnapshotStore(environment, "data/image"),
      keptEntries: this.#options.keptEntries ?? 20,
      onFailure: (error) => {
        this.failures.push(`n${id} stopped: ${String(error)}`);
        this.members.delete(id);
      },
      ...(settings !== undefined && { settings }),
      ...(snapshotEntries !== undefined && { snapshotEntries }),
    });
    this.members.set(id, { id, raft, node, machine, store, transport });
    for (;;) await sleep(environment.clock, 1000);
  }
}
