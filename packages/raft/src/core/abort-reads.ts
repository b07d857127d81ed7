import { type RaftState } from "./raft-state.ts";

/** The term or the leader changed: nobody answers these any more. */
export function abortReads(state: RaftState): void {
  const { failedReads } = state.outbox;
  if (state.openReadContext !== 0) failedReads.push(state.openReadContext);
  state.openReadContext = 0;
  for (const { context } of state.forwardedReads) failedReads.push(context);
  state.forwardedReads.length = 0;
  for (const read of state.leading?.pendingReads ?? []) {
    if (read.from === state.self) failedReads.push(read.context);
  }
}
