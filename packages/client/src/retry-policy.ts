import { type KvsError, type Random } from "@kvs/env";
import { type RequestKind } from "@kvs/protocol";

/**
 * What may be sent again, after which outcome:
 *
 * | what happened | reads | writes | steps of cursors |
 * |---|---|---|---|
 * | not sent, the connection was lost | again | again | fails |
 * | sent, the connection was lost | again | fails: unknown | fails |
 * | answered: retryable, outcome none | again, 6 times | again, 6 times | fails |
 * | answered: any other error | fails | fails | fails |
 * | no answer before the deadline | fails | fails: unknown | fails |
 *
 * So no write is ever executed twice, and what may have been executed is said to be unknown.
 */
export type RetryDecision = "again" | "fail";

/** Times a request is sent because the server asked for patience: about a second and a half. */
export const ATTEMPTS_MAX = 7;

/** What to do with a request whose connection was lost. */
export function afterLoss(kind: RequestKind, wasSent: boolean): RetryDecision {
  if (kind.isBound) return "fail";
  return wasSent && kind.isWrite ? "fail" : "again";
}

/** What to do with a request that was answered with an error, after `attempts` of them. */
export function afterError(kind: RequestKind, error: KvsError, attempts: number): RetryDecision {
  const isSafe = error.retryable && error.outcome === "none" && !kind.isBound;
  return isSafe && attempts < ATTEMPTS_MAX ? "again" : "fail";
}

const BACKOFF_FIRST_MS = 20;
const BACKOFF_MAX_MS = 1000;

/**
 * How long to wait before an attempt: half of a time that doubles with each, and up to the other
 * half by chance, so that many clients do not come back at once.
 *
 * @param attempt 1 for the first repetition.
 */
export function backoffMs(attempt: number, random: Random): number {
  const fullMs = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** Math.min(attempt - 1, 16));
  return fullMs / 2 + random.nextFloat() * (fullMs / 2);
}
