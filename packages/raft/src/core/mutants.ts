/**
 * Built-in sabotage: each name switches one rule of the algorithm off. Tests switch them on, one at
 * a time, to prove that they notice. Read once, at construction; production answers no to all.
 */
export const MUTANTS = [
  /** REL-R1: a vote is answered before it is durable. */
  "raft.vote-before-persist",
  /** REL-R2: a follower acknowledges entries before they are durable. */
  "raft.ack-before-persist",
  /** REL-R2: the leader counts entries that it has not made durable. */
  "raft.leader-counts-unsynced",
  /** REL-R3: every append cuts the log behind its previous entry, even if all matches. */
  "raft.truncate-on-match",
  /** REL-R4: entries of earlier terms are committed by counting (figure 8). */
  "raft.commit-older-term",
  /** REL-R5: a follower commits up to its last entry, not up to the last that matched. */
  "raft.commit-beyond-match",
  /** REL-R6: a late acknowledgement lowers the match index. */
  "raft.match-regress",
  /** REL-R7: a message of an earlier term pulls the term down. */
  "raft.term-goes-down",
  /** REL-R7: the vote is forgotten within its term. */
  "raft.vote-twice",
  /** REL-R8: agreement to a pre-vote counts as a vote. */
  "raft.prevote-counts-as-vote",
  /** REL-R8: a repeated vote counts twice. */
  "raft.duplicate-vote-counts",
  /** REL-R9: logs are compared by length alone. */
  "raft.log-compared-by-index",
  /** REL-R10: a new leader serves reads before it committed an entry of its term. */
  "raft.read-before-own-term",
  /** REL-R11: a read is confirmed by heartbeats that were sent before it. */
  "raft.read-confirmed-by-earlier-heartbeat",
  /** REL-R11: a follower takes an answer to an earlier attempt for its present one. */
  "raft.read-context-reused",
  /** REL-R12: a lease is still trusted after a stall. */
  "raft.lease-survives-stall",
  /** REL-R14: the configuration stays although its entry was cut off. */
  "raft.configuration-survives-truncation",
  /** REL-R14: members change before an entry of the leader's term is committed. */
  "raft.change-before-own-term",
  /** REL-R15: while joint, only the new voters decide. */
  "raft.single-half-quorum",
  /** REL-R15: learners count as voters. */
  "raft.learner-counts",
  /** REL-R16: a leader that is no member any more keeps leading. */
  "raft.removed-leader-stays",
  /** REL-R16: votes are given although a leader is alive. */
  "raft.no-stickiness",
  /** REL-R17: a leader that hears nobody stays. */
  "raft.no-check-quorum",
  /** REL-R18: leadership passes to a node that lacks entries. */
  "raft.transfer-to-stale",
  /** REL-R19: a snapshot older than the log replaces it. */
  "raft.install-older-snapshot",
  /** REL-R20: entries are applied before they are durable here. */
  "raft.apply-unsynced",
  /** REL-R24: a leader whose disk hangs keeps leading. */
  "raft.leads-with-hung-disk",
  /** REL-R25: a node that lost payloads votes and campaigns. */
  "raft.damaged-votes",
] as const;

export type Mutant = (typeof MUTANTS)[number];

/** Which sabotage is on. */
export type Sabotage = Readonly<Record<Mutant, boolean>>;
