/**
 * What a node knows only while it leads. Made when it wins an election, dropped when it steps down.
 */
import { assert } from "@kvs/env";

import { ByteLedger } from "./byte-ledger.ts";
import { isWitness, membersOf } from "./configuration.ts";
import { electorateOf } from "./electorate.ts";
import { type LogIndex, type NodeId } from "./ids.ts";
import { InflightWindow } from "./inflight-window.ts";
import { Progress } from "./progress.ts";
import { VoterSet } from "./quorum.ts";
import { type RaftState } from "./raft-state.ts";

/** A read that waits until a quorum answers a round of heartbeats that was sent after it. */
export interface PendingRead {
  /** The asking follower, or this node itself. */
  readonly from: NodeId;
  readonly context: number;
  readonly index: LogIndex;
  readonly round: number;
}

/** Leadership on its way to another node (dissertation §3.10). */
export interface Transfer {
  readonly to: NodeId;
  isSent: boolean;
  ticks: number;
}

export class Leadership {
  /** Every member, this node included; it stays itself even if it is no member any more. */
  readonly peers: Map<NodeId, Progress> = new Map();
  readonly own: Progress;
  /** All but this node, ascending. */
  others: readonly Progress[] = [];
  voters: VoterSet<Progress>;
  /** Voters that hold data. */
  dataVoters: readonly Progress[] = [];
  hasWitnesses = false;
  /** The empty entry with which this term began: commits all before it (§5.4.2). */
  readonly ownTermStart: LogIndex;
  readonly uncommitted: ByteLedger = new ByteLedger();

  /** Whether there may be something to send that no peer has been offered. */
  isBroadcastDue = true;
  /** Whether the commit index grew since the last Ready. */
  isCommitNews = false;
  heartbeatElapsed = 0;
  /** The last round of heartbeats that was sent; rounds begin at 1 in each term. */
  round = 0;
  /** Reads of followers that came in this turn. */
  readonly openRemoteReads: { readonly from: NodeId; readonly context: number }[] = [];
  /** Ascending rounds. */
  readonly pendingReads: PendingRead[] = [];

  transfer: Transfer | undefined;
  idleTicks = 0;
  /** Whether followers were asked to be quiet. */
  isFallingAsleep = false;

  /** Rounds that no quorum has answered, and when each was sent: two rings of equal length. */
  readonly roundTimes: { readonly round: number; readonly sentMs: number }[] = [];
  /** When the last round that a quorum answered was sent; -Infinity before. */
  leaseStartMs: number = Number.NEGATIVE_INFINITY;
  /** Rounds up to here do not renew the lease: they were sent before a stall. */
  leaseFloorRound = 0;

  constructor(state: RaftState) {
    this.ownTermStart = state.log.lastIndex + 1;
    this.own = newProgress(state, state.self);
    this.own.matchIndex = state.log.persistedIndex;
    this.own.nextIndex = state.log.lastIndex + 1;
    this.voters = new VoterSet<Progress>([], []);
    this.updateMembers(state);
  }

  /** Follows the configuration: who is new starts from nothing, who left is forgotten. */
  updateMembers(state: RaftState): void {
    const configuration = state.membership.current;
    const members = new Set(membersOf(configuration));
    for (const id of this.peers.keys()) if (!members.has(id)) this.peers.delete(id);
    for (const id of members) {
      if (this.peers.has(id)) continue;
      this.peers.set(id, id === state.self ? this.own : newProgress(state, id));
    }
    const find = (id: NodeId): Progress => this.peers.get(id)!;
    this.others = [...members].filter((id) => id !== state.self).map(find);
    const electorate = electorateOf(state);
    this.voters = new VoterSet(electorate.incoming.map(find), electorate.outgoing.map(find));
    const dataVoters = [...configuration.incoming, ...configuration.outgoing].filter(
      (id) => !isWitness(configuration, id),
    );
    this.dataVoters = [...new Set(dataVoters)].map(find);
    this.hasWitnesses = configuration.witnesses.length > 0;
    this.isBroadcastDue = true;
    if (this.transfer !== undefined && !members.has(this.transfer.to)) this.transfer = undefined;
  }
}

/** The leadership of a node that leads. */
export function leadershipOf(state: RaftState): Leadership {
  assert(state.leading !== undefined, "a leader has a leadership");
  return state.leading;
}

/** Whether this leader committed an entry of its term, so that it knows all that is (§8). */
export function hasCommittedOwnTerm(state: RaftState): boolean {
  return state.leading !== undefined && state.commitIndex >= state.leading.ownTermStart;
}

function newProgress(state: RaftState, id: NodeId): Progress {
  const { inflightMessagesMax, inflightMaxBytes } = state.settings;
  const window = new InflightWindow(inflightMessagesMax, inflightMaxBytes);
  const progress = new Progress(id, state.log.lastIndex + 1, window);
  progress.isActive = true; // a grace of one check of the quorum
  return progress;
}
