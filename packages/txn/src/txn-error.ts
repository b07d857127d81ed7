import { type ErrorDetails, KvsError, type Outcome, isKvsError } from "@kvs/env";

/**
 * Codes of this package.
 *
 * - `TXN_POISONED`: an earlier failure left the store in doubt; it takes no more writes. Close it
 *   and open it again: recovery decides from the log.
 * - `TXN_CLOSED`: the store is closed.
 * - `TXN_KEY_TOO_LARGE`: a key is longer than a store takes; nothing happened.
 * - `TXN_VALUE_TOO_LARGE`: a value is longer than a store takes; nothing happened.
 * - `TXN_BATCH_TOO_LARGE`: a batch is longer than a store takes; split it. Nothing happened.
 * - `TXN_OVERLOADED`: too many batches wait for their turn; nothing happened, repeat it later.
 * - `TXN_DAMAGED_BATCH`: bytes that should be a batch are none.
 * - `TXN_UNKNOWN_TREE`: there is no tree of this number.
 * - `TXN_TREE_NOT_EMPTY`: a tree that is to be loaded has rows; write batches, or load another tree.
 * - `TXN_SNAPSHOT_CLOSED`: the snapshot was closed, and its versions may be gone.
 * - `TXN_DAMAGED_LOG`: a record of the engine's log makes no sense.
 * - `TXN_DAMAGED_CATALOG`: the list of trees makes no sense.
 * - `TXN_DAMAGED_PREPARED`: the record of a prepared transaction makes no sense.
 * - `TXN_NO_STORE`: there is no store in this directory.
 * - `TXN_DAMAGED_STORE`: files of the store are missing or too short.
 * - `TXN_DAMAGED_KEYS`: the file that holds the store's data keys is damaged, was changed, or belongs to another store.
 * - `TXN_KEYS_REQUIRED`: the store is encrypted, and was opened without a provider of its master key.
 * - `TXN_NOT_ENCRYPTED`: the store is plain, and has no keys to change; open it with a provider first.
 * - `TXN_TOO_MANY_KEYS` (retryable): earlier rotations of the store's keys have not come to their end.
 * - `TXN_UNKNOWN_VERSION`: a file was written by a newer version of the program.
 * - `TXN_DAMAGED_COPY`: a copy of a store is damaged, cut off, or no copy of a store.
 * - `TXN_STORE_EXISTS`: a copy was to be restored where a store is.
 * - `TXN_RESTORE_INCOMPLETE`: a restore into this directory did not end; restore the copy again.
 */
export type TxnErrorCode =
  | "TXN_POISONED"
  | "TXN_CLOSED"
  | "TXN_KEY_TOO_LARGE"
  | "TXN_VALUE_TOO_LARGE"
  | "TXN_BATCH_TOO_LARGE"
  | "TXN_OVERLOADED"
  | "TXN_DAMAGED_BATCH"
  | "TXN_UNKNOWN_TREE"
  | "TXN_TREE_NOT_EMPTY"
  | "TXN_SNAPSHOT_CLOSED"
  | "TXN_DAMAGED_LOG"
  | "TXN_DAMAGED_CATALOG"
  | "TXN_DAMAGED_PREPARED"
  | "TXN_NO_STORE"
  | "TXN_DAMAGED_STORE"
  | "TXN_DAMAGED_KEYS"
  | "TXN_KEYS_REQUIRED"
  | "TXN_NOT_ENCRYPTED"
  | "TXN_TOO_MANY_KEYS"
  | "TXN_UNKNOWN_VERSION"
  | "TXN_DAMAGED_COPY"
  | "TXN_STORE_EXISTS"
  | "TXN_RESTORE_INCOMPLETE";

export interface TxnErrorOptions {
  readonly outcome?: Outcome;
  readonly retryable?: boolean;
  readonly details?: ErrorDetails;
  readonly cause?: unknown;
}

/** Makes an error of this package; its outcome is "none" unless given. */
export function txnError(
  code: TxnErrorCode,
  message: string,
  options: TxnErrorOptions = {},
): KvsError<TxnErrorCode> {
  return new KvsError(code, message, { outcome: "none", ...options });
}

/** What every call gets after `close`. */
export function closedError(): KvsError<TxnErrorCode> {
  return txnError("TXN_CLOSED", "the store is closed; open it again");
}

/** What a plain store answers to questions about keys. */
export function notEncrypted(): KvsError<TxnErrorCode> {
  const message = "the store is not encrypted; open it with a provider of master keys first";
  return txnError("TXN_NOT_ENCRYPTED", message);
}

/** The error, of any layer, for a caller whose request certainly has no effect. */
export function withoutEffect(error: unknown): unknown {
  if (!isKvsError(error) || error.outcome === "none") return error;
  const { code, message, retryable, details } = error;
  const text = message.slice(code.length + 2); // the code is put before it again
  return new KvsError(code, text, { outcome: "none", retryable, details, cause: error });
}
