/**
 * The replicas of many groups in one process, over one transport: all that groups have to say to a peer
 * in one turn, heartbeats above all, leaves together; with a shared log, one sync serves them all.
 *
 * Time: one timer for all groups. When it fires, the sockets are read first, then the cores tick, as many
 * times as the clock says, and never ahead of it. If the timer is very late, the process stood still: what
 * was sent meanwhile was not read, and the silence says nothing about leaders (REL-R13).
 */
import { assert, type Environment, type Timer, TurnBudget } from "@kvs/env";

import { type GroupId, isId, type NodeId } from "../core/ids.ts";
import { type Message } from "../core/message.ts";
import { readMutants } from "../core/read-mutants.ts";
import { stopped } from "./driver-error.ts";
import { DRIVER_MUTANTS, type DriverSabotage } from "./driver-mutants.ts";
import { type GroupOptions } from "./group-options.ts";
import { type NodeHost } from "./node-host.ts";
import { RaftNode } from "./raft-node.ts";
import { findStartPoint } from "./start-point.ts";
import { type RoleChange, RoleWatch } from "./role-watch.ts";
import { type RaftTransport } from "./transport.ts";

export interface MultiRaftOptions {
  /** This process: unique among all, and another one after its disk was lost. */
  readonly self: NodeId;
  /** Belongs to the groups from now on. */
  readonly transport: RaftTransport;
  /** Length of a tick. Default 10. */
  readonly tickMs?: number;
  /**
   * Role, term or leader of a replica changed. Called at the end of the replica's turn: several changes
   * within one are told as one. Calls into the replica are allowed.
   */
  readonly onRole?: (change: RoleChange) => void;
}

const TICK_MS_DEFAULT = 10;
/** A timer that is later than this many ticks means that the process stood still. */
const STALL_TICKS = 8;

export class MultiRaft implements AsyncDisposable {
  readonly self: NodeId;
  readonly #environment: Environment;
  readonly #transport: RaftTransport;
  readonly #tickMs: number;
  readonly #sabotage: DriverSabotage;
  readonly #host: NodeHost<RaftNode>;
  readonly #nodes: Map<GroupId, RaftNode> = new Map();
  readonly #opening: Set<GroupId> = new Set();
  readonly #awake: Set<RaftNode> = new Set();
  readonly #outgoing: Map<NodeId, Message[]> = new Map();
  readonly #roles: RoleWatch | undefined;
  #isTurnDue = false;
  #timer: Timer | undefined;
  #tickedMs: number;
  #unknownGroups = 0;
  #isClosed = false;

  constructor(environment: Environment, options: MultiRaftOptions) {
    assert(isId(options.self), "a node id is an integer in [1, 2^53)");
    this.self = options.self;
    this.#environment = environment;
    this.#transport = options.transport;
    this.#tickMs = options.tickMs ?? TICK_MS_DEFAULT;
    this.#sabotage = readMutants(DRIVER_MUTANTS, (name) => environment.hooks.hasMutant(name));
    this.#tickedMs = environment.clock.monotonicMs();
    if (options.onRole !== undefined) this.#roles = new RoleWatch(options.onRole);
    this.#host = this.#makeHost();
    this.#transport.start({
      received: (messages) => this.#received(messages),
      peerLost: (node) => {
        for (const each of this.#nodes.values()) each.peerLost(node);
      },
    });
    this.#startTimer();
  }

  /**
   * Opens a replica of a group.
   *
   * @throws {KvsError} `RAFT_INVALID_OPTIONS`, `RAFT_STOPPED`, errors of the snapshot store.
   */
  async open(options: GroupOptions): Promise<RaftNode> {
    if (this.#isClosed) throw stopped();
    const { group } = options;
    assert(!this.#nodes.has(group) && !this.#opening.has(group), "a group is opened once");
    this.#opening.add(group);
    try {
      const start = await findStartPoint(options);
      if (this.#isClosed) throw stopped();
      const node = new RaftNode(this.#host, options, start);
      this.#nodes.set(group, node);
      return node;
    } finally {
      this.#opening.delete(group);
    }
  }

  node(group: GroupId): RaftNode | undefined {
    return this.#nodes.get(group);
  }

  /** Messages for groups that are not here. */
  get unknownGroups(): number {
    return this.#unknownGroups;
  }

  /** All replicas as text. */
  describe(): string {
    return [...this.#nodes.values()].map((node) => node.describe()).join("\n");
  }

  /** Stops all replicas and the transport. Logs stay open: they are their owners'. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#timer?.cancel();
    const nodes = [...this.#nodes.values()];
    await Promise.all(nodes.map((node) => node.close()));
    await this.#transport.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #makeHost(): NodeHost<RaftNode> {
    const { clock, random, hooks } = this.#environment;
    return {
      self: this.self,
      clock,
      random,
      budget: new TurnBudget(clock),
      sabotage: this.#sabotage,
      hasMutant: (mutant) => hooks.hasMutant(mutant),
      send: (message) => this.#send(message),
      wake: (node) => {
        this.#awake.add(node);
        this.#scheduleTurn();
      },
      closed: (node) => {
        this.#roles?.forget(node.group);
        this.#nodes.delete(node.group);
        this.#awake.delete(node);
      },
    };
  }

  #received(messages: readonly Message[]): void {
    for (const message of messages) {
      const node = this.#nodes.get(message.group);
      if (node === undefined) this.#unknownGroups++;
      else node.received(message);
    }
  }

  #send(message: Message): void {
    const queue = this.#outgoing.get(message.to);
    if (queue === undefined) this.#outgoing.set(message.to, [message]);
    else queue.push(message);
    this.#scheduleTurn();
  }

  /** Lets everything of this turn happen first. */
  #scheduleTurn(): void {
    if (this.#isTurnDue || this.#isClosed) return;
    this.#isTurnDue = true;
    this.#environment.clock.defer(() => {
      this.#isTurnDue = false;
      if (!this.#isClosed) this.#turn();
    });
  }

  #turn(): void {
    const { budget } = this.#host;
    for (const node of this.#awake) {
      this.#awake.delete(node);
      node.turn();
      if (this.#nodes.get(node.group) === node) this.#roles?.look(node);
      if (budget.isSpent()) break; // the rest in the next turn
    }
    if (this.#awake.size > 0) this.#scheduleTurn();
    for (const [to, messages] of this.#outgoing) {
      this.#outgoing.delete(to);
      this.#transport.send(to, messages);
    }
  }

  #startTimer(): void {
    const { clock } = this.#environment;
    this.#timer = clock.schedule(this.#tickMs, () => {
      // What arrived meanwhile is read before this: handlers of input run first.
      if (this.#sabotage["raft.driver.tick-before-input"]) this.#tick();
      else clock.defer(() => this.#tick());
    });
  }

  #tick(): void {
    if (this.#isClosed) return;
    const nowMs = this.#environment.clock.monotonicMs();
    const count = Math.floor((nowMs - this.#tickedMs) / this.#tickMs);
    const isStalled = count > STALL_TICKS;
    if (isStalled && !this.#sabotage["raft.driver.tick-before-input"]) {
      this.#tickedMs = nowMs;
      for (const node of this.#nodes.values()) node.stalled();
    } else if (count > 0) {
      this.#tickedMs += count * this.#tickMs;
      for (const node of this.#nodes.values()) if (!node.isQuiet) node.tick(nowMs, count);
    }
    this.#startTimer();
  }
}
