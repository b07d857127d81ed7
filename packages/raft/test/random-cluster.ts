import { createRandom, isKvsError, pick, type Random } from "@kvs/env";

import { membersOf, type MembershipOperation, toConfiguration } from "../src/core/configuration.ts";
import { packPayloads } from "../src/core/entry.ts";
import { type Message } from "../src/core/message.ts";
import { type RaftSettings } from "../src/core/raft-options.ts";
import { MemoryLogStore } from "../src/memory-log-store.ts";
import { ClusterChecker, violation } from "./cluster-checker.ts";
import { type Action, drawActions, drawSettings } from "./random-faults.ts";
import { Links } from "./links.ts";
import { describeReplicas, Replica, type ReplicaEvents } from "./replica.ts";

export interface RandomClusterOptions {
  readonly seed: number;
  /** Steps of the safety phase. */
  readonly steps: number;
  readonly mutants?: readonly string[];
  /** Sets what the seed would draw. */
  readonly settings?: Partial<RaftSettings>;
}

/** Messages on their way at a time; more are lost. */
const POOL_MAX = 200;

/**
 * A cluster under random faults, from one seed: loss, duplicates, any order, partitions, crashes that
 * lose what is not durable, slow disks, changes of members, snapshots, transfers, stalls. Then it is
 * healed, and has to elect, commit and agree.
 */
export class RandomCluster {
  readonly #random: Random;
  readonly #options: RandomClusterOptions;
  readonly #settings: Partial<RaftSettings>;
  readonly #replicas: Replica[] = [];
  readonly #checker: ClusterChecker;
  #pool: Message[] = [];
  readonly #links = new Links();
  /** What was committed when a read was asked for, by node, life and context. */
  readonly #reads = new Map<string, number>();
  readonly #loss: number;
  readonly #duplicates: number;
  readonly #actions: readonly Action[];
  #proposed = 0;
  reads = 0;
  restarts = 0;
  /** Whether the healed group took more than two election timeouts to elect. */
  isElectedLate = false;
  damages = 0;
  /** How often a node cut off entries that another leader had sent. */
  truncations = 0;
  #nextId: number;
  readonly log: string[] = [];

  constructor(options: RandomClusterOptions) {
    this.#options = options;
    this.#random = createRandom(options.seed);
    const random = this.#random.split("world");
    this.#loss = random.chance(0.5) ? random.nextFloat() * 0.3 : 0;
    this.#duplicates = random.chance(0.5) ? random.nextFloat() * 0.3 : 0;
    this.#settings = { ...drawSettings(random), ...options.settings };
    // Without these, a removed node may disturb the others for ever: that is what they are for.
    const isCalm = this.#settings.preVote === true && this.#settings.checkQuorum === true;
    const banned: Action[] = isCalm ? [] : ["change"];
    // Two others are there to elect a leader without the damaged node, which then helps it.
    banned.push(random.chance(0.5) ? "change" : "damage");
    this.#actions = drawActions(random).filter((action) => !banned.includes(action));
    const size = pick(random, [1, 2, 3, 3, 3, 3, 4, 5, 5]);
    const ids = Array.from({ length: size }, (_, at) => at + 1);
    const witnesses = size >= 3 && random.chance(0.2) ? [size] : [];
    this.#nextId = size + 1;
    this.#checker = new ClusterChecker(() => this.#replicas);
    const configuration = toConfiguration({ incoming: ids, witnesses });
    for (const id of ids) this.#add(id, new MemoryLogStore(configuration), witnesses.includes(id));
  }

  get committed(): number {
    return this.#checker.maxCommitted;
  }

