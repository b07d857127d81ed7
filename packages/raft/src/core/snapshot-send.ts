/**
 * The leader brings a peer that lacks compacted entries up by an image of the state (§7).
 *
 *   leader                                   peer
 *     │── snapshot-request, no data ──────────▶│  how much have you?
 *     │◀─────────────── snapshot-response(offset)
 *     │── snapshot-request(offset, data) ─────▶│  durable, then
 *     │◀─────────── snapshot-response(offset') │
 *     │                 …                      │  all there: installs
 *     │◀───────────────────── append-response(match = snapshot.index)
 *
 * One piece at a time; a piece that is lost, or a new leader with the same image, resumes where the
 * peer stands. A witness gets members and position, and no data: it holds no state. It is sent no
 * further than what all voters with data hold, so that it never drops what others may need.
 */
import { assert } from "@kvs/env";

import { isWitness } from "./configuration.ts";
import { type LogIndex, type NodeId } from "./ids.ts";
import { leadershipOf } from "./leadership.ts";
import { type SnapshotMetadata, type SnapshotResponse } from "./message.ts";
import { sendNow } from "./outbox.ts";
import { type Progress } from "./progress.ts";
import { type RaftState } from "./raft-state.ts";

const NO_DATA = new Uint8Array(0);

/** The peer needs entries that are gone: sends it an image, or asks the driver to make one. */
export function beginTransfer(state: RaftState, progress: Progress): void {
  progress.becomeSnapshot();
  const snapshot = snapshotFor(state, progress.id);
  if (snapshot === undefined) {
    state.outbox.isSnapshotWanted = true;
    return;
  }
  progress.transfer = { snapshot, ackedBytes: -1, isChunkWanted: false, silentTicks: 0 };
  sendOffer(state, progress, snapshot);
}

/** A new image exists: peers that waited for one get it. */
export function onSnapshotTaken(state: RaftState, snapshot: SnapshotMetadata): void {
  state.snapshot = snapshot;
  for (const progress of state.leading?.others ?? []) {
    if (progress.state === "snapshot" && progress.transfer === undefined) {
      beginTransfer(state, progress);
    }
  }
}

/** The peer said how much it has: asks the driver for the next piece. */
export function stepSnapshotResponse(state: RaftState, response: SnapshotResponse): void {
  const progress = leadershipOf(state).peers.get(response.from);
  if (progress === undefined) {
    state.drop("unknown-member");
    return;
  }
  progress.isActive = true;
  const { transfer } = progress;
  if (transfer === undefined || transfer.snapshot.index !== response.index) {
    state.drop("unexpected");
    return;
  }
  if (response.offset > transfer.snapshot.sizeBytes) {
    state.drop("beyond-log");
    return;
  }
  transfer.silentTicks = 0;
  if (transfer.isChunkWanted && response.offset === transfer.ackedBytes) return; // repeated
  transfer.ackedBytes = response.offset;
  transfer.isChunkWanted = false;
  wantChunk(state, progress);
}

/** Sends a piece that the driver read. One that is no longer wanted is dropped. */
export function sendChunk(
  state: RaftState,
  to: NodeId,
  chunk: { readonly index: LogIndex; readonly offset: number; readonly data: Uint8Array },
): void {
  const progress = state.leading?.peers.get(to);
  const transfer = progress?.transfer;
  if (transfer === undefined || transfer.snapshot.index !== chunk.index) return;
  if (!transfer.isChunkWanted || transfer.ackedBytes !== chunk.offset) return;
  const { snapshot } = transfer;
  assert(chunk.data.length > 0, "a piece of a snapshot has bytes");
  assert(chunk.offset + chunk.data.length <= snapshot.sizeBytes, "a piece ends with its image");
  sendNow(state, {
    ...envelope(state, to),
    snapshot,
    offset: chunk.offset,
    data: chunk.data,
    checksum: state.checksum(chunk.data),
  });
}

/** Asks a silent peer again where it stands. */
export function tickTransfer(state: RaftState, progress: Progress): void {
  const { transfer } = progress;
  if (transfer === undefined) {
    state.outbox.isSnapshotWanted = true;
    return;
  }
  transfer.silentTicks++;
  if (transfer.silentTicks % state.settings.snapshotRetryTicks !== 0) return;
  if (!progress.isActive && transfer.silentTicks > 4 * state.settings.snapshotRetryTicks) {
    progress.becomeProbe(); // it is gone; the log need not wait for it
    return;
  }
  transfer.isChunkWanted = false;
  sendOffer(state, progress, transfer.snapshot);
}

/** The newest index up to which the log may be compacted without cutting off a transfer. */
export function transferFloor(state: RaftState): LogIndex {
  let floor = Number.POSITIVE_INFINITY;
  for (const { transfer } of state.leading?.others ?? []) {
    if (transfer !== undefined) floor = Math.min(floor, transfer.snapshot.index);
  }
  return floor;
}

function wantChunk(state: RaftState, progress: Progress): void {
  const transfer = progress.transfer!;
  const { snapshot, ackedBytes } = transfer;
  if (ackedBytes === snapshot.sizeBytes) return; // it is installing
  transfer.isChunkWanted = true;
  const length = Math.min(state.settings.snapshotChunkBytes, snapshot.sizeBytes - ackedBytes);
  state.outbox.wantedChunks.push({ to: progress.id, snapshot, offset: ackedBytes, length });
}

/** An image that ends where the log goes on, if there is one. */
function snapshotFor(state: RaftState, to: NodeId): SnapshotMetadata | undefined {
  const { log, membership } = state;
  if (isWitness(membership.current, to)) {
    const configuration = membership.at(log.baseIndex);
    const { baseIndex: index, baseTerm: term } = log;
    return { index, term, configuration, sizeBytes: 0, checksum: 0 };
  }
  return state.snapshot !== undefined && state.snapshot.index >= log.baseIndex
    ? state.snapshot
    : undefined;
}

function sendOffer(state: RaftState, progress: Progress, snapshot: SnapshotMetadata): void {
  sendNow(state, {
    ...envelope(state, progress.id),
    snapshot,
    offset: 0,
    data: NO_DATA,
    checksum: 0,
  });
}

function envelope(state: RaftState, to: NodeId) {
  const { group, self: from, term } = state;
  return { type: "snapshot-request", group, from, to, term } as const;
}
