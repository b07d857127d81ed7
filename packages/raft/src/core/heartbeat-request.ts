/**
 * A follower hears that its leader lives (§5.2), and how far it may apply.
 */
import { assert } from "@kvs/env";

import { noteStable } from "./append-request.ts";
import { commitTo } from "./commit-rule.ts";
import { type HeartbeatRequest } from "./message.ts";
import { sendWithTerm } from "./outbox.ts";
import { type RaftState } from "./raft-state.ts";

export function stepHeartbeatRequest(state: RaftState, request: HeartbeatRequest): void {
  assert(state.role === "follower", "only a follower has a leader");
  noteStable(state, request.stableIndex);
  if (state.installing === undefined) {
    // The leader names no index that it does not know to match; a forged one ends at the log.
    commitTo(state, Math.min(request.commitIndex, state.log.lastIndex));
  }
  sendWithTerm(state, {
    type: "heartbeat-response",
    group: state.group,
    from: state.self,
    to: request.from,
    term: state.term,
    round: request.round,
  });
}
