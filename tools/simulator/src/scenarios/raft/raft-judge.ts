/**
 * Sees all nodes of a cluster at once, and checks after every event what Raft promises (figure 3 of the
 * paper) and what its users rely on. It remembers across the restarts of nodes.
 */
import {
  type Configuration,
  type EntryBatch,
  findViolation,
  type GroupLog,
  lastIndexOf,
  type Message,
  payloadAt,
  type RaftNode,
} from "@kvs/raft";
import { hashPayload } from "./command.ts";
import { type KnownLog } from "./known-log.ts";
import { type AppliedEntry, type RegisterMachine } from "./register-machine.ts";
import { probeMember } from "./raft-probes.ts";

/** Violations that are told; the first ones say most. */
const VIOLATIONS_MAX = 5;

/** One process of the cluster, while it lives. */
export interface Member {
  readonly id: number;
  readonly host: number;
  /** Whether its process lives, and its replica has not stopped by itself. */
  readonly isUp: () => boolean;
  readonly node: RaftNode;
  /** Absent: a witness. */
  readonly machine: RegisterMachine | undefined;
  readonly known: KnownLog;
  readonly memory: Memory;
}

/** What was seen of a node in one life of its process. */
export interface Memory {
  term: number;
  role: string;
  commitIndex: number;
  appliedIndex: number;
  lastIndex: number;
  leaderOf: number;
  /** The last entry of the leader, as its term began or later. */
  ledIndex: number;
  /** Rare states that it was in when it was looked at last. */
  states: ReadonlySet<string>;
}

export function newMemory(): Memory {
  return {
    term: 0,
    role: "",
    commitIndex: 0,
    appliedIndex: 0,
    lastIndex: 0,
    leaderOf: 0,
    ledIndex: 0,
    states: new Set(),
  };
}

interface Applied {
  readonly term: number;
  readonly hash: number;
  readonly state: number;
}

export class RaftJudge {
  readonly violations: string[] = [];
  /** By node id, in the order in which they started. */
  readonly members: Map<number, Member> = new Map();
  readonly #probe: (state: string) => void;
  /** Election safety: the leader of each term. */
  readonly #leaders = new Map<number, number>();
  /** Log matching: for each entry ever written, its predecessor's term and its content. */
  readonly #entries = new Map<string, { readonly prevTerm: number; readonly hash: number }>();
  /** State machine safety: by index. */
  readonly #applied: (Applied | undefined)[] = [];
  /** Terms of what was committed, by the first node that knew. */
  readonly #committed: number[] = [0];
  readonly #votes = new Map<string, number>();
  readonly #candidates = new Map<number, number>();
  /** Terms in which two nodes asked for votes. */
  splitVotes = 0;
  /** Whether something did not come to pass in time: what follows from it is not asked for. */
  isLate = false;
  /** The highest term that a node spoke of, and that of its earlier lives. */
  readonly #spoken = new Map<number, number>();
  readonly #spokenBefore = new Map<number, number>();
  /** The newest state that a node had durably. */
  readonly #durable = new Map<number, number>();

  constructor(probe: (state: string) => void) {
    this.#probe = probe;
  }

  /** The last entry that any node has known to be committed. */
  get maxCommitted(): number {
    return this.#committed.length - 1;
  }

  broke(rule: string, facts: string): void {
    if (this.violations.length < VIOLATIONS_MAX) this.violations.push(`${rule}: ${facts}`);
  }

  /**
   * Something did not come to pass in time. Counted, and told in traces; a violation it becomes once all
   * that is known to delay a healed group is mended.
   */
  late(promise: string): void {
    this.isLate = true;
    this.probe(`late: ${promise}`);
  }

  probe(state: string): void {
    this.#probe(`raft.${state}`);
  }

  /** After every event: looks at who changed. */
  check(): void {
    for (const member of this.members.values()) {
      if (!member.isUp()) {
        this.members.delete(member.id);
        continue;
      }
      if (isUnchanged(member)) continue;
      this.#checkMember(member);
    }
  }

  /** A message leaves its node. */
  onSend(message: Message): void {
    const { from, term } = message;
    if ("isPreVote" in message && message.isPreVote) return;
    if (!isPromise(message)) return;
    // Answers that wait for one sync leave peer by peer, so that an older term's may follow a newer's:
    // nothing that a network may not do. What a node said before a crash it has to know after it.
    const before = this.#spokenBefore.get(from) ?? 0;
    if (term < before) {
      const facts = `n${from} spoke of ${before}, and after a restart of ${term} (${message.type})`;
      this.broke("terms never go back", facts);
    }
    this.#spoken.set(from, Math.max(term, this.#spoken.get(from) ?? 0));
    if (message.type === "vote-request") this.#onCandidate(from, term);
    if (message.type === "vote-response" && message.granted) this.#vote(from, term, message.to);
    if (message.type === "snapshot-request" && message.offset > 0) this.probe("image-piece");
  }

