import { type Configuration } from "./configuration.ts";
import { onConfigurationAppended } from "./configuration-change.ts";
import { encodeConfiguration } from "./configuration-codec.ts";
import {
  bytesOf,
  countOf,
  type EntryBatch,
  type EntryKind,
  packPayloads,
  type Payloads,
} from "./entry.ts";
import { type LogIndex } from "./ids.ts";
import { leadershipOf } from "./leadership.ts";
import { type RaftState } from "./raft-state.ts";
import { trace } from "./raft-trace.ts";

const NO_BYTES = new Uint8Array(0);
const ONE_EMPTY = new Uint32Array(2);

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

/** Appends a configuration, which is in force at once (§6). Returns the index of its entry. */
export function appendConfiguration(state: RaftState, configuration: Configuration): LogIndex {
  const payloads = packPayloads([encodeConfiguration(configuration)]);
  const batch = appendOwn(state, "configuration", payloads);
  onConfigurationAppended(state, batch);
  return batch.firstIndex;
}

/**
 * Appends the entry that will commit all before it. The first leader of a group writes the founders
 * into the log: nodes that join later learn from it who the members are.
 */
export function appendTermStart(state: RaftState): void {
  const { current, currentIndex } = state.membership;
  if (currentIndex === 0) appendConfiguration(state, current);
  else appendOwn(state, "empty", { data: NO_BYTES, offsets: ONE_EMPTY });
}
