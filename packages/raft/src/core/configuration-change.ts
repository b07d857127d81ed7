import { assert } from "@kvs/env";

import { decodeConfiguration } from "./configuration-codec.ts";
import { type EntryBatch, lastIndexOf, payloadAt } from "./entry.ts";
import { type LogIndex } from "./ids.ts";
import { type RaftState } from "./raft-state.ts";
import { trace } from "./raft-trace.ts";

/** The members of a configuration entry are in force as soon as it is in the log (§6). */
export function onConfigurationAppended(state: RaftState, batch: EntryBatch): void {
  assert(batch.kind === "configuration", "only a configuration entry changes members");
  assert(lastIndexOf(batch) === batch.firstIndex, "a configuration entry stands alone");
  const configuration = decodeConfiguration(payloadAt(batch, batch.firstIndex));
  assert(configuration !== undefined, "a configuration in the log was checked before");
  state.membership.append(batch.firstIndex, configuration);
  state.leading?.updateMembers(state);
  trace(state, "ChangeConf");
}

/** Entries from `index` on are gone, and their configurations with them. */
export function onConfigurationTruncated(state: RaftState, index: LogIndex): void {
  if (state.sabotage["raft.configuration-survives-truncation"]) return;
  if (state.membership.truncate(index)) trace(state, "ChangeConf");
}