  /** A replica is about to write to its log. */
  onWrite(id: number, write: Parameters<GroupLog["write"]>[0]): void {
    const member = this.members.get(id);
    if (member === undefined) return;
    const { core } = member.node;
    if (write.cutFrom !== 0) {
      this.probe("entries-cut");
      if (core.role === "leader" && member.memory.leaderOf === core.term) {
        this.broke("a leader only appends", `n${id} cut its log at ${write.cutFrom}`);
      }
    }
    if (write.newBase !== undefined) this.#checkBase(member, write.newBase.point.index);
    if ((write.repairs?.length ?? 0) > 0) this.probe("damage-repaired");
    for (const batch of write.entries) this.#onWritten(member, batch);
  }

  /** A replica applied an entry. */
  onApplied(id: number, entry: AppliedEntry): void {
    const { index, term, hash, state } = entry;
    const known = this.#applied[index];
    if (known === undefined) this.#applied[index] = { term, hash, state };
    else if (known.term !== term || known.hash !== hash) {
      this.broke("state machine safety", `n${id} applied another entry at ${index}`);
    } else if (known.state !== state) this.broke("states agree", `n${id} at ${index}`);
    const member = this.members.get(id);
    if (member === undefined) return;
    if (index > member.known.syncedIndex) {
      this.broke("what is applied is durable here", `n${id} applied ${index} before its sync`);
    }
    if (index > member.node.core.commitIndex) {
      this.broke("what is applied is committed", `n${id} applied ${index}`);
    }
  }

  /** A replica's state became that of an image, at a start or in between. */
  onRestored(id: number, index: number, state: number): void {
    const known = this.#applied[index];
    if (known !== undefined && known.state !== state) {
      this.broke("states agree", `the image of n${id} at ${index}`);
    }
  }

  /** A state is durable on a node; it never goes back, also across restarts. */
  onDurable(id: number, index: number): void {
    const known = this.#durable.get(id) ?? 0;
    if (index < known)
      this.broke("durable states never go back", `n${id}: ${known}, then ${index}`);
    this.#durable.set(id, Math.max(known, index));
  }

  /** A process starts, and speaks from now on as what it recovered. */
  onRecovered(id: number): void {
    this.#spokenBefore.set(id, this.#spoken.get(id) ?? 0);
  }

  /** A process starts with a state as of `index`. */
  onStart(id: number, index: number): void {
    const known = this.#durable.get(id) ?? 0;
    if (index < known) {
      this.broke("durable states survive", `n${id} had ${known}, and starts with ${index}`);
    }
    // A save may be done whose end the last process did not live to see.
    this.#durable.set(id, Math.max(known, index));
  }

  durableIndex(id: number): number {
    return this.#durable.get(id) ?? 0;
  }

  /** The entry that took effect at an index, once any replica applied it. */
  appliedAt(index: number): { readonly term: number; readonly hash: number } | undefined {
    return this.#applied[index];
  }

