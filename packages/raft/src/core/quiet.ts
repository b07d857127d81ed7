/**
 * Quiet groups: a process hosts thousands of groups, most of them idle, and an idle one sends
 * nothing.
 *
 *             idle for quietAfterTicks             all members agreed
 *   awake ─────────────────────────────▶ falling ─────────────────────▶ quiet
 *     ▲                                     │ somebody does not            │
 *     └─────────────────────────────────────┴──────────────────────────────┘
 *        a proposal, a read, a change, a lost peer, any message but an answer to this
 *
 * While falling asleep the leader sends hibernate requests in place of heartbeats. A follower agrees
 * if its log and commit index are the leader's; its clock then stops, and it trusts that the leader
 * lives. So does the leader's check of its quorum. What makes this safe is that safety never rests on
 * clocks; what makes it live is the driver: it watches processes, not groups, and calls `peerLost`.
 * A lease runs out while quiet, because no heartbeat renews it.
 */
import { isJoint } from "./configuration.ts";
import { type HibernateRequest, type HibernateResponse, type Message } from "./message.ts";
import { type Leadership, leadershipOf } from "./leadership.ts";
import { sendNow, sendWithTerm } from "./outbox.ts";
import { type RaftState } from "./raft-state.ts";
import { restartElectionTimer } from "./roles.ts";
import { broadcastHeartbeat } from "./replication.ts";

/** Starts the clocks again. A leader says so at once, for its followers' clocks stand. */
export function wake(state: RaftState): void {
  const { leading } = state;
  if (leading !== undefined) {
    const isHeartbeatDue = state.isQuiet || leading.isFallingAsleep;
    leading.idleTicks = 0;
    leading.isFallingAsleep = false;
    for (const progress of leading.others) progress.isHibernating = false;
    if (isHeartbeatDue) {
      for (const progress of leading.others) progress.isActive = true; // a grace, as when elected
      state.electionElapsed = 0;
      state.isQuiet = false;
      broadcastHeartbeat(state);
    }
  } else if (state.isQuiet) {
    restartElectionTimer(state);
  }
  state.isQuiet = false;
}

/** Whether a message tells that the group is not idle. */
export function isWaking(message: Message): boolean {
  return message.type !== "hibernate-request" && message.type !== "hibernate-response";
}

/** Leader, each tick: counts idle time, and whether heartbeats are replaced. */
export function tickQuiet(state: RaftState): void {
  const { quietAfterTicks, electionTicksMin } = state.settings;
  if (quietAfterTicks === 0) return;
  const leading = leadershipOf(state);
  if (!isIdle(state, leading)) {
    if (leading.isFallingAsleep) wake(state);
    leading.idleTicks = 0;
    return;
  }
  leading.idleTicks++;
  if (leading.idleTicks >= quietAfterTicks) leading.isFallingAsleep = true;
  // Somebody does not answer: heartbeats go on, so that nobody's clock stands without need.
  if (leading.idleTicks >= quietAfterTicks + electionTicksMin) wake(state);
}

/** Asks all followers to be quiet. */
export function broadcastHibernate(state: RaftState): void {
  const leading = leadershipOf(state);
  leading.heartbeatElapsed = 0;
  for (const progress of leading.others) {
    const { group, self: from, term, commitIndex } = state;
    const { lastIndex } = state.log;
    const to = progress.id;
    sendNow(state, { type: "hibernate-request", group, from, to, term, lastIndex, commitIndex });
  }
  goQuietIfAgreed(state, leading); // a group of one
}

/** A follower agrees if it has nothing to wait for. */
export function stepHibernateRequest(state: RaftState, request: HibernateRequest): void {
  const { log } = state;
  const accepted =
    request.lastIndex === log.lastIndex &&
    request.commitIndex === state.commitIndex &&
    request.commitIndex === request.lastIndex &&
    log.persistedIndex === log.lastIndex &&
    log.damaged.length === 0 &&
    state.installing === undefined;
  state.isQuiet = accepted;
  const { group, self: from, term } = state;
  const { from: to, lastIndex } = request;
  sendWithTerm(state, { type: "hibernate-response", group, from, to, term, accepted, lastIndex });
}

/** The leader goes quiet once every member agreed to its present last entry. */
export function stepHibernateResponse(state: RaftState, response: HibernateResponse): void {
  const leading = leadershipOf(state);
  const progress = leading.peers.get(response.from);
  if (progress === undefined) {
    state.drop("unknown-member");
    return;
  }
  progress.isActive = true;
  if (!leading.isFallingAsleep || response.lastIndex !== state.log.lastIndex) {
    state.drop("unexpected");
    return;
  }
  progress.isHibernating = response.accepted;
  goQuietIfAgreed(state, leading);
}

function goQuietIfAgreed(state: RaftState, leading: Leadership): void {
  if (!leading.others.every(({ isHibernating }) => isHibernating)) return;
  state.isQuiet = true;
  leading.isFallingAsleep = false;
}

function isIdle(state: RaftState, leading: Leadership): boolean {
  const { lastIndex } = state.log;
  return (
    state.commitIndex === lastIndex &&
    state.handedIndex === lastIndex &&
    state.pendingWrites.length === 0 &&
    leading.transfer === undefined &&
    leading.pendingReads.length === 0 &&
    state.openReadContext === 0 &&
    !isJoint(state.membership.current) &&
    leading.others.every(
      (progress) => progress.matchIndex === lastIndex && progress.sentCommit >= lastIndex,
    )
  );
}
