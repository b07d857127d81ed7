/**
 * A follower receives an image of the state, piece by piece (§7).
 *
 * Only what is ahead of this node's commit index replaces anything (REL-R19). Entries behind the
 * image that this node has stay. While the driver installs it, no entry is applied or appended.
 */
import { assert } from "@kvs/env";

import { NOBODY } from "./ids.ts";
import { type SnapshotMetadata, type SnapshotRequest } from "./message.ts";
import { sendAcknowledgement, sendAfterPersist } from "./outbox.ts";
import { type IncomingSnapshot, type RaftState } from "./raft-state.ts";
import { trace } from "./raft-trace.ts";

export function stepSnapshotRequest(state: RaftState, request: SnapshotRequest): void {
  assert(state.role === "follower", "only a follower takes a snapshot");
  const { snapshot } = request;
  if (state.installing !== undefined) {
    state.drop("installing");
    return;
  }
  if (!isNeeded(state, snapshot)) {
    // The leader's view is old: it learns that this node is past the image.
    state.incoming = undefined;
    sendAcknowledgement(state, request.from, state.log.soundTo(state.commitIndex));
    return;
  }
  const incoming = resume(state, snapshot);
  if (!take(state, incoming, request)) return;
  if (incoming.receivedBytes === snapshot.sizeBytes) {
    state.incoming = undefined;
    state.installing = snapshot;
    state.outbox.install = snapshot;
    return;
  }
  respond(state, request, incoming.receivedBytes);
}

/**
 * The driver installed the image: the state is the image's, and durable. The log goes on behind it,
 * or begins anew there. What this node acknowledged behind the image it keeps: others count on it.
 */
export function onSnapshotInstalled(state: RaftState, isGood: boolean): void {
  const { installing, log, membership } = state;
  assert(installing !== undefined, "what is installed was complete");
  state.installing = undefined;
  if (!isGood) return; // the leader will ask again, and hear that nothing is here
  const { index, term, configuration } = installing;
  const keepsSuffix = log.matches(index, term) && index <= log.persistedIndex;
  if (keepsSuffix) {
    log.compact(index);
    membership.compact(index);
  } else {
    log.reset(index, term);
    membership.reset(index, configuration);
    for (const write of state.pendingWrites) write.lastIndex = Math.min(write.lastIndex, index);
  }
  state.outbox.newBase = { point: { index, term, configuration }, keepsSuffix };
  state.commitIndex = Math.max(state.commitIndex, index);
  state.appliedIndex = Math.max(state.appliedIndex, index);
  state.handedIndex = Math.max(state.handedIndex, index);
  state.matchedIndex = Math.max(state.matchedIndex, index);
  trace(state, "ApplyConfChange");
  if (state.leader !== NOBODY) sendAcknowledgement(state, state.leader, index);
}

/** Whether the image is ahead of what this node has, or holds what it lost. */
function isNeeded(state: RaftState, { index }: SnapshotMetadata): boolean {
  if (index > state.commitIndex || state.sabotage["raft.install-older-snapshot"]) return true;
  const [damage] = state.log.damaged;
  return damage !== undefined && index >= damage.from && index > state.handedIndex;
}

/** The image under way, if it is this one; else a new one replaces it. */
function resume(state: RaftState, snapshot: SnapshotMetadata): IncomingSnapshot {
  const { incoming } = state;
  if (incoming !== undefined && isSame(incoming.snapshot, snapshot)) return incoming;
  state.incoming = { snapshot, receivedBytes: 0 };
  return state.incoming;
}

/** Takes the next piece. Returns whether an answer is due. */
function take(state: RaftState, incoming: IncomingSnapshot, request: SnapshotRequest): boolean {
  const { data, offset, snapshot } = request;
  if (data.length === 0) return true; // the leader only asks
  if (offset !== incoming.receivedBytes) {
    state.drop("chunk-gap");
    return false;
  }
  if (state.checksum(data) !== request.checksum) {
    state.drop("chunk-checksum");
    return false;
  }
  state.outbox.receivedChunks.push({ snapshot, offset, data });
  incoming.receivedBytes += data.length;
  assert(incoming.receivedBytes <= snapshot.sizeBytes, "pieces fit into their image");
  return true;
}

function isSame(left: SnapshotMetadata, right: SnapshotMetadata): boolean {
  return (
    left.index === right.index &&
    left.term === right.term &&
    left.sizeBytes === right.sizeBytes &&
    left.checksum === right.checksum
  );
}

function respond(state: RaftState, request: SnapshotRequest, offset: number): void {
  sendAfterPersist(state, {
    type: "snapshot-response",
    group: state.group,
    from: state.self,
    to: request.from,
    term: state.term,
    index: request.snapshot.index,
    offset,
  });
}
