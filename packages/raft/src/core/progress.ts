/**
 * What a leader knows of one member.
 *
 *              rejected, or a message was lost
 *            ┌──────────────────────────────────┐
 *            ▼                                  │
 *        ┌───────┐  accepted              ┌───────────┐
 *   ────▶│ probe │───────────────────────▶│ replicate │
 *        └───────┘                        └───────────┘
 *            │ ▲                                │
 *   entries  │ │ installed or given up          │ entries compacted
 *  compacted ▼ │                                ▼
 *        ┌──────────┐◀──────────────────────────┘
 *        │ snapshot │
 *        └──────────┘
 *
 * probe: one message, then silence until an answer. replicate: messages run ahead, within a window.
 * snapshot: no entries until the peer has the state.
 *
 * 1. matchIndex < nextIndex, always.
 * 2. matchIndex never goes back within a term (REL-R6).
 */
import { assert } from "@kvs/env";

import { type LogIndex, type NodeId } from "./ids.ts";
import { type InflightWindow } from "./inflight-window.ts";
import { type SnapshotMetadata } from "./message.ts";

export type ProgressState = "probe" | "replicate" | "snapshot";

/** A snapshot on its way to a peer. */
export interface SnapshotTransfer {
  readonly snapshot: SnapshotMetadata;
  /** What the peer is known to have; -1 before its first answer. */
  ackedBytes: number;
  /** Whether the driver was asked for the chunk at `ackedBytes`. */
  isChunkWanted: boolean;
  /** Ticks since the peer last answered. */
  silentTicks: number;
}

export class Progress {
  readonly id: NodeId;
  readonly inflight: InflightWindow;
  matchIndex: LogIndex = 0;
  nextIndex: LogIndex;
  state: ProgressState = "probe";
  /** In state probe: a message is unanswered. */
  isProbeSent = false;
  /** An empty append is due: the peer may lack what was sent and lost. */
  isAppendDue = false;
  /** The store is loading entries for this peer. */
  isLoading = false;
  /** Whether the peer was heard since the last check of the quorum. */
  isActive = false;
  /** The last round of heartbeats that the peer answered. */
  ackedRound = 0;
  /** What the peer matched when it was last sent a heartbeat. */
  matchAtHeartbeat: LogIndex = 0;
  /** The commit index that the peer was last sent. */
  sentCommit: LogIndex = 0;
  /** Whether the peer agreed to be quiet at the leader's present last entry. */
  isHibernating = false;
  /** In state snapshot: `undefined` until there is one to send. */
  transfer: SnapshotTransfer | undefined;
  /** Catching up, in rounds (dissertation §4.2.1): the entry that ends this round. */
  roundEnd: LogIndex = 0;
  roundTicks = 0;
  /** Whether the last whole round took less than an election timeout. */
  isCaughtUp = false;

  constructor(id: NodeId, nextIndex: LogIndex, inflight: InflightWindow) {
    this.id = id;
    this.nextIndex = nextIndex;
    this.inflight = inflight;
  }

  /** Notes that the peer's log agrees up to `index`. Returns whether that is news. */
  acknowledge(index: LogIndex): boolean {
    const isNews = index > this.matchIndex;
    if (isNews) {
      this.matchIndex = index;
      this.isProbeSent = false;
    }
    if (index >= this.nextIndex) this.nextIndex = index + 1;
    assert(this.matchIndex < this.nextIndex, "the next entry to send follows the matching ones");
    return isNews;
  }

  /**
   * Notes a rejection of `rejectedIndex`, and goes back to `hintIndex`. Returns whether it was
   * about the present: late rejections say nothing.
   */
  reject(rejectedIndex: LogIndex, hintIndex: LogIndex): boolean {
    if (this.state === "replicate") {
      if (rejectedIndex <= this.matchIndex) return false;
      this.becomeProbe();
      return true;
    }
    if (this.state === "snapshot" || this.nextIndex - 1 !== rejectedIndex) return false;
    this.nextIndex = Math.max(Math.min(rejectedIndex, hintIndex + 1), this.matchIndex + 1);
    this.isProbeSent = false;
    return true;
  }

  becomeProbe(): void {
    this.nextIndex = this.matchIndex + 1;
    this.#reset("probe");
  }

  becomeReplicate(): void {
    this.nextIndex = this.matchIndex + 1;
    this.#reset("replicate");
  }

  becomeSnapshot(): void {
    this.#reset("snapshot");
  }

  #reset(state: ProgressState): void {
    this.state = state;
    this.isProbeSent = false;
    this.isLoading = false;
    this.transfer = undefined;
    this.inflight.clear();
  }
}

/** What a quorum is computed from, without a closure each time. */
export function matchOf(progress: Progress): LogIndex {
  return progress.matchIndex;
}

/** What confirms reads. */
export function ackedRoundOf(progress: Progress): number {
  return progress.ackedRound;
}
