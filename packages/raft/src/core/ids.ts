/**
 * A server process, for as long as it keeps its disk: an integer in [1, 2^53). A process whose disk
 * was lost or wiped gets a new id, because it forgot what it voted for.
 */
export type NodeId = number;

/** Raft's count of elections: 0 before the first; it has one leader or none. */
export type Term = number;

/** Position in the log, from 1. Index 0 stands before the first entry, with term 0. */
export type LogIndex = number;

/** One replicated log among the many that a process hosts: an integer in [1, 2^53). */
export type GroupId = number;

/** In places where a node may be absent: nobody. No node has this id. */
export const NOBODY = 0;

/**
 * The largest term and index that the core takes from a message. Far below 2^53, so that sums stay
 * exact; at a million entries a second it is reached after 142 years.
 */
export const POSITION_MAX: number = 2 ** 52;

/**
 * How far one message may raise the term. Terms grow by elections, one at a time; a larger jump is
 * a damaged or forged message, and believing it would use up all terms there are.
 */
export const TERM_JUMP_MAX: number = 2 ** 32;

/** Whether `value` is a node or group id. */
export function isId(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 1;
}

/** Whether `value` can be a term or an index. */
export function isPosition(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= POSITION_MAX;
}
