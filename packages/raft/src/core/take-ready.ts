/**
 * Gathers what one turn made necessary into a Ready, and takes back the driver's reports.
 */
import { assert } from "@kvs/env";

import { afterCommit } from "./after-commit.ts";
import { maybeCommit, updateStableIndex } from "./commit-rule.ts";
import { onOwnVotePersisted } from "./election.ts";
import { type EntryBatch, lastIndexOf } from "./entry.ts";
import { type LogIndex, NOBODY } from "./ids.ts";
import { leadershipOf } from "./leadership.ts";
import { type HardState } from "./log-store.ts";
import { onTransferProgress } from "./leadership-transfer.ts";
import { Outbox, sendAcknowledgement } from "./outbox.ts";
import { type RaftState } from "./raft-state.ts";
import { trace } from "./raft-trace.ts";
import { flushReads } from "./read-index.ts";
import { type Ready } from "./ready.ts";
import { broadcastAppends } from "./replication.ts";

/** What there is to do, or `undefined` if nothing. */
export function takeReady(state: RaftState): Ready | undefined {
  gather(state);
  const apply = takeApply(state);
  const { outbox } = state;
  const isWrite = hasContent(state, outbox);
  const isWaiting = outbox.afterPersist.length > 0 && state.pendingWrites.length > 0;
  if (!isWrite && !isWaiting) {
    for (const message of outbox.afterPersist) outbox.messages.push(message);
    outbox.afterPersist = [];
    if (apply.length === 0 && isEmpty(outbox)) return undefined;
  }
  const number = isWrite || isWaiting ? ++state.lastNumber : 0;
  const hardState = takeHardState(state);
  const { cutFrom, entries } = state.log.takeUnhanded();
  if (number !== 0) notePending(state, number, outbox.repairs);
  state.outbox = new Outbox();
  trace(state, "Ready");
  const { messages, afterPersist, newBase, repairs, receivedChunks, install } = outbox;
  const { reads, failedReads, wantedChunks, isSnapshotWanted } = outbox;
  return {
    number,
    messages,
    afterPersist,
    hardState,
    newBase,
    cutFrom,
    entries,
    repairs,
    receivedChunks,
    install,
    apply,
    reads,
    failedReads,
    wantedChunks,
    isSnapshotWanted,
  };
}

/** Does what was left for once a turn. */
function gather(state: RaftState): void {
  if (state.leading?.isCommitNews === true) {
    state.leading.isCommitNews = false;
    afterCommit(state);
  }
  flushReads(state);
  if (state.leading?.isBroadcastDue === true) broadcastAppends(state);
}

/** The driver made everything up to Ready `number` durable. */
export function onPersisted(state: RaftState, number: number): void {
  assert(number >= 1 && number <= state.lastNumber, "a report is about a Ready that was taken");
  const { pendingWrites, log } = state;
  let count = 0;
  let isRepaired = false;
  while (count < pendingWrites.length && pendingWrites[count]!.number <= number) {
    const write = pendingWrites[count]!;
    count++;
    log.persisted(write.lastIndex);
    if (write.term > state.durableTerm) state.durableTerm = write.term;
    for (const batch of write.repairs) {
      log.repaired(batch.firstIndex, lastIndexOf(batch));
      isRepaired = true;
    }
  }
  pendingWrites.splice(0, count);
  if (isRepaired) acknowledgeRepair(state);
  if (state.role === "candidate" && isOwnVoteIn(state, number)) onOwnVotePersisted(state);
  if (state.role === "leader") onLeaderPersisted(state);
}

/** The state machine took in everything up to `index`. */
export function onApplied(state: RaftState, index: LogIndex): void {
  assert(index <= state.handedIndex, "only what was handed out is applied");
  if (index > state.appliedIndex) state.appliedIndex = index;
  state.log.evict(state.settings.cacheMaxBytes, state.appliedIndex);
}

/** §5.3: the leader is one of its own followers, but no sooner than its disk. */
function onLeaderPersisted(state: RaftState): void {
  const leading = leadershipOf(state);
  if (!leading.own.acknowledge(state.log.persistedIndex)) return;
  maybeCommit(state);
  if (leading.hasWitnesses) updateStableIndex(state);
  const target = leading.transfer && leading.peers.get(leading.transfer.to);
  if (target !== undefined) onTransferProgress(state, target);
}

function isOwnVoteIn(state: RaftState, number: number): boolean {
  return state.ownVoteNumber !== 0 && state.ownVoteNumber <= number;
}

/** The leader was told only of what came before the damage. */
function acknowledgeRepair(state: RaftState): void {
  if (state.role !== "follower" || state.leader === NOBODY || state.matchedIndex === 0) return;
  sendAcknowledgement(state, state.leader, state.log.soundTo(state.matchedIndex));
}

/** Committed entries that are durable here, up to a limit, once the last ones are applied. */
function takeApply(state: RaftState): readonly EntryBatch[] {
  if (state.installing !== undefined || state.appliedIndex !== state.handedIndex) return [];
  const { log, commitIndex, handedIndex } = state;
  const isEarly = state.sabotage["raft.apply-unsynced"];
  const limit = isEarly ? commitIndex : Math.min(commitIndex, log.persistedIndex);
  if (limit <= handedIndex) return [];
  if (state.isWitness) {
    state.handedIndex = limit;
    onApplied(state, limit);
    return [];
  }
  const batches = log.read(handedIndex + 1, limit, state.settings.applyMaxBytes) ?? [];
  const last = batches.at(-1);
  if (last !== undefined) state.handedIndex = lastIndexOf(last);
  return batches;
}

function takeHardState(state: RaftState): HardState | undefined {
  if (!state.isHardStateDirty) return undefined;
  state.isHardStateDirty = false;
  const { term, votedFor, commitIndex } = state;
  return { term, votedFor, commitIndex };
}

function notePending(state: RaftState, number: number, repairs: readonly EntryBatch[]): void {
  const { log, term, ticks: tick } = state;
  state.pendingWrites.push({ number, lastIndex: log.lastIndex, term, tick, repairs });
  if (state.role === "candidate" && state.ownVoteNumber === 0) state.ownVoteNumber = number;
}

function hasContent(state: RaftState, outbox: Outbox): boolean {
  return (
    state.isHardStateDirty ||
    state.log.hasUnhanded ||
    outbox.newBase !== undefined ||
    outbox.repairs.length > 0 ||
    outbox.receivedChunks.length > 0
  );
}

function isEmpty(outbox: Outbox): boolean {
  return (
    outbox.messages.length === 0 &&
    outbox.reads.length === 0 &&
    outbox.failedReads.length === 0 &&
    outbox.wantedChunks.length === 0 &&
    outbox.install === undefined &&
    !outbox.isSnapshotWanted
  );
}
