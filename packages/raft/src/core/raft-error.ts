import { KvsError } from "@kvs/env";

import { type LogIndex, NOBODY, type NodeId } from "./ids.ts";

/**
 * Codes of the core. None of them leaves a trace in the log: the outcome is always `none`.
 *
 * - `RAFT_NOT_LEADER` (retryable): only the leader does this; `details.leader` names it if it is known.
 * - `RAFT_OVERLOADED` (retryable): too many bytes wait to be committed, or too many reads to be confirmed; ask for less.
 * - `RAFT_TRANSFERRING` (retryable): leadership is about to pass to another node; ask that one.
 * - `RAFT_CHANGE_PENDING` (retryable): the members are changing already, or the new leader does not know them for certain yet.
 * - `RAFT_INVALID_CHANGE`: the members asked for cannot be a group; correct the operations.
 * - `RAFT_LEARNER_BEHIND` (retryable): a node is to become a voter, but lacks entries; let it catch up as a learner.
 * - `RAFT_INVALID_TRANSFER`: leadership cannot pass to this node: it is no voter with data, or leads already.
 * - `RAFT_BATCH_TOO_LARGE`: a proposal is empty or larger than the limit; split it.
 * - `RAFT_INVALID_OPTIONS`: the settings of a node contradict each other or its log.
 */
export type RaftErrorCode =
  | "RAFT_NOT_LEADER"
  | "RAFT_OVERLOADED"
  | "RAFT_TRANSFERRING"
  | "RAFT_CHANGE_PENDING"
  | "RAFT_INVALID_CHANGE"
  | "RAFT_LEARNER_BEHIND"
  | "RAFT_INVALID_TRANSFER"
  | "RAFT_BATCH_TOO_LARGE"
  | "RAFT_INVALID_OPTIONS";

export function notLeader(leader: NodeId): KvsError<RaftErrorCode> {
  const hint = leader === NOBODY ? "no leader is known; wait and retry" : `ask node ${leader}`;
  return refusal("RAFT_NOT_LEADER", `this node does not lead; ${hint}`, {
    retryable: true,
    details: leader === NOBODY ? {} : { leader },
  });
}

export function overloaded(bytes: number, max: number): KvsError<RaftErrorCode> {
  const message = `${bytes} bytes wait to be committed, ${max} are allowed; retry when some are`;
  return refusal("RAFT_OVERLOADED", message, { retryable: true, details: { bytes, max } });
}

export function tooManyReads(count: number): KvsError<RaftErrorCode> {
  const message = `${count} reads wait to be confirmed; retry when some are`;
  return refusal("RAFT_OVERLOADED", message, { retryable: true, details: { count } });
}

export function transferring(to: NodeId): KvsError<RaftErrorCode> {
  const message = `leadership is passing to node ${to}; ask it`;
  return refusal("RAFT_TRANSFERRING", message, { retryable: true, details: { to } });
}

export function changePending(why: string): KvsError<RaftErrorCode> {
  return refusal("RAFT_CHANGE_PENDING", `${why}; retry later`, { retryable: true });
}

export function invalidChange(why: string): KvsError<RaftErrorCode> {
  return refusal("RAFT_INVALID_CHANGE", `${why}; correct the change`, {});
}

export function learnerBehind(node: NodeId, match: LogIndex): KvsError<RaftErrorCode> {
  const message = `node ${node} lacks entries after ${match}; add it as a learner first`;
  return refusal("RAFT_LEARNER_BEHIND", message, { retryable: true, details: { node, match } });
}

export function invalidTransfer(to: NodeId, why: string): KvsError<RaftErrorCode> {
  const message = `leadership cannot pass to node ${to}: ${why}`;
  return refusal("RAFT_INVALID_TRANSFER", message, { details: { to } });
}

export function batchTooLarge(bytes: number, max: number): KvsError<RaftErrorCode> {
  const message = `a proposal has 1 to ${max} bytes, not ${bytes}; split it`;
  return refusal("RAFT_BATCH_TOO_LARGE", message, { details: { bytes, max } });
}

export function invalidOptions(why: string): KvsError<RaftErrorCode> {
  return refusal("RAFT_INVALID_OPTIONS", `${why}; correct the settings`, {});
}

interface RefusalOptions {
  readonly retryable?: boolean;
  readonly details?: Readonly<Record<string, number>>;
}

function refusal(
  code: RaftErrorCode,
  message: string,
  options: RefusalOptions,
): KvsError<RaftErrorCode> {
  return new KvsError(code, message, { outcome: "none", ...options });
}
