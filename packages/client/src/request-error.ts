import { type KvsError } from "@kvs/env";
import { protocolError } from "@kvs/protocol";
import { connectionLost, cursorLost, transactionLost } from "./client-error.ts";
import { type PendingRequest } from "./pending-request.ts";

/** Nobody answered in time. */
export function overdue(
  request: PendingRequest,
  timeoutMs: number,
  connectError: unknown,
): KvsError {
  const { kind, channel, lastError } = request;
  const outcome = channel !== undefined && kind.isWrite ? "unknown" : "none";
  const cause = lastError ?? connectError;
  const why = channel === undefined && cause instanceof Error ? ` (${cause.message})` : "";
  const known = describe(request, outcome);
  const message = `no answer to the request "${kind.name}" within ${timeoutMs} ms; ${known}${why}`;
  const details = { request: kind.name, timeoutMs };
  return protocolError("DEADLINE_EXCEEDED", message, { outcome, details, cause });
}

/**
 * The connection over which it was sent is gone.
 *
 * @param outcome Of a write.
 */
export function lossOf(
  { kind, transaction }: PendingRequest,
  cause: KvsError,
  outcome: "none" | "unknown",
): KvsError {
  if (kind.isBound && !kind.isWrite) return lostBefore(transaction, cause);
  return connectionLost(kind.name, outcome, cause);
}

/** What lived on one connection went with it. */
export function lostBefore(transaction: string | undefined, cause: KvsError | undefined): KvsError {
  return transaction === undefined ? cursorLost(cause) : transactionLost(transaction, cause);
}

/** `OVERLOADED`: there is no room for another request. */
export function tooMuchWaits(requests: number, bytes: number): Error {
  const message =
    `${requests} requests of ${bytes} bytes wait for their answers; ` +
    "await some before you ask for more";
  return protocolError("OVERLOADED", message, { details: { requests, bytes } });
}

function describe({ transaction }: PendingRequest, outcome: "none" | "unknown"): string {
  if (outcome === "unknown") return "whether it happened is not known: read before you repeat it";
  if (transaction === undefined) return "it had no effect and can be repeated";
  return `transaction ${transaction} is rolled back`;
}
