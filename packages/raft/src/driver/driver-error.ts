import { KvsError } from "@kvs/env";

import { type LogIndex, type NodeId } from "../core/ids.ts";

/**
 * Codes of the driver, besides those of the core.
 *
 * - `RAFT_DROPPED` (retryable): another leader's entries took the place of the proposal. Of a batch, the beginning may have been committed: then the outcome is unknown.
 * - `RAFT_UNDECIDED`: nobody knows whether the proposal is committed, or will be; read before you repeat.
 * - `RAFT_READ_ABORTED` (retryable): the leader changed before it confirmed the read; read again.
 * - `RAFT_CHANGE_FAILED` (retryable): the change of members was undone by another leader; look at the members and ask again.
 * - `RAFT_TRANSFER_FAILED` (retryable): leadership did not pass to the node that was asked for.
 * - `RAFT_STOPPED`: the replica was closed, or its disk or state machine failed; open it again.
 */
export type RaftDriverErrorCode =
  | "RAFT_DROPPED"
  | "RAFT_UNDECIDED"
  | "RAFT_READ_ABORTED"
  | "RAFT_CHANGE_FAILED"
  | "RAFT_TRANSFER_FAILED"
  | "RAFT_STOPPED";

type DriverError = KvsError<RaftDriverErrorCode>;

export function dropped(index: LogIndex, isPartial: boolean): DriverError {
  const message = isPartial
    ? `the end of the batch, from ${index} on, was replaced by another leader; read before you repeat`
    : `another leader's entry took the place of entry ${index}; propose again`;
  const outcome = isPartial ? "unknown" : "none";
  return new KvsError("RAFT_DROPPED", message, { outcome, retryable: true, details: { index } });
}

export function undecided(index: LogIndex, why: string): DriverError {
  const message = `${why} before it was known whether entry ${index} is committed; read before you repeat`;
  return new KvsError("RAFT_UNDECIDED", message, { outcome: "unknown", details: { index } });
}

export function readAborted(): DriverError {
  const message = "the leader changed before it confirmed the read; read again";
  return new KvsError("RAFT_READ_ABORTED", message, { outcome: "none", retryable: true });
}

export function changeFailed(index: LogIndex): DriverError {
  const message = `the change of members at entry ${index} was undone by another leader; ask again`;
  const options = { outcome: "none", retryable: true, details: { index } } as const;
  return new KvsError("RAFT_CHANGE_FAILED", message, options);
}

export function transferFailed(to: NodeId): DriverError {
  const message = `leadership did not pass to node ${to}; ask again`;
  const options = { outcome: "none", retryable: true, details: { to } } as const;
  return new KvsError("RAFT_TRANSFER_FAILED", message, options);
}

export function stopped(cause?: unknown): DriverError {
  const message = "the replica is stopped; open it again";
  const options = { outcome: "none" } as const;
  return new KvsError(
    "RAFT_STOPPED",
    message,
    cause === undefined ? options : { ...options, cause },
  );
}
