/** Built-in bugs of the log store, which named tests must catch. All are off in production. */
export const LOG_MUTANTS = [
  /** REL-R1: what a prune needs is taken from what is not durable yet. */
  "raft.log.prune-before-sync",
  /** REL-R1: a group's vote is not written again when the records before go. */
  "raft.log.prune-forgets-vote",
  /** REL-R25: entries whose payloads are damaged are taken for the end of the log. */
  "raft.log.damage-ends-log",
  /** REL-R3: a cut is not written, so that what was cut comes back. */
  "raft.log.skip-cut",
  /** REL-R2: a sync answers before the log is durable. */
  "raft.log.ack-before-sync",
  /** REL-R25: an identity without its payloads counts as an entry. */
  "raft.log.keep-torn-entries",
] as const;

export type LogMutant = (typeof LOG_MUTANTS)[number];
export type LogSabotage = Readonly<Record<LogMutant, boolean>>;
