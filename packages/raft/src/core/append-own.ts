import { bytesOf, countOf, type EntryBatch, type EntryKind, type Payloads } from "./entry.ts";
import { type LogIndex } from "./ids.ts";
import { leadershipOf } from "./leadership.ts";
import { type RaftState } from "./raft-state.ts";
import { trace } from "./raft-trace.ts";

/** Appends entries of the leader's own term, to be sent with the next Ready (§5.3). */
export function appendOwn(state: RaftState, kind: EntryKind, payloads: Payloads): EntryBatch {
  const leading = leadershipOf(state);
  const firstIndex: LogIndex = state.log.lastIndex + 1;
  const { data, offsets } = payloads;
  const batch: EntryBatch = { kind, term: state.term, firstIndex, data, offsets };
  state.log.append(batch);
  leading.uncommitted.add(state.log.lastIndex, bytesOf(batch));
  leading.own.nextIndex = state.log.lastIndex + 1;
  if (state.sabotage["raft.leader-counts-unsynced"]) leading.own.acknowledge(state.log.lastIndex);
  leading.isBroadcastDue = true;
  if (state.observer !== undefined && kind !== "configuration") {
    for (let at = 0; at < countOf(batch); at++) trace(state, "Replicate");
  }
  return batch;
}
