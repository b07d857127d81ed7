/**
 * The hosts of a cluster, and which node lives on which. A host whose disk was lost comes back as another
 * node: ids are `host + 1000 × lives of its disk before`.
 */
import { assert, type Environment, isKvsError } from "@kvs/env";
import { type Configuration, type RaftNode, type RaftObserver } from "@kvs/raft";
import { type SimHost, SimStorage, type Simulation } from "@kvs/sim";
import { KnownLog } from "./known-log.ts";
import { type RaftHistory } from "./raft-history.ts";
import { type Member, type RaftJudge } from "./raft-judge.ts";
import { type RaftKnobs } from "./raft-knobs.ts";
import { runProcess } from "./raft-process.ts";

const IDS_PER_LIFE = 1000;
/** A process that died of an error is started again after this long. */
const SUPERVISOR_MS = 500;

/** Codes with which a log that was damaged at rest refuses to be opened. */
const DAMAGED_CODES = ["RAFT_LOG_DAMAGED", "WAL_DAMAGED", "WAL_NOT_AUTHENTIC"] as const;

export class RaftFleet {
  readonly knobs: RaftKnobs;
  readonly simulation: Simulation;
  readonly judge: RaftJudge;
  readonly history: RaftHistory;
  readonly observer: RaftObserver | undefined;
  /** Whether clients and operators are at work. */
  isBusy = true;
  /** Whether members change, and leaders hand over. */
  isChanging = true;
  /** Called when a client is told that its command is done. */
  onAcknowledged: (node: RaftNode, index: number, payload: Uint8Array) => void = () => undefined;
  /** Hosts that stay down, or cut off, in the phase of liveness. */
  readonly down: Set<number> = new Set();
  /** What must be on the disk of each node that ever was. */
  readonly known: Map<number, KnownLog> = new Map();
  /** Nodes whose disks are lost, or may be. */
  readonly lost: Set<number> = new Set();
  readonly #lives: number[] = [];
  /** The members that each node knew last. */
  readonly #configurations = new Map<number, readonly Configuration[]>();

  constructor(parts: {
    readonly knobs: RaftKnobs;
    readonly simulation: Simulation;
    readonly judge: RaftJudge;
    readonly history: RaftHistory;
    readonly observer: RaftObserver | undefined;
  }) {
    this.knobs = parts.knobs;
    this.simulation = parts.simulation;
    this.judge = parts.judge;
    this.history = parts.history;
    this.observer = parts.observer;
  }

  /** All host numbers, from 1 on. */
  get numbers(): number[] {
    return Array.from({ length: this.knobs.hostCount }, (_, at) => at + 1);
  }

  /** Names of all hosts, or of those of some numbers. */
  names(numbers: readonly number[] = this.numbers): string[] {
    return numbers.map((number) => `n${number}`);
  }

  host(number: number): SimHost {
    return this.simulation.host(`n${number}`);
  }

  /** The node that lives on a host. */
  idOf(number: number): number {
    return number + IDS_PER_LIFE * (this.#lives[number] ?? 0);
  }

  hostOf(id: number): number {
    return id % IDS_PER_LIFE;
  }

  /** Whether a node with this id can still be there. */
  isPresent(id: number): boolean {
    return this.idOf(this.hostOf(id)) === id;
  }

  isWitness(id: number): boolean {
    return this.knobs.witnessHosts.includes(this.hostOf(id));
  }

  addHosts(): void {
    for (const number of this.numbers) {
      this.simulation.addHost(`n${number}`, {
        main: (environment: Environment) => runProcess(this, number, environment),
      });
    }
  }

  knownOf(id: number): KnownLog {
    let known = this.known.get(id);
    if (known === undefined) this.known.set(id, (known = new KnownLog()));
    return known;
  }

  /** A node may act on other members from now on. */
  noteConfiguration({ id, node }: Pick<Member, "id" | "node">): void {
    const { membership, commitIndex } = node.core.state;
    this.#configurations.set(id, [membership.current, membership.at(commitIndex)]);
  }

  /**
   * Whether the group goes on if this node is lost for good, and others are that may be: in every
   * configuration that some node may still act on, both halves keep a majority, and one with data.
   */
  canLose(ids: readonly number[]): boolean {
    for (const member of this.judge.members.values()) this.noteConfiguration(member);
    const gone = new Set([...this.lost, ...ids]);
    for (const [id, configurations] of this.#configurations) {
      if (this.lost.has(id) && !this.isPresent(id)) continue;
      for (const { incoming, outgoing } of configurations) {
        if (!this.#keepsQuorum(incoming, gone) || !this.#keepsQuorum(outgoing, gone)) return false;
      }
    }
    return true;
  }

  /** The disk of a host is gone; what comes back is a new node, which waits to be invited. */
  loseDisk(number: number): void {
    const host = this.host(number);
    const id = this.idOf(number);
    host.kill();
    this.lost.add(id);
    this.judge.probe("disk-lost");
    this.simulation.countFault("disk.lost");
    this.#lives[number] = (this.#lives[number] ?? 0) + 1;
    const random = this.simulation.random.split(`disk:${number}:${this.#lives[number]}`);
    const countFault = (kind: string): void => this.simulation.countFault(kind);
    host.replaceStorage(new SimStorage({ random, countFault }));
    host.restart();
  }

  /** What an error means that ended a process: it starts again, unless it cannot, or should not have. */
  onFailure(host: SimHost, error: unknown): "fail" | "kill" {
    if (!isKvsError(error)) return "fail";
    this.judge.probe("replica-stopped");
    const number = Number(host.name.slice(1));
    const id = this.idOf(number);
    const isDamaged = isKvsError(error, ...DAMAGED_CODES);
    if (isDamaged && !this.lost.has(id)) {
      this.judge.broke("a log that was not damaged opens", `n${id}: ${error.message}`);
      return "kill";
    }
    this.simulation.after(SUPERVISOR_MS, () => {
      if (this.idOf(number) !== id) return;
      if (isDamaged) this.loseDisk(number);
      else if (!host.isAlive && !this.down.has(number)) host.restart();
    });
    return "kill";
  }

  #keepsQuorum(voters: readonly number[], gone: ReadonlySet<number>): boolean {
    if (voters.length === 0) return true;
    const left = voters.filter((id) => !gone.has(id));
    assert(voters.length > 0, "an empty half asks for nothing");
    return left.length > voters.length / 2 && left.some((id) => !this.isWitness(id));
  }
}
