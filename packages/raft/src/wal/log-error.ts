import { KvsError } from "@kvs/env";

/**
 * Codes of the log store. Errors of the log below (`WAL_…`) pass through.
 *
 * - `RAFT_LOG_DAMAGED`: records of the log contradict each other, or are of a newer program. Nothing was changed; the node must not vote: bring it back under a new id.
 * - `RAFT_LOG_CLOSED`: the log store was closed before the call.
 */
export type RaftLogErrorCode = "RAFT_LOG_DAMAGED" | "RAFT_LOG_CLOSED";

export function logDamaged(what: string, cause?: unknown): KvsError<RaftLogErrorCode> {
  const message = `${what}; remove the node and bring it back under a new id`;
  const options = { outcome: "none" } as const;
  return new KvsError(
    "RAFT_LOG_DAMAGED",
    message,
    cause === undefined ? options : { ...options, cause },
  );
}

export function logClosed(): KvsError<RaftLogErrorCode> {
  return new KvsError("RAFT_LOG_CLOSED", "the log store is closed; open it again", {
    outcome: "none",
  });
}
