/**
 * A follower still follows: that keeps the leader in office, and confirms its reads.
 */
import { confirmReads } from "./read-index.ts";
import { leadershipOf } from "./leadership.ts";
import { onRoundsAnswered } from "./lease.ts";
import { type HeartbeatResponse } from "./message.ts";
import { type RaftState } from "./raft-state.ts";

export function stepHeartbeatResponse(state: RaftState, response: HeartbeatResponse): void {
  const leading = leadershipOf(state);
  const progress = leading.peers.get(response.from);
  if (progress === undefined) {
    state.drop("unknown-member");
    return;
  }
  if (response.round > leading.round) {
    state.drop("beyond-log");
    return;
  }
  progress.isActive = true;
  progress.ackedRound = Math.max(progress.ackedRound, response.round);
  const isBehind = progress.state !== "snapshot" && progress.matchIndex < state.log.lastIndex;
  if (isBehind && progress.matchIndex === progress.matchAtHeartbeat) {
    // Nothing was acknowledged meanwhile: it may be lost, with nothing behind it to be rejected.
    progress.isProbeSent = false;
    progress.isAppendDue = true;
    leading.isBroadcastDue = true;
  }
  onRoundsAnswered(state);
  confirmReads(state);
}
