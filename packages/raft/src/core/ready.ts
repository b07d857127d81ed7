/**
 * What the core asks of its driver.
 *
 * The driver's duties, for each Ready in order:
 *
 * 1. Send `messages`. They promise nothing about this node's disk; a leader's entries are among
 *    them, so that its disk works in parallel with the network.
 * 2. If `number` is not 0: write, in this order, `hardState`; make `newBase` the base of the log; cut
 *    the log at `cutFrom` (if not 0); append `entries`; overwrite the payloads of `repairs`; write `receivedChunks` at their offsets
 *    of the image being received. One sync may serve several Readys; Readys become durable in order.
 * 3. Once that is durable, and every earlier Ready is: send `afterPersist`, and call
 *    `core.persisted(number)`. A failed sync is never repeated and never reported: stop the node.
 * 4. If there is an `install`: verify the image's checksum; make its state, applied index and members
 *    durable; then call `core.snapshotInstalled(true)`, or `(false)` if the image is bad.
 * 5. Give `apply` to the state machine, in order, and call `core.applied(index)`. The applied index
 *    is part of the state, so that no entry is applied twice. A witness has nothing to apply.
 * 6. Answer `reads` once the state has applied their index; reject `failedReads`, to be repeated.
 * 7. For each of `wantedChunks`, read the piece and call `core.sendSnapshotChunk`. If
 *    `isSnapshotWanted`, make an image of the state, unless that is under way, and call
 *    `core.snapshotTaken`.
 *
 * And outside of any Ready:
 *
 * 8. Call `tick` at the rate of its clock, never ahead of it. After a stall of the event loop, read
 *    the sockets first and call `stalled()` instead of making up for lost ticks.
 * 9. Watch its peers' processes, and call `peerLost(node)` in every group when a connection breaks or
 *    a peer falls silent: quiet groups rely on it.
 * 10. Call `compact` only up to an index whose effect is durable in the state machine. What it
 *    drops comes as the `newBase` of the next Ready.
 */
import { type EntryBatch } from "./entry.ts";
import { type LogIndex, type NodeId } from "./ids.ts";
import { type HardState, type LogPoint } from "./log-store.ts";
import { type Message, type SnapshotMetadata } from "./message.ts";

/** A piece of a snapshot that arrived, to be kept durably at its offset. */
export interface ReceivedChunk {
  readonly snapshot: SnapshotMetadata;
  readonly offset: number;
  readonly data: Uint8Array;
}

/** A piece of a snapshot to be read and sent. */
export interface WantedChunk {
  readonly to: NodeId;
  readonly snapshot: SnapshotMetadata;
  readonly offset: number;
  readonly length: number;
}

/** Entries up to `point` are dropped; those behind it too, unless they are kept. */
export interface NewBase {
  readonly point: LogPoint;
  readonly keepsSuffix: boolean;
}

/** A read of this context may be served from a state that has applied `index`. */
export interface ConfirmedRead {
  readonly context: number;
  readonly index: LogIndex;
}

export interface Ready {
  /** Ascending; 0 if nothing has to become durable and `afterPersist` is empty. */
  readonly number: number;
  readonly messages: readonly Message[];
  readonly afterPersist: readonly Message[];
  /** Absent if it is as it was. */
  readonly hardState: HardState | undefined;
  readonly newBase: NewBase | undefined;
  /** 0: nothing is cut off. */
  readonly cutFrom: LogIndex;
  readonly entries: readonly EntryBatch[];
  readonly repairs: readonly EntryBatch[];
  readonly receivedChunks: readonly ReceivedChunk[];
  readonly install: SnapshotMetadata | undefined;
  readonly apply: readonly EntryBatch[];
  readonly reads: readonly ConfirmedRead[];
  readonly failedReads: readonly number[];
  readonly wantedChunks: readonly WantedChunk[];
  readonly isSnapshotWanted: boolean;
}