  #checkMember(member: Member): void {
    const { node, memory, id } = member;
    const { core } = node;
    const broken = findViolation(core.state);
    if (broken !== undefined) this.broke(broken, `on n${id}`);
    if (core.term < memory.term) this.broke("terms never go back", `on n${id}`);
    if (core.commitIndex < memory.commitIndex) {
      this.broke("commit indices never go back", `on n${id}`);
    }
    if (core.appliedIndex < memory.appliedIndex) this.broke("states never go back", `on n${id}`);
    this.#checkCommit(member);
    if (core.role === "leader") this.#checkLeader(member);
    // A second one would be proposed only once the first is committed.
    if (core.state.membership.countAfter(this.maxCommitted) > 1) {
      this.broke("one configuration is pending", `on n${id}`);
    }
    probeMember(member, (state) => this.probe(state));
    remember(member);
  }

  #checkCommit({ node, id }: Member): void {
    const { log, commitIndex } = node.core.state;
    for (let index = this.maxCommitted + 1; index <= commitIndex; index++) {
      this.#committed.push(log.termAt(index));
    }
    const term = log.termAt(commitIndex);
    if (term !== -1 && this.#committed[commitIndex] === -1) this.#committed[commitIndex] = term;
    if (term !== -1 && commitIndex > 0 && this.#committed[commitIndex] !== term) {
      this.broke("state machine safety", `n${id} committed another entry at ${commitIndex}`);
    }
  }

  #checkLeader(member: Member): void {
    const { node, memory, id } = member;
    const { term, lastIndex, configuration } = node.core;
    const known = this.#leaders.get(term);
    if (known !== undefined && known !== id) {
      this.broke("election safety", `n${known} and n${id} lead term ${term}`);
    }
    this.#leaders.set(term, id);
    if (memory.leaderOf !== term) {
      memory.leaderOf = term;
      memory.ledIndex = lastIndex;
      this.probe("elected");
      this.#checkCompleteness(member);
    }
    if (lastIndex < memory.ledIndex) this.broke("a leader only appends", `n${id}`);
    memory.ledIndex = lastIndex;
    if (configuration.incoming.length === 0) this.broke("a leader has a group", `n${id}`);
    this.#checkMatches(member);
  }

  /** Leader completeness: whoever is elected has all that is committed. */
  #checkCompleteness({ node, id }: Member): void {
    const { log } = node.core.state;
    for (let index = log.baseIndex + 1; index <= this.maxCommitted; index++) {
      const term = this.#committed[index];
      if (term !== -1 && log.termAt(index) !== term) {
        this.broke("leader completeness", `n${id} lacks ${term}/${index}`);
        return;
      }
    }
  }

  /** No peer is believed to match what it does not durably have. */
  #checkMatches({ node, id }: Member): void {
    const { leading, term } = node.core.state;
    for (const progress of leading?.others ?? []) {
      const peer = this.members.get(progress.id);
      // What a deposed leader believes may have been cut off since.
      if (peer === undefined || peer.node.core.term > term) continue;
      const held = Math.max(peer.known.syncedIndex, this.durableIndex(peer.id));
      if (held < progress.matchIndex) {
        const facts = `n${id} believes n${peer.id} to have ${progress.matchIndex}, not ${held}`;
        this.broke("what is acknowledged is durable", facts);
      }
    }
  }

  /** The Raft log is cut only up to what is durable in the state. */
  #checkBase({ machine, id }: Member, index: number): void {
    if (machine === undefined) return;
    if (index > this.durableIndex(id)) {
      const facts = `n${id} drops entries up to ${index}, its state has ${this.durableIndex(id)}`;
      this.broke("the log is cut after the state is durable", facts);
    }
  }

  #onWritten({ node, id }: Member, batch: EntryBatch): void {
    let prevTerm = node.core.state.log.termAt(batch.firstIndex - 1);
    for (let index = batch.firstIndex; index <= lastIndexOf(batch); index++) {
      const key = `${index}/${batch.term}`;
      const hash = hashPayload(payloadAt(batch, index));
      const known = this.#entries.get(key);
      if (known === undefined) this.#entries.set(key, { prevTerm, hash });
      else if (known.hash !== hash || (prevTerm !== -1 && known.prevTerm !== prevTerm)) {
        this.broke("log matching", `n${id} has another entry ${key}`);
      }
      prevTerm = batch.term;
    }
  }

  #onCandidate(from: number, term: number): void {
    this.#vote(from, term, from);
    const known = this.#candidates.get(term);
    if (known === undefined) this.#candidates.set(term, from);
    else if (known !== from && known !== -1) {
      this.splitVotes++;
      this.#candidates.set(term, -1);
    }
  }

  #vote(from: number, term: number, candidate: number): void {
    const key = `${from}/${term}`;
    const known = this.#votes.get(key);
    if (known !== undefined && known !== candidate) {
      this.broke("one vote per term", `n${from} voted for n${known} and n${candidate} in ${term}`);
    }
    this.#votes.set(key, candidate);
  }
}

/** Whether others rely on the term of a message: refusals and questions may leave before it is durable. */
function isPromise(message: Message): boolean {
  if (message.type === "vote-request" || message.type === "append-request") return true;
  if (message.type === "vote-response") return message.granted;
  return message.type === "append-response" && message.accepted;
}

/** Whether anything was seen of it that a rule is about. */
function isUnchanged({ node, memory }: Member): boolean {
  const { core } = node;
  return (
    core.term === memory.term &&
    core.role === memory.role &&
    core.commitIndex === memory.commitIndex &&
    core.appliedIndex === memory.appliedIndex &&
    core.lastIndex === memory.lastIndex
  );
}

function remember({ node, memory }: Member): void {
  const { core } = node;
  memory.term = core.term;
  memory.role = core.role;
  memory.commitIndex = core.commitIndex;
  memory.appliedIndex = core.appliedIndex;
  memory.lastIndex = core.lastIndex;
}

/** The members in force at the last entry that a node knows to be committed. */
export function committedConfiguration(node: RaftNode): Configuration {
  const { membership, commitIndex } = node.core.state;
  return membership.at(commitIndex);
}
