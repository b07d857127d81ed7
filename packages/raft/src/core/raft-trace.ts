/**
 * What happened, in the words of etcd/raft's state trace, so that its TLA+ specification can judge
 * a run of this core. One event is one line of NDJSON: `JSON.stringify` of it.
 *
 * Source: etcd-io/raft, `state_trace.go` (names and fields of events only).
 */
import { countOf } from "./entry.ts";
import { NOBODY, type NodeId } from "./ids.ts";
import { type Message } from "./message.ts";
import { type RaftState } from "./raft-state.ts";

export type RaftEventName =
  | "InitState"
  | "BecomeFollower"
  | "BecomeCandidate"
  | "BecomeLeader"
  | "Replicate"
  | "Commit"
  | "Ready"
  | "ChangeConf"
  | "ApplyConfChange"
  | "SendAppendEntriesRequest"
  | "ReceiveAppendEntriesRequest"
  | "SendAppendEntriesResponse"
  | "ReceiveAppendEntriesResponse"
  | "SendRequestVoteRequest"
  | "ReceiveRequestVoteRequest"
  | "SendRequestVoteResponse"
  | "ReceiveRequestVoteResponse"
  | "SendSnapshot"
  | "ReceiveSnapshot";

/** One event, after which the node's state is as told. Ids are text, as in etcd's traces. */
export interface RaftEvent {
  readonly name: RaftEventName;
  readonly nid: string;
  readonly role: "StateFollower" | "StatePreCandidate" | "StateCandidate" | "StateLeader";
  readonly state: { readonly term: number; readonly vote: string; readonly commit: number };
  /** The last index of the log. */
  readonly log: number;
  /** Incoming and outgoing voters. */
  readonly conf: readonly [readonly string[], readonly string[]];
  readonly msg?: RaftEventMessage;
}

export interface RaftEventMessage {
  readonly type: Message["type"];
  readonly term: number;
  readonly from: string;
  readonly to: string;
  /** How many; of a snapshot, its index. */
  readonly entries: number;
  readonly logTerm: number;
  readonly index: number;
  readonly commit: number;
  readonly vote: string;
  readonly reject: boolean;
  readonly rejectHint: number;
}

/** Called at once, in the order in which things happen. It must not call back into the core. */
export interface RaftObserver {
  event(event: RaftEvent): void;
}

const ROLES = {
  follower: "StateFollower",
  "pre-candidate": "StatePreCandidate",
  candidate: "StateCandidate",
  leader: "StateLeader",
} as const;

/** Tells the observer, if there is one. */
export function trace(state: RaftState, name: RaftEventName, message?: Message): void {
  const { observer } = state;
  if (observer === undefined) return;
  const { incoming, outgoing } = state.membership.current;
  const event: RaftEvent = {
    name,
    nid: String(state.self),
    role: ROLES[state.role],
    state: { term: state.term, vote: String(state.votedFor), commit: state.commitIndex },
    log: state.log.lastIndex,
    conf: [toTexts(incoming), toTexts(outgoing)],
  };
  observer.event(message === undefined ? event : { ...event, msg: describe(message) });
}

/** Tells the observer of a message that this node sends. */
export function traceSend(state: RaftState, message: Message): void {
  if (state.observer === undefined) return;
  const subject = subjectOf(message);
  if (subject !== undefined) trace(state, `Send${subject}`, message);
}

/** Tells the observer of a message that this node is about to take in. */
export function traceReceive(state: RaftState, message: Message): void {
  if (state.observer === undefined) return;
  const subject = subjectOf(message);
  if (subject !== undefined) trace(state, `Receive${subject}`, message);
}

/** Under which name a message appears. Pre-votes and the rest are not part of the specification. */
const SUBJECTS = {
  "append-request": "AppendEntriesRequest",
  "heartbeat-request": "AppendEntriesRequest",
  "append-response": "AppendEntriesResponse",
  "heartbeat-response": "AppendEntriesResponse",
  "vote-request": "RequestVoteRequest",
  "vote-response": "RequestVoteResponse",
  "snapshot-request": "Snapshot",
} as const;

type Subject = (typeof SUBJECTS)[keyof typeof SUBJECTS];

function subjectOf(message: Message): Subject | undefined {
  if ("isPreVote" in message && message.isPreVote) return undefined;
  return message.type in SUBJECTS ? SUBJECTS[message.type as keyof typeof SUBJECTS] : undefined;
}

const SILENT = {
  entries: 0,
  logTerm: 0,
  index: 0,
  commit: 0,
  vote: String(NOBODY),
  reject: false,
  rejectHint: 0,
};

function describe(message: Message): RaftEventMessage {
  const { type, term } = message;
  const envelope = { type, term, from: String(message.from), to: String(message.to) };
  return { ...SILENT, ...envelope, ...contentOf(message) };
}

type Content<T extends Message["type"]> = (
  message: Extract<Message, { readonly type: T }>,
) => Partial<RaftEventMessage>;

const CONTENTS: { readonly [T in keyof typeof SUBJECTS]: Content<T> } = {
  "append-request": ({ entries, prevIndex, prevTerm, commitIndex }) => ({
    entries: entries.reduce((sum, batch) => sum + countOf(batch), 0),
    index: prevIndex,
    logTerm: prevTerm,
    commit: commitIndex,
  }),
  "heartbeat-request": (m) => ({ commit: m.commitIndex }),
  "heartbeat-response": () => ({}),
  "append-response": ({ accepted, matchIndex, rejectedIndex, hintIndex, hintTerm }) =>
    accepted
      ? { index: matchIndex }
      : { index: rejectedIndex, reject: true, rejectHint: hintIndex, logTerm: hintTerm },
  "vote-request": (m) => ({ index: m.lastIndex, logTerm: m.lastTerm }),
  "vote-response": (m) => ({ reject: !m.granted }),
  "snapshot-request": (m) => ({ entries: m.snapshot.index }),
};

function contentOf(message: Message): Partial<RaftEventMessage> {
  return CONTENTS[message.type as keyof typeof SUBJECTS](message as never);
}

function toTexts(ids: readonly NodeId[]): readonly string[] {
  return ids.map(String);
}
