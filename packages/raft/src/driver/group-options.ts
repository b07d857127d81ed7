import { type GroupId, type NodeId } from "../core/ids.ts";
import { type RaftSettings } from "../core/raft-options.ts";
import { type RaftObserver } from "../core/raft-trace.ts";
import { type GroupLog } from "../store/group-log.ts";
import { type SnapshotStore } from "./snapshot-store.ts";
import { type StateMachine } from "./state-machine.ts";

/** A replica of a group to be opened. */
export interface GroupOptions {
  readonly group: GroupId;
  readonly log: GroupLog;
  /** What is replicated. Absent: this node is a witness, for life. */
  readonly machine?: StateMachine;
  /** Where images of the state are kept. Needed unless the state survives crashes by itself. */
  readonly snapshots?: SnapshotStore;
  /** Default: `DEFAULT_SETTINGS`, but a disk counts as hung after `electionTicksMax`. */
  readonly settings?: Partial<RaftSettings>;
  /** Applied entries after which the log is cut. Default 100,000. */
  readonly snapshotEntries?: number;
  /** Entries that stay in the log then. Default 10,000. */
  readonly keptEntries?: number;
  /** How long a proposal may wait to be decided. Default 1,000. */
  readonly proposalTimeoutTicks?: number;
  /** Whether a learner that has caught up becomes a voter now. Default: never. */
  readonly shouldPromote?: (learner: NodeId) => boolean;
  /** Told of what the algorithm does, in the words of etcd/raft's trace. */
  readonly observer?: RaftObserver;
  /** The replica stopped: its disk or state machine failed. */
  readonly onFailure?: (error: unknown) => void;
}

/** Applied entries after which a state in memory is saved, and the log cut. */
export const SNAPSHOT_ENTRIES: number = 100_000;
/** Entries kept in the log although the state has them: peers that lag a little need no image. */
export const KEPT_ENTRIES: number = 10_000;
/** Ten seconds, at ticks of 10 ms. */
export const PROPOSAL_TIMEOUT_TICKS: number = 1000;
