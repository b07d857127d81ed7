/** Lets time pass under the eyes of the judge, and asks what must come to pass in it. */
import { isKvsError } from "@kvs/env";
import { voteResult } from "@kvs/raft";
import { type RaftFleet } from "./raft-fleet.ts";
import { type Member } from "./raft-judge.ts";

/** Connections that hung are noticed and opened again within this time (see `NetworkTransport`). */
const RECONNECT_MS = 1700;
/** Calls of the disk that were slow when the faults ended are answered by then. */
const DISKS_MS = 30_000;
const STEP_TICKS = 2;
const COMMIT_TICKS = 200;
const AGREEMENT_TICKS = 400;

/** Who leads, and since which term. */
export interface LedBy {
  readonly id: number;
  readonly term: number;
}

export class RaftAudit {
  readonly #fleet: RaftFleet;
  #openReads = 0;

  constructor(fleet: RaftFleet) {
    this.#fleet = fleet;
  }

  async forTicks(ticks: number): Promise<void> {
    await this.forMs(ticks * this.#fleet.knobs.tickMs);
  }

  /** Checks everything after each event; ends at the first violation. */
  async forMs(forMs: number): Promise<void> {
    const { simulation, judge } = this.#fleet;
    const untilMs = simulation.nowMicros / 1000 + forMs;
    const until = (): boolean => {
      judge.check();
      return judge.violations.length > 0;
    };
    await simulation.run({ untilMs, until });
  }

  /** Runs until something holds. @returns Whether it came to hold in time. */
  async untilHolds(isReached: () => boolean, withinMs: number): Promise<boolean> {
    const stepMs = STEP_TICKS * this.#fleet.knobs.tickMs;
    for (let left = withinMs; ; left -= stepMs) {
      if (isReached()) return true;
      if (left <= 0 || this.#isOver) return this.#isOver;
      await this.forMs(stepMs);
    }
  }

  /** The leader of the latest term that knows that it leads. */
  leader(): LedBy | undefined {
    const leader = this.#leading();
    return leader === undefined ? undefined : { id: leader.id, term: leader.node.core.term };
  }

  /** Two election timeouts after the last process of the healed hosts is at work, somebody leads. */
  async requireLeader(promise: string): Promise<void> {
    const { judge, knobs } = this.#fleet;
    if (!(await this.untilHolds(() => this.#areOpen(), DISKS_MS))) {
      judge.late("healed processes start");
      return;
    }
    const { electionTicksMax = 30 } = knobs.settings;
    // Clocks may still go wrong by one in twenty, and what is looked at in steps is seen later.
    const timeoutMs = 1.06 * electionTicksMax * knobs.tickMs + STEP_TICKS * knobs.tickMs;
    const splits = judge.splitVotes;
    const isLed = (): boolean => this.#isLed();
    const withinMs = RECONNECT_MS + 2 * timeoutMs;
    if (await this.untilHolds(isLed, withinMs)) return;
    // Votes that split, and were seen to, cost a timeout each.
    for (let more = 0; more < judge.splitVotes - splits; more++) {
      judge.probe("election-split-twice");
      if (await this.untilHolds(isLed, timeoutMs)) return;
    }
    judge.late(promise);
  }

  /** What is proposed now is committed. */
  async requireCommit(): Promise<void> {
    const { judge, knobs } = this.#fleet;
    const floor = judge.maxCommitted;
    const isDone = await this.untilHolds(
      () => judge.maxCommitted > floor || this.#isIdle(),
      COMMIT_TICKS * knobs.tickMs,
    );
    if (!isDone) judge.late("a healed quorum commits");
  }

  /** All members have applied all that is committed, and came to the same state. */
  async requireAgreement(): Promise<void> {
    const { judge, knobs } = this.#fleet;
    const withinMs = RECONNECT_MS + AGREEMENT_TICKS * knobs.tickMs;
    const isDone = await this.untilHolds(() => this.#isSettled(), withinMs);
    if (!isDone) judge.late("a healed group agrees");
  }

  /** At the end every register is read on every node: the history shows whether all is there. */
  async readAll(): Promise<void> {
    const { judge, knobs } = this.#fleet;
    const members = [...judge.members.values()].filter((member) => this.#isMember(member));
    for (const member of members) for (const key of knobs.keys) void this.#read(member, key);
    const isDone = await this.untilHolds(() => this.#openReads === 0, COMMIT_TICKS * knobs.tickMs);
    if (!isDone) judge.late("a healed group answers reads");
  }

  async #read({ node, machine }: Member, key: string): Promise<void> {
    if (machine === undefined) return;
    const { history, judge } = this.#fleet;
    const call = history.invoke(history.newProcess(), { f: "read", value: [key, null] });
    const floor = judge.maxCommitted;
    this.#openReads++;
    try {
      const index = await node.readIndex();
      if (index < floor) judge.broke("reads are fresh", `at ${index}, ${floor} was committed`);
      call.ok([key, machine.read(key)]);
    } catch (error) {
      if (!isKvsError(error)) throw error;
      call.fail();
      judge.late("a healed group answers reads");
    }
    this.#openReads--;
  }

  /** All nodes as text, for messages of violations. */
  describe(): string {
    const texts = [...this.#fleet.judge.members.values()].map(({ id, node }) => {
      return `n${id} ${node.describe()}`;
    });
    return texts.join("\n");
  }

  get #isOver(): boolean {
    return this.#fleet.judge.violations.length > 0;
  }

  #leading(): Member | undefined {
    const members = [...this.#fleet.judge.members.values()];
    const leaders = members.filter(({ node }) => node.role === "leader");
    return leaders.toSorted((left, right) => right.node.core.term - left.node.core.term)[0];
  }

  /** Whether every healed host has its replica open, and no disk is still busy with old calls. */
  #areOpen(): boolean {
    const { judge, numbers, down } = this.#fleet;
    return numbers.every((number) => {
      if (down.has(number)) return true;
      const member = judge.members.get(this.#fleet.idOf(number));
      return member !== undefined && member.isUp() && !member.node.core.state.isDiskHung;
    });
  }

  /** Somebody leads whom a quorum follows: it has committed an entry of its term. */
  #isLed(): boolean {
    const leader = this.#leading();
    if (leader === undefined || this.#fleet.down.has(leader.host)) return false;
    const { state, configuration, term } = leader.node.core;
    if (state.leading === undefined || state.commitIndex < state.leading.ownTermStart) return false;
    const votes = new Map<number, boolean>();
    for (const { id, host, node } of this.#fleet.judge.members.values()) {
      const isFollowing = node.core.term === term && node.leader === leader.id;
      votes.set(id, isFollowing && !this.#fleet.down.has(host));
    }
    return voteResult(configuration, votes) === "won";
  }

  /** Whether no client may ask any more. */
  #isIdle(): boolean {
    const { knobs, history } = this.#fleet;
    return knobs.keys.every((key) => !history.hasRoom(key)) || !history.hasRead;
  }

  #isSettled(): boolean {
    const leader = this.#leading();
    if (leader === undefined) return false;
    const { configuration, commitIndex, lastIndex } = leader.node.core;
    if (configuration.outgoing.length > 0 || commitIndex !== lastIndex) return false;
    const ids = [...configuration.incoming, ...configuration.learners];
    return ids.every((id) => {
      if (!this.#fleet.isPresent(id)) return true;
      const member = this.#fleet.judge.members.get(id);
      return member !== undefined && isEqual(member, leader, commitIndex);
    });
  }

  #isMember({ id }: Member): boolean {
    const leader = this.#leading();
    if (leader === undefined) return false;
    const { incoming, learners } = leader.node.configuration;
    return incoming.includes(id) || learners.includes(id);
  }
}

function isEqual(member: Member, leader: Member, commitIndex: number): boolean {
  const { core } = member.node;
  if (core.appliedIndex !== commitIndex || core.lastIndex !== commitIndex) return false;
  if (member.machine === undefined) return true;
  return leader.machine === undefined || member.machine.hash === leader.machine.hash;
}
