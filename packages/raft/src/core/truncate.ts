import { assert } from "@kvs/env";

import { onConfigurationTruncated } from "./configuration-change.ts";
import { type LogIndex } from "./ids.ts";
import { type RaftState } from "./raft-state.ts";

/**
 * Cuts off the entries from `index` on, with all that was believed because of them: what is durable,
 * what matches, and the configurations among them (REL-R14).
 */
export function truncateLog(state: RaftState, index: LogIndex): void {
  assert(
    index > state.commitIndex || state.sabotage["raft.truncate-on-match"],
    "a committed entry is never cut off",
  );
  assert(state.role !== "leader", "a leader only appends");
  state.log.truncate(index);
  for (const write of state.pendingWrites) write.lastIndex = Math.min(write.lastIndex, index - 1);
  state.matchedIndex = Math.min(state.matchedIndex, index - 1);
  onConfigurationTruncated(state, index);
}
