/**
 * One message in: checks it, compares terms, and hands it to its file.
 *
 * Rules for terms (§5.1), with the exceptions that keep a node which was cut off from disturbing the
 * others (dissertation §4.2.3, §9.6):
 *
 *   message's term   what happens
 *   above            become follower in it; but not for a pre-vote or its promise, nor for a
 *                    candidate while a leader is heard
 *   equal            the handler of the message
 *   below            answer with the own term where that helps the sender; else drop
 */
import { stepAppendRequest } from "./append-request.ts";
import { stepAppendResponse } from "./append-response.ts";
import { stepFetchRequest } from "./fetch-request.ts";
import { stepFetchResponse } from "./fetch-response.ts";
import { stepHeartbeatRequest } from "./heartbeat-request.ts";
import { stepHeartbeatResponse } from "./heartbeat-response.ts";
import { NOBODY } from "./ids.ts";
import { stepTimeoutNow } from "./timeout-now.ts";
import {
  type AppendRequest,
  type HeartbeatRequest,
  type HibernateRequest,
  type Message,
  type SnapshotRequest,
} from "./message.ts";
import { sendWithTerm } from "./outbox.ts";
import { isWaking, stepHibernateRequest, stepHibernateResponse, wake } from "./quiet.ts";
import { type RaftState } from "./raft-state.ts";
import { traceReceive } from "./raft-trace.ts";
import { stepReadRequest, stepReadResponse } from "./read-index.ts";
import { becomeFollower } from "./roles.ts";
import { stepSnapshotRequest } from "./snapshot-request.ts";
import { stepSnapshotResponse } from "./snapshot-send.ts";
import { findMessageProblem } from "./validate.ts";
import { isLeaderProtected, stepPreVoteRequest, stepVoteRequest } from "./vote-request.ts";
import { stepVoteResponse } from "./vote-response.ts";

/** What only the leader of its term sends. */
type LeaderMessage = AppendRequest | HeartbeatRequest | SnapshotRequest | HibernateRequest;

export function step(state: RaftState, message: Message): void {
  const problem = findMessageProblem(state, message);
  if (problem !== undefined) {
    state.drop(problem);
    return;
  }
  traceReceive(state, message);
  const isTermless = message.type === "fetch-request" || message.type === "fetch-response";
  if (!isTermless && !compareTerms(state, message)) return;
  if (isWaking(message) && (state.isQuiet || state.leading?.isFallingAsleep === true)) wake(state);
  HANDLERS[message.type](state, message as never);
}

/** Applies the rules for terms. Returns whether the message is handled further. */
function compareTerms(state: RaftState, message: Message): boolean {
  if (message.term > state.term) return raiseTerm(state, message);
  if (message.term === state.term || isSabotagedTerm(state, message)) return true;
  answerStale(state, message);
  return false;
}

/** A newer term. Returns whether the message is handled further. */
function raiseTerm(state: RaftState, message: Message): boolean {
  if (message.type === "vote-request") {
    if (message.isPreVote) return true; // it asks about a term that may never come
    if (isLeaderProtected(state, message)) {
      if (state.isQuiet) wake(state); // perhaps the leader is gone, and nobody has told
      state.drop("leader-alive");
      return false;
    }
  }
  if (message.type === "vote-response" && message.isPreVote && message.granted) return true;
  becomeFollower(state, message.term, NOBODY);
  return true;
}

/** An older term: who still leads in it, or would like to lead, is told. */
function answerStale(state: RaftState, message: Message): void {
  if (message.type === "vote-request" && message.isPreVote) {
    stepPreVoteRequest(state, message);
    return;
  }
  state.drop("stale-term");
  if (!isFromLeader(message) || !(state.settings.checkQuorum || state.settings.preVote)) return;
  // Without this, a node whose term ran ahead would ignore its leader, and never win itself.
  sendWithTerm(state, {
    type: "append-response",
    group: state.group,
    from: state.self,
    to: message.from,
    term: state.term,
    accepted: false,
    matchIndex: 0,
    rejectedIndex: 0,
    hintIndex: 0,
    hintTerm: 0,
  });
}

type Handler<T extends Message["type"]> = (
  state: RaftState,
  message: Extract<Message, { readonly type: T }>,
) => void;

const HANDLERS: { readonly [T in Message["type"]]: Handler<T> } = {
  "vote-request": (state, m) =>
    m.isPreVote ? stepPreVoteRequest(state, m) : stepVoteRequest(state, m),
  "vote-response": stepVoteResponse,
  "append-request": following(stepAppendRequest),
  "append-response": leading(stepAppendResponse),
  "heartbeat-request": following(stepHeartbeatRequest),
  "heartbeat-response": leading(stepHeartbeatResponse),
  "hibernate-request": following(stepHibernateRequest),
  "hibernate-response": leading(stepHibernateResponse),
  "snapshot-request": following(stepSnapshotRequest),
  "snapshot-response": leading(stepSnapshotResponse),
  "timeout-now": (state, m) =>
    m.from === state.leader ? stepTimeoutNow(state, m) : state.drop("unexpected"),
  "read-request": leading(stepReadRequest),
  "read-response": stepReadResponse,
  "fetch-request": stepFetchRequest,
  "fetch-response": stepFetchResponse,
};

/** A message of the leader: whoever takes it in follows the sender. */
function following<M extends LeaderMessage>(
  handler: (state: RaftState, message: M) => void,
): (state: RaftState, message: M) => void {
  return (state, message) => {
    if (followLeader(state, message)) handler(state, message);
  };
}

/** A message that only a leader understands. */
function leading<M extends Message>(
  handler: (state: RaftState, message: M) => void,
): (state: RaftState, message: M) => void {
  return (state, message) => {
    if (state.leading === undefined) state.drop("not-leader");
    else handler(state, message);
  };
}

/** Takes the sender as leader of this term. Returns false if another one is known. */
function followLeader(state: RaftState, message: LeaderMessage): boolean {
  if (state.role === "leader" || (state.leader !== NOBODY && state.leader !== message.from)) {
    state.drop("second-leader");
    return false;
  }
  if (state.role !== "follower" || state.leader !== message.from) {
    becomeFollower(state, message.term, message.from);
  }
  state.hearLeader();
  return true;
}

function isFromLeader(message: Message): message is LeaderMessage {
  const { type } = message;
  return (
    type === "append-request" ||
    type === "heartbeat-request" ||
    type === "snapshot-request" ||
    type === "hibernate-request"
  );
}

/** REL-R7's sabotage: follows a leader of an earlier term. */
function isSabotagedTerm(state: RaftState, message: Message): boolean {
  if (!state.sabotage["raft.term-goes-down"] || message.type !== "append-request") return false;
  if (state.role === "leader") return false;
  becomeFollower(state, message.term, message.from);
  return true;
}
