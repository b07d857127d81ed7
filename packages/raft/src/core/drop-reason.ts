/**
 * Why a message was not taken in. Counted for each reason; the state stays as it was.
 *
 * Damaged or hostile:
 * - `wrong-group`, `not-addressed`, `from-self`: it was never meant for this replica.
 * - `malformed`: a field is no number, out of range, or contradicts another one.
 * - `malformed-entries`: entries with gaps, descending terms, or terms above the message's.
 * - `malformed-configuration`: members that no group can have.
 * - `term-jump`: it would use up the terms there are.
 * - `second-leader`: another node than the known leader claims to lead this term.
 * - `beyond-log`: it acknowledges entries that were never sent.
 * - `chunk-checksum`, `chunk-gap`: a piece of a snapshot is damaged, or not the next one.
 *
 * Late or misdirected, as happens on healthy networks:
 * - `stale-term`: the sender had not heard of the present term.
 * - `unknown-member`: an answer from a node that is no member.
 * - `unexpected`: an answer to a question that is no longer open.
 * - `leader-alive`: a candidate asks for votes although the leader is heard.
 * - `installing`: entries arrive while a snapshot replaces the state.
 * - `not-leader`: a request that only a leader answers.
 * - `unsuitable-transfer`: this node was told to lead, but lacks entries or may not.
 */
export type DropReason =
  | "wrong-group"
  | "not-addressed"
  | "from-self"
  | "malformed"
  | "malformed-entries"
  | "malformed-configuration"
  | "term-jump"
  | "second-leader"
  | "beyond-log"
  | "chunk-checksum"
  | "chunk-gap"
  | "stale-term"
  | "unknown-member"
  | "unexpected"
  | "leader-alive"
  | "installing"
  | "not-leader"
  | "unsuitable-transfer";
