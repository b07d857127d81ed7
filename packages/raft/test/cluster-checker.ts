import { type Configuration } from "../src/core/configuration.ts";
import { type EntryBatch, lastIndexOf, payloadAt } from "../src/core/entry.ts";
import { findViolation } from "../src/core/invariants.ts";
import { type Message } from "../src/core/message.ts";
import { quorumCommitted } from "../src/core/quorum.ts";
import { type Ready } from "../src/core/ready.ts";
import { foldEntry, INITIAL_HASH } from "./image.ts";
import { type Replica } from "./replica.ts";

/**
 * Sees all replicas at once and checks, after each step, what Raft promises (figure 3 of the paper)
 * and what its users rely on. Throws at the first violation.
 */
export class ClusterChecker {
  readonly #replicas: () => readonly Replica[];
  /** Election safety: the leader of each term. */
  readonly #leaders = new Map<number, number>();
  /** Log matching: for each entry ever written, its predecessor's term and its content. */
  readonly #entries = new Map<string, { readonly prevTerm: number; readonly hash: number }>();
  /** State machine safety: term and content of the entry applied at each index. */
  readonly #applied = new Map<number, { readonly term: number; readonly hash: number }>();
  /** The state after each index. */
  readonly #states = new Map<number, number>([[0, INITIAL_HASH]]);
  /** What was committed, by the first node that knew. */
  readonly #committed = new Map<number, number>();
  maxCommitted = 0;
  readonly #nodes = new Map<number, NodeMemory>();
  /** Votes that left their node, by node and term. */
  readonly #votes = new Map<string, number>();

  constructor(replicas: () => readonly Replica[]) {
    this.#replicas = replicas;
  }

  /** A message left its node. */
  onSend(message: Message): void {
    const memory = this.#memory(message.from);
    const isPreVote = "isPreVote" in message && message.isPreVote;
    if (!isPreVote && message.term < memory.term) {
      throw violation("terms never go back", `n${message.from} speaks of ${message.term} again`);
    }
    if (isPreVote) return;
    memory.term = Math.max(memory.term, message.term);
    if (message.type === "vote-request") this.#vote(message.from, message.term, message.from);
    if (message.type === "vote-response" && message.granted) {
      this.#vote(message.from, message.term, message.to);
    }
  }

  /** A replica handed out entries to be written. */
  onReady(replica: Replica, ready: Ready): void {
    const { role, term } = replica.core;
    const memory = this.#memory(replica.id);
    if (role === "leader" && memory.leaderOf === term && ready.cutFrom !== 0) {
      throw violation("a leader only appends", `n${replica.id} cut its log`);
    }
    for (const batch of ready.entries) this.#onWritten(replica, batch);
  }

  /** A replica applied an entry. */
  onApplied(replica: Replica, index: number, batch: EntryBatch): void {
    const entry = { term: batch.term, hash: foldEntry(0, batch.term, payloadAt(batch, index)) };
    const known = this.#applied.get(index);
    if (known === undefined) {
      this.#applied.set(index, entry);
      this.#states.set(index, replica.app.hash);
    } else if (known.term !== entry.term || known.hash !== entry.hash) {
      throw violation("state machine safety", `n${replica.id} applied another entry at ${index}`);
    }
    this.#checkState(replica);
    // What a crash would leave holds all that was applied (law: apply <= locally synced).
    if (replica.store.lastIndex < index) {
      throw violation("what is applied is durable here", `n${replica.id} applied ${index}`);
    }
  }

  /** A replica took over an image. */
  onRestored(replica: Replica, index: number): void {
    const memory = this.#memory(replica.id);
    if (index < memory.applied) {
      throw violation("states never go back", `n${replica.id}: ${memory.applied} to ${index}`);
    }
    if (!replica.core.isWitness) this.#checkState(replica);
  }

  /** A read was confirmed that was asked for when `floor` was the last entry known committed. */
  onRead(replica: Replica, index: number, floor: number): void {
    if (index < floor) {
      throw violation("reads are linearizable", `n${replica.id} reads at ${index}, not ${floor}`);
    }
  }

  /** After every step of a replica. */
  check(replica: Replica): void {
    if (!replica.isUp) return;
    const { core } = replica;
    const broken = findViolation(core.state);
    if (broken !== undefined) throw violation(broken, `on n${replica.id}`);
    const memory = this.#memory(replica.id);
    if (memory.incarnation !== replica.incarnation) {
      memory.incarnation = replica.incarnation;
      memory.commitIndex = 0;
      memory.leaderOf = 0;
      memory.applied = replica.app.index;
    }
    if (core.commitIndex < memory.commitIndex) {
      throw violation("commit indices never go back", `on n${replica.id}`);
    }
    if (replica.app.index < memory.applied) {
      throw violation("states never go back", `on n${replica.id}`);
    }
    memory.commitIndex = core.commitIndex;
    memory.applied = replica.app.index;
    if (core.term < memory.term) throw violation("terms never go back", `on n${replica.id}`);
    if (core.role === "leader") this.#checkLeader(replica, memory);
    if (core.commitIndex > this.maxCommitted) this.#onCommitted(replica);
    // A second one would be proposed only once the first is committed.
    if (core.state.membership.countAfter(this.maxCommitted) > 1) {
      throw violation("one configuration is pending", `on n${replica.id}`);
    }
  }

