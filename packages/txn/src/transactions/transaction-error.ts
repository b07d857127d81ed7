import { type ErrorDetails, KvsError } from "@kvs/env";
import { keyOfName, treeOfName } from "./key-name.ts";

/**
 * Codes of transactions.
 *
 * - `TXN_CONFLICT` (retryable): something that the transaction read or writes was changed by another since; nothing of it is applied. Begin it again.
 * - `TXN_ENDED`: the transaction was committed, rolled back or given up before; begin another.
 * - `TXN_READ_ONLY`: a transaction that only reads was asked to write.
 * - `TXN_TOO_LARGE`: the writes of a transaction take more memory than one may; split it. It is still open.
 * - `TXN_TIMEOUT` (retryable): nobody used the transaction for so long that it was rolled back.
 * - `TXN_SNAPSHOT_TOO_OLD` (retryable): a transaction reads the past for so long that the versions it sees were given up. Begin it again.
 * - `TXN_TOO_MANY` (retryable): as many transactions are open as may be; begin it again later.
 * - `TXN_PREPARED_EXISTS`: the id for a prepared transaction is taken; choose another.
 * - `TXN_TOO_MANY_PREPARED` (retryable): as many prepared transactions wait for a decision as may.
 * - `TXN_UNKNOWN_PREPARED`: nothing is known of the id of a prepared transaction; ask its coordinator.
 * - `TXN_PREPARED_DECIDED`: a prepared transaction was decided the other way before.
 */
export type TransactionErrorCode =
  | "TXN_CONFLICT"
  | "TXN_ENDED"
  | "TXN_READ_ONLY"
  | "TXN_TOO_LARGE"
  | "TXN_TIMEOUT"
  | "TXN_SNAPSHOT_TOO_OLD"
  | "TXN_TOO_MANY"
  | "TXN_PREPARED_EXISTS"
  | "TXN_TOO_MANY_PREPARED"
  | "TXN_UNKNOWN_PREPARED"
  | "TXN_PREPARED_DECIDED";

const RETRYABLE: ReadonlySet<TransactionErrorCode> = new Set<TransactionErrorCode>([
  "TXN_CONFLICT",
  "TXN_TIMEOUT",
  "TXN_SNAPSHOT_TOO_OLD",
  "TXN_TOO_MANY",
  "TXN_TOO_MANY_PREPARED",
]);

/** Makes an error of a transaction that changed nothing. */
export function transactionError(
  code: TransactionErrorCode,
  message: string,
  details: ErrorDetails = {},
): KvsError<TransactionErrorCode> {
  return new KvsError(code, message, { outcome: "none", retryable: RETRYABLE.has(code), details });
}

/** Another changed this key, described for people, in between. */
export function conflictError(id: string, key: string): KvsError<TransactionErrorCode> {
  const message = `${key} was changed by another while transaction ${id} was open; begin it again`;
  return transactionError("TXN_CONFLICT", message, { transaction: id, key });
}

export function tooOldToValidate(id: string): KvsError<TransactionErrorCode> {
  const message =
    `transaction ${id} is open for so long, with so many writes of others in between, ` +
    "that nobody can tell any more whether they conflict; begin it again";
  return transactionError("TXN_CONFLICT", message, { transaction: id });
}

/** A key for people: as text if it is printable, else as bytes. */
export function describeName(name: string): string {
  const key = keyOfName(name);
  const isText = key.every((byte) => byte >= 0x20 && byte < 0x7f);
  const text = isText
    ? JSON.stringify(String.fromCharCode(...key))
    : `0x${[...key].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
  return `key ${text} of tree ${treeOfName(name)}`;
}

/** The transaction is over, or about to be. */
export function endedError(id: string, how: string): KvsError<TransactionErrorCode> {
  return transactionError("TXN_ENDED", `transaction ${id} ${how}; begin another`, {
    transaction: id,
  });
}

export function readOnlyError(id: string): KvsError<TransactionErrorCode> {
  const message = `transaction ${id} only reads; begin one without readOnly to write`;
  return transactionError("TXN_READ_ONLY", message, { transaction: id });
}

export function tooLargeError(
  id: string,
  bytes: number,
  limit: number,
): KvsError<TransactionErrorCode> {
  const message = `transaction ${id} has written ${bytes} bytes; the most is ${limit}: split it`;
  return transactionError("TXN_TOO_LARGE", message, { transaction: id });
}
