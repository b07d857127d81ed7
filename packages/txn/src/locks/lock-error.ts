import { KvsError } from "@kvs/env";

/**
 * Codes of locks.
 *
 * - `TXN_DEADLOCK` (retryable): transactions wait for each other in a circle, and this one is the youngest; it is rolled back. Begin it again.
 * - `TXN_LOCK_TIMEOUT` (retryable): another transaction holds the key for longer than this one waits. Begin it again.
 * - `TXN_TOO_MANY_WAITS` (retryable): as many transactions wait for locks as may; begin it again later.
 */
export type LockErrorCode = "TXN_DEADLOCK" | "TXN_LOCK_TIMEOUT" | "TXN_TOO_MANY_WAITS";

/** One step of a circle: who waits for which key, and for whom. */
export interface DeadlockStep {
  readonly transaction: string;
  readonly key: string;
  readonly waitsFor: string;
  /** Where in the user's code it asked for the key, if that is known. */
  readonly site: string | undefined;
}

/** The circle, for the one who leaves it. */
export function deadlockError(
  victim: string,
  cycle: readonly DeadlockStep[],
): KvsError<LockErrorCode> {
  const steps = cycle.map(({ transaction, key, waitsFor, site }) => {
    const where = site === undefined ? "" : ` (asked for at ${site})`;
    return `${transaction} waits for ${key}${where}, which ${waitsFor} has or gets first`;
  });
  const message =
    `transaction ${victim} is rolled back to end a deadlock, as the youngest of ${cycle.length}: ` +
    `${steps.join("; ")}. Begin it again`;
  const details = { transaction: victim, cycle: cycle.map((step) => step.transaction).join(" > ") };
  return new KvsError("TXN_DEADLOCK", message, { outcome: "none", retryable: true, details });
}

export function lockTimeoutError(wait: {
  readonly transaction: string;
  readonly key: string;
  readonly holder: string;
  readonly timeoutMs: number;
}): KvsError<LockErrorCode> {
  const { transaction, key, holder, timeoutMs } = wait;
  const message =
    `transaction ${transaction} waited ${timeoutMs} ms for ${key}, which ${holder} still has; ` +
    "begin it again, or give it more time";
  const details = { transaction, key, holder, timeoutMs };
  return new KvsError("TXN_LOCK_TIMEOUT", message, { outcome: "none", retryable: true, details });
}

export function tooManyWaits(transaction: string, limit: number): KvsError<LockErrorCode> {
  const message = `${limit} transactions wait for locks already; begin ${transaction} again later`;
  const details = { transaction, limit };
  return new KvsError("TXN_TOO_MANY_WAITS", message, { outcome: "none", retryable: true, details });
}
