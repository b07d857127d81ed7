/**
 * One step of logical time: timeouts of elections and heartbeats (§5.2), and what else waits.
 */
import { tickCheckQuorum } from "./check-quorum.ts";
import { onElectionTimeout } from "./election.ts";
import { tickFetch } from "./fetch-request.ts";
import { handOver, tickLeadershipTransfer } from "./leadership-transfer.ts";
import { leadershipOf } from "./leadership.ts";
import { tickLearners } from "./membership-change.ts";
import { broadcastHibernate, tickQuiet } from "./quiet.ts";
import { type RaftState } from "./raft-state.ts";
import { tickForwardedReads } from "./read-index.ts";
import { broadcastHeartbeat } from "./replication.ts";
import { tickTransfer } from "./snapshot-send.ts";

/** @param nowMs The driver's monotonic clock, for leases; it never goes back. */
export function tick(state: RaftState, nowMs: number): void {
  state.ticks++;
  if (nowMs > state.nowMs) state.nowMs = nowMs;
  if (state.isQuiet) return;
  tickFetch(state);
  if (state.role === "leader") {
    tickLeader(state);
    return;
  }
  tickForwardedReads(state);
  state.electionElapsed++;
  if (state.electionElapsed >= state.electionTimeout) onElectionTimeout(state);
}

function tickLeader(state: RaftState): void {
  if (state.isDiskHung && !state.sabotage["raft.leads-with-hung-disk"]) {
    // Nobody knows whether the disk comes back; others' disks may well answer (REL-R24).
    handOver(state);
    return;
  }
  tickCheckQuorum(state);
  if (state.role !== "leader") return;
  const leading = leadershipOf(state);
  tickLeadershipTransfer(state);
  tickLearners(state);
  for (const progress of leading.others) {
    if (progress.state === "snapshot") tickTransfer(state, progress);
  }
  tickQuiet(state);
  leading.heartbeatElapsed++;
  if (leading.heartbeatElapsed < state.settings.heartbeatTicks) return;
  if (leading.isFallingAsleep) broadcastHibernate(state);
  else broadcastHeartbeat(state);
}