  /** Both phases. Throws at the first violation. */
  run(): void {
    for (let step = 0; step < this.#options.steps; step++) this.#step();
    this.#heal();
  }

  #step(): void {
    const random = this.#random;
    // Most of the time something ordinary happens.
    const draw = random.below(100);
    if (draw < 50 && this.#pool.length > 0) this.#deliver();
    else if (draw < 70) this.#tick();
    else if (draw < 80) this.#persist();
    else this.#act(pick(random, this.#actions));
  }

  #deliver(): void {
    const random = this.#random;
    // Often the oldest, sometimes any.
    const position = random.chance(0.5) ? 0 : random.below(this.#pool.length);
    const message = this.#pool[position]!;
    if (!random.chance(this.#duplicates)) this.#pool.splice(position, 1);
    if (random.chance(this.#loss) || this.#links.isCut(message)) return;
    this.#hand(message);
  }

  #hand(message: Message): void {
    const replica = this.#find(message.to);
    if (replica === undefined) return;
    replica.act((core) => core.step(message));
    this.#checker.check(replica);
  }

  #tick(): void {
    const replica = this.#any();
    const count = this.#random.chance(0.1) ? 1 + this.#random.below(12) : 1;
    for (let at = 0; at < count; at++) replica.act((core) => core.tick());
    this.#checker.check(replica);
  }

  #persist(): void {
    const replica = this.#any();
    replica.persistNext();
    this.#checker.check(replica);
  }

  #act(action: Action): void {
    const replica = this.#any();
    try {
      this.#perform(action, replica);
    } catch (error) {
      if (!isKvsError(error)) throw error;
      replica.pump();
    }
    for (const each of this.#replicas) this.#checker.check(each);
  }

  #perform(action: Action, any: Replica): void {
    const leader = this.#leader() ?? any;
    const random = this.#random;
    const ids = this.#replicas.map(({ id }) => id);
    const actions: Record<Action, () => void> = {
      propose: () => this.#propose(random.chance(0.8) ? leader : any),
      read: () => this.#read(random.chance(0.7) ? leader : any),
      crash: () => any.crash(random.below(any.queue.length + 1)),
      damage: () => this.#damage(),
      restart: () => this.#restart(),
      slow: () => (any.isDiskSlow = true),
      fast: () => {
        any.isDiskSlow = false;
        while (any.queue.length > 0) any.persistNext();
      },
      partition: () => this.#links.partition(random, ids),
      isolate: () => this.#links.isolate(leader.id, ids),
      heal: () => this.#links.clear(),
      campaign: () => this.#campaign(any),
      change: () => this.#change(leader),
      transfer: () => leader.act((core) => core.transferLeadership(this.#any().id)),
      snapshot: () => any.act(() => any.takeSnapshot()),
      compact: () => any.compact(any.app.index - random.below(5)),
      checkpoint: () => any.checkpoint(),
      stalled: () => any.act((core) => core.stalled()),
      lost: () => any.act((core) => core.peerLost(this.#any().id)),
    };
    actions[action]();
  }

  #propose(replica: Replica): void {
    const count = 1 + this.#random.below(4);
    const payloads = Array.from({ length: count }, () => numberBytes(++this.#proposed));
    replica.act((core) => core.propose(packPayloads(payloads)));
  }

  #read(replica: Replica): void {
    if (!replica.isUp) return;
    const floor = this.#checker.maxCommitted;
    replica.act((core) => {
      const context = core.readIndex();
      const key = readKey(replica, context);
      if (!this.#reads.has(key)) this.#reads.set(key, floor);
    });
  }

  #restart(): void {
    const down = this.#replicas.filter((replica) => !replica.isUp);
    if (down.length === 0) return;
    this.restarts++;
    const replica = pick(this.#random, down);
    replica.restart();
    this.#checker.check(replica);
  }

  #change(replica: Replica): void {
    const random = this.#random;
    const operations: MembershipOperation[] = [];
    const named = new Set<number>();
    const count = 1 + random.below(3);
    for (let at = 0; at < count; at++) {
      const operation = this.#drawOperation(replica);
      if (named.has(operation.node)) continue;
      named.add(operation.node);
      operations.push(operation);
    }
    replica.act((core) => core.changeMembership(operations, { allowLagging: random.chance(0.7) }));
  }

  #drawOperation(replica: Replica): MembershipOperation {
    const random = this.#random;
    const isNew = random.chance(0.3) && this.#replicas.length < 8;
    if (isNew) {
      const node = this.#nextId++;
      this.#add(node, new MemoryLogStore());
      return { type: pick(random, ["add-voter", "add-learner"] as const), node };
    }
    const type = pick(random, ["add-voter", "add-learner", "remove", "remove"] as const);
    // A removed id never comes back with an empty disk: only with the one it has.
    const members = membersOf(replica.core.configuration);
    const node = members.length === 0 ? this.#any().id : pick(random, members);
    return { type, node };
  }

  /** All run, all talk, nothing is lost; then the group must do its work. */
  #heal(): void {
    this.#links.clear();
    for (const replica of this.#replicas) {
      replica.isDiskSlow = false;
      replica.restart();
      while (replica.queue.length > 0) replica.persistNext();
      replica.pump();
      this.#checker.check(replica);
    }
    const { electionTicksMax } = { electionTicksMax: 20, ...this.#settings };
    // Old messages are delivered or lost by now, and timers may just have begun.
    this.#rounds(1);
    this.#rounds(2 * electionTicksMax, () => this.#isLed());
    this.isElectedLate = !this.#isLed();
    // Votes may split, and split again, but not for ever.
    this.#rounds(6 * electionTicksMax, () => this.#isLed());
    if (!this.#isLed()) throw violation("a healed group elects", describeReplicas(this.#replicas));
    this.#rounds(8 * electionTicksMax, () => this.#isSettled());
    const floor = this.#checker.maxCommitted;
    const leader = this.#leader();
    if (leader === undefined)
      throw violation("a healed group keeps its leader", describeReplicas(this.#replicas));
    const { reads } = this;
    this.#work(leader);
    this.#rounds(8 * electionTicksMax, () => this.#isSettled() && this.reads > reads);
    if (this.#checker.maxCommitted <= floor) {
      throw violation("a healed group commits", describeReplicas(this.#replicas));
    }
    if (!this.#isSettled())
      throw violation("a healed group agrees", describeReplicas(this.#replicas));
    if (this.reads === reads)
      throw violation("a healed group answers reads", describeReplicas(this.#replicas));
  }

  #work(leader: Replica): void {
    // A transfer may be under way for an election timeout.
    for (let round = 0; round < 25; round++) {
      if (leader.core.state.leading?.transfer === undefined) break;
      this.#rounds(1);
    }
    const present = this.#leader() ?? leader;
    this.#propose(present);
    this.#read(present);
    this.#checker.check(present);
  }

  /** One node, always the same, crashes and loses payloads that another node has. */
  #damage(): void {
    const victim = this.#replicas[0]!;
    if (victim.core.configuration.incoming.length < 3) return;
    victim.crash(0);
    const { base, lastIndex } = victim.store.image();
    const end = Math.min(lastIndex, this.#checker.maxCommitted);
    if (victim.damaged.length > 0 || end <= Math.max(base.index, victim.durableApp.index)) return;
    const from = Math.max(base.index, victim.durableApp.index) + 1;
    const to = from + this.#random.below(end - from + 1);
    const isElsewhere = this.#replicas.some(
      ({ id, store }) =>
        id !== victim.id && store.lastIndex >= to && store.image().base.index < from,
    );
    if (!isElsewhere) return;
    this.damages++;
    victim.damaged = [{ from, to }];
  }

  /** A node's election timeout passes at once. */
  #campaign(replica: Replica): void {
    const { electionElapsed, electionTimeout } = replica.core.state;
    for (let at = electionElapsed; at < electionTimeout; at++) replica.act((core) => core.tick());
  }

  /** Ticks all, and delivers all, until it is done. */
  #rounds(count: number, isDone: () => boolean = () => false): void {
    for (let round = 0; round < count && !isDone(); round++) {
      for (const replica of this.#replicas) {
        replica.act((core) => core.tick());
        this.#checker.check(replica);
      }
      for (let sweep = 0; sweep < 6; sweep++) {
        const messages = this.#pool;
        this.#pool = [];
        for (const message of messages) this.#hand(message);
      }
    }
  }

  /** Whether a node leads, and every voter knows it. */
  #isLed(): boolean {
    const leader = this.#leader();
    if (leader === undefined) return false;
    const { incoming } = leader.core.configuration;
    return incoming.every((id) => this.#find(id)!.core.leader === leader.id);
  }

  /** Whether every member has applied all that is committed, and no change is under way. */
  #isSettled(): boolean {
    const leader = this.#leader();
    if (leader === undefined) return false;
    const { configuration, lastIndex, commitIndex } = leader.core;
    if (configuration.outgoing.length > 0 || commitIndex !== lastIndex) return false;
    return membersOf(configuration).every((id) => {
      const member = this.#find(id)!;
      return member.core.appliedIndex === commitIndex && member.core.lastIndex === lastIndex;
    });
  }

  #leader(): Replica | undefined {
    const leaders = this.#replicas.filter(({ isUp, core }) => isUp && core.role === "leader");
    return leaders.toSorted((left, right) => right.core.term - left.core.term)[0];
  }

  #any(): Replica {
    return pick(this.#random, this.#replicas);
  }

  #find(id: number): Replica | undefined {
    return this.#replicas.find((replica) => replica.id === id);
  }

  #add(id: number, store: MemoryLogStore, isWitness = false): void {
    const replica = new Replica({
      id,
      store,
      events: this.#events(),
      random: this.#random,
      imageBytes: 40,
      core: {
        settings: this.#settings,
        isWitness,
        shouldPromote: () => true,
        hasMutant: (name) => this.#options.mutants?.includes(name) === true,
      },
    });
    this.#replicas.push(replica);
  }

  #events(): ReplicaEvents {
    return {
      send: (message) => {
        this.#checker.onSend(message);
        if (this.#pool.length < POOL_MAX) this.#pool.push(message);
      },
      applied: (replica, index, batch) => this.#checker.onApplied(replica, index, batch),
      restored: (replica, index) => this.#checker.onRestored(replica, index),
      read: (replica, context, index) => {
        const key = readKey(replica, context);
        const floor = this.#reads.get(key);
        if (floor === undefined) throw violation("reads are answered once", key);
        this.reads++;
        this.#reads.delete(key);
        this.#checker.onRead(replica, index, floor);
      },
      readFailed: (replica, context) => this.#reads.delete(readKey(replica, context)),
      ready: (replica, ready) => {
        if (ready.cutFrom !== 0) this.truncations++;
        this.#checker.onReady(replica, ready);
      },
    };
  }
}

function readKey(replica: Replica, context: number): string {
  return `n${replica.id}.${replica.incarnation}:${context}`;
}

function numberBytes(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}
