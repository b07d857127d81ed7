/**
 * What nodes of a group say to each other. Plain values; the arrays inside are shared and immutable.
 *
 * Names follow the paper: a *request* goes out, a *response* answers it. Terms are those of the
 * sender when it sent, but for pre-votes: they carry the term that the sender would campaign in.
 */
import { type Configuration } from "./configuration.ts";
import { type EntryBatch } from "./entry.ts";
import { type GroupId, type LogIndex, type NodeId, type Term } from "./ids.ts";

interface Envelope {
  readonly group: GroupId;
  readonly from: NodeId;
  readonly to: NodeId;
  readonly term: Term;
}

/** A candidate, or a node that would like to be one, asks for a vote (§5.2; dissertation §9.6). */
export interface VoteRequest extends Envelope {
  readonly type: "vote-request";
  readonly isPreVote: boolean;
  /** The leader asked the sender to campaign: others need not protect that leader. */
  readonly isTransfer: boolean;
  readonly lastIndex: LogIndex;
  readonly lastTerm: Term;
}

export interface VoteResponse extends Envelope {
  readonly type: "vote-response";
  readonly isPreVote: boolean;
  readonly granted: boolean;
  /** The log of the responder, from which a candidate may learn that it lacks entries. */
  readonly lastIndex: LogIndex;
  readonly lastTerm: Term;
}

/** The leader sends entries that follow (`prevIndex`, `prevTerm`); perhaps none (§5.3). */
export interface AppendRequest extends Envelope {
  readonly type: "append-request";
  readonly prevIndex: LogIndex;
  readonly prevTerm: Term;
  readonly entries: readonly EntryBatch[];
  readonly commitIndex: LogIndex;
  /** All voters with data hold the entries up to here: witnesses may drop them. */
  readonly stableIndex: LogIndex;
}

/** A follower's log and the leader's agree up to `matchIndex`, or not at `rejectedIndex`. */
export interface AppendResponse extends Envelope {
  readonly type: "append-response";
  readonly accepted: boolean;
  /** Durable and equal to the leader's up to here; meaningless in a rejection. */
  readonly matchIndex: LogIndex;
  /** The `prevIndex` that did not match; 0 in an acceptance. */
  readonly rejectedIndex: LogIndex;
  /** Where the follower suggests to look: its last entry with a term not above the leader's. */
  readonly hintIndex: LogIndex;
  readonly hintTerm: Term;
}

/** The leader is alive, and asks whether it still leads. */
export interface HeartbeatRequest extends Envelope {
  readonly type: "heartbeat-request";
  /** Grows with each round of heartbeats of a term: what a response confirms. */
  readonly round: number;
  /** Never above what this follower is known to match. */
  readonly commitIndex: LogIndex;
  readonly stableIndex: LogIndex;
}

export interface HeartbeatResponse extends Envelope {
  readonly type: "heartbeat-response";
  readonly round: number;
}

/** The leader has nothing to say any more: followers at this very point may stop their clocks. */
export interface HibernateRequest extends Envelope {
  readonly type: "hibernate-request";
  readonly lastIndex: LogIndex;
  readonly commitIndex: LogIndex;
}

export interface HibernateResponse extends Envelope {
  readonly type: "hibernate-response";
  readonly accepted: boolean;
  /** The last index of the request that is answered. */
  readonly lastIndex: LogIndex;
}

/** What identifies an image of the state, and describes its bytes. */
export interface SnapshotMetadata {
  readonly index: LogIndex;
  readonly term: Term;
  readonly configuration: Configuration;
  /** Length of the image; 0 for a witness, which gets none. */
  readonly sizeBytes: number;
  /** Of the whole image, to be verified by who installs it. */
  readonly checksum: number;
}

/** A piece of a snapshot. Without data it only asks how much the receiver has already. */
export interface SnapshotRequest extends Envelope {
  readonly type: "snapshot-request";
  readonly snapshot: SnapshotMetadata;
  readonly offset: number;
  readonly data: Uint8Array;
  /** Of `data`. */
  readonly checksum: number;
}

/** The receiver has this many bytes of the snapshot, durably. */
export interface SnapshotResponse extends Envelope {
  readonly type: "snapshot-response";
  readonly index: LogIndex;
  readonly offset: number;
}

/** The leader hands over: campaign at once, if your log ends where mine does (dissertation §3.10). */
export interface TimeoutNow extends Envelope {
  readonly type: "timeout-now";
  readonly lastIndex: LogIndex;
  readonly lastTerm: Term;
}

/** A follower asks for an index at which a read is linearizable (dissertation §6.4). */
export interface ReadRequest extends Envelope {
  readonly type: "read-request";
  /** Unique to this attempt. */
  readonly context: number;
}

export interface ReadResponse extends Envelope {
  readonly type: "read-response";
  readonly context: number;
  readonly index: LogIndex;
}

/** A node that lost payloads, or learnt of a witness with a longer log, asks for what follows. */
export interface FetchRequest extends Envelope {
  readonly type: "fetch-request";
  readonly prevIndex: LogIndex;
  readonly prevTerm: Term;
}

export interface FetchResponse extends Envelope {
  readonly type: "fetch-response";
  readonly prevIndex: LogIndex;
  readonly prevTerm: Term;
  /** Empty if the responder's log differs at `prevIndex`, or no longer reaches back to it. */
  readonly entries: readonly EntryBatch[];
  /** The whole log of the responder, which may be longer than `entries`. */
  readonly lastIndex: LogIndex;
  readonly lastTerm: Term;
  /** If nothing matched: an earlier point to ask for. */
  readonly hintIndex: LogIndex;
}

export type Message =
  | VoteRequest
  | VoteResponse
  | AppendRequest
  | AppendResponse
  | HeartbeatRequest
  | HeartbeatResponse
  | HibernateRequest
  | HibernateResponse
  | SnapshotRequest
  | SnapshotResponse
  | TimeoutNow
  | ReadRequest
  | ReadResponse
  | FetchRequest
  | FetchResponse;