  #onWritten(replica: Replica, batch: EntryBatch): void {
    let prevTerm = replica.core.state.log.termAt(batch.firstIndex - 1);
    for (let index = batch.firstIndex; index <= lastIndexOf(batch); index++) {
      const key = `${index}/${batch.term}`;
      const hash = foldEntry(0, batch.term, payloadAt(batch, index));
      const known = this.#entries.get(key);
      if (known === undefined) this.#entries.set(key, { prevTerm, hash });
      else if (known.hash !== hash || (prevTerm !== -1 && known.prevTerm !== prevTerm)) {
        throw violation("log matching", `n${replica.id} has another entry ${key}`);
      }
      prevTerm = batch.term;
    }
  }

  #checkLeader(replica: Replica, memory: NodeMemory): void {
    const { term, state, lastIndex } = replica.core;
    const known = this.#leaders.get(term);
    if (known !== undefined && known !== replica.id) {
      throw violation("election safety", `n${known} and n${replica.id} lead term ${term}`);
    }
    this.#leaders.set(term, replica.id);
    if (memory.leaderOf !== term) {
      memory.leaderOf = term;
      memory.lastIndex = lastIndex;
      this.#checkCompleteness(replica);
    }
    if (lastIndex < memory.lastIndex) throw violation("a leader only appends", `n${replica.id}`);
    memory.lastIndex = lastIndex;
    const isMember = state.membership.current;
    if (isMember.incoming.length === 0) throw violation("a leader has a group", `n${replica.id}`);
    this.#checkMatches(replica);
  }

  /** No peer is believed to match what it does not durably have. */
  #checkMatches(replica: Replica): void {
    const { leading, term } = replica.core.state;
    for (const { id, matchIndex } of leading?.others ?? []) {
      const peer = this.#replicas().find((each) => each.id === id);
      // What a deposed leader believes may have been cut off since.
      if (peer === undefined || matchIndex === 0 || peer.core.term > term) continue;
      if (peer.store.lastIndex < matchIndex && peer.durableApp.index < matchIndex) {
        throw violation("what is acknowledged is durable", `n${id} at ${matchIndex}`);
      }
    }
  }

  /** Leader completeness: whoever is elected has all that is committed. */
  #checkCompleteness(replica: Replica): void {
    const { log } = replica.core.state;
    for (const [index, term] of this.#committed) {
      if (index <= log.baseIndex) continue;
      if (log.termAt(index) !== term) {
        throw violation("leader completeness", `n${replica.id} lacks ${term}/${index}`);
      }
    }
  }

  /** What a node first calls committed is durable on a quorum, in the worst of crashes. */
  #onCommitted(replica: Replica): void {
    const { log, membership, role, commitIndex } = replica.core.state;
    for (let index = this.maxCommitted + 1; index <= commitIndex; index++) {
      const term = log.termAt(index);
      if (term !== -1) this.#committed.set(index, term);
    }
    this.maxCommitted = commitIndex;
    if (role === "leader")
      this.#checkDurability(commitIndex, log.termAt(commitIndex), membership.current);
  }

  #checkDurability(index: number, term: number, configuration: Configuration): void {
    const acknowledged = new Map<number, number>();
    for (const replica of this.#replicas()) {
      const image = replica.store.image();
      const run = image.runs.findLast((each) => each.firstIndex <= index);
      const isHeld = (image.lastIndex >= index && run?.term === term) || image.base.index >= index;
      acknowledged.set(replica.id, isHeld ? index : 0);
    }
    if (quorumCommitted(configuration, acknowledged) < index) {
      throw violation("what is committed is durable on a quorum", `${term}/${index}`);
    }
  }

  #checkState(replica: Replica): void {
    const known = this.#states.get(replica.app.index);
    if (known !== undefined && known !== replica.app.hash) {
      throw violation("states agree", `n${replica.id} at ${replica.app.index}`);
    }
  }

  #vote(from: number, term: number, candidate: number): void {
    const key = `${from}/${term}`;
    const known = this.#votes.get(key);
    if (known !== undefined && known !== candidate) {
      throw violation(
        "one vote per term",
        `n${from} voted for n${known} and n${candidate} in ${term}`,
      );
    }
    this.#votes.set(key, candidate);
  }

  #memory(id: number): NodeMemory {
    let memory = this.#nodes.get(id);
    if (memory === undefined) {
      memory = { term: 0, commitIndex: 0, applied: 0, leaderOf: 0, lastIndex: 0, incarnation: 0 };
      this.#nodes.set(id, memory);
    }
    return memory;
  }
}

/** What was seen of a node, also across its restarts. */
interface NodeMemory {
  /** The highest term that it spoke of. */
  term: number;
  commitIndex: number;
  applied: number;
  leaderOf: number;
  lastIndex: number;
  incarnation: number;
}

export class Violation extends Error {
  override readonly name = "Violation";
}

export function violation(rule: string, facts: string): Violation {
  return new Violation(`${rule}: ${facts}`);
}
