/**
 * What a transaction sees of others.
 *
 * - `read-committed`: each statement sees what was committed before it. Writes wait for each other.
 * - `snapshot`: all of it sees one moment; a key that another wrote since cannot be written.
 * - `serializable`: as if the transactions had run one after the other, in an order that agrees with
 *   real time.
 */
export type Isolation = "read-committed" | "snapshot" | "serializable";

/** When writes are locked: as they are made, or at commit. */
export type TransactionMode = "pessimistic" | "optimistic";

export interface TransactionOptions {
  /** Default: `serializable`. */
  readonly isolation?: Isolation;
  /** Default: `pessimistic`. */
  readonly mode?: TransactionMode;
  /** It only reads: it never waits, and never fails for what others do. Default: false. */
  readonly readOnly?: boolean;
  /** After so long without a call it is rolled back. Default: 60,000. */
  readonly timeoutMs?: number;
  /** How long a write waits for a lock. Default: 5000, less than a client waits for an answer. */
  readonly lockTimeoutMs?: number;
}

/** A moment of a transaction to go back to. */
export interface Savepoint {
  readonly transaction: string;
  readonly mark: number;
}

const TIMEOUT_MS_DEFAULT = 60_000;
export const LOCK_TIMEOUT_MS_DEFAULT = 5000;

export type ResolvedTransactionOptions = Required<TransactionOptions>;

export function resolveTransactionOptions(
  options: TransactionOptions | Isolation = {},
): ResolvedTransactionOptions {
  const given = typeof options === "string" ? { isolation: options } : options;
  return {
    isolation: "serializable",
    mode: "pessimistic",
    readOnly: false,
    timeoutMs: TIMEOUT_MS_DEFAULT,
    lockTimeoutMs: LOCK_TIMEOUT_MS_DEFAULT,
    ...given,
  };
}
