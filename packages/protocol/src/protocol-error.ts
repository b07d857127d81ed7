import { type KvsErrorOptions, KvsError } from "@kvs/env";

/**
 * Codes that the two sides of a connection share.
 *
 * Of the wire:
 *
 * - `PROTOCOL_MALFORMED`: a frame is not what the protocol says: no msgpack, truncated, too deep, too many messages. The connection closes.
 * - `PROTOCOL_HANDSHAKE`: a connection did not begin with a HELLO, or sent a second one. The connection closes.
 * - `PROTOCOL_VERSION`: the two sides have no version of the protocol in common; use a newer client or server.
 * - `PROTOCOL_UNKNOWN_CODE`: the server does not know this kind of request; use a newer server.
 * - `PROTOCOL_BAD_REQUEST`: a field of a request is missing, of another type or out of its range; nothing happened.
 *
 * Of a server and its clients:
 *
 * - `OVERLOADED` (retryable): more is under way than memory is set aside for; nothing happened. Try again later, or send less at once.
 * - `SHUTTING_DOWN` (retryable): the server is going down and begins nothing new; nothing happened.
 * - `DEADLINE_EXCEEDED`: the request was not answered in time; the outcome says whether it may have happened.
 * - `CURSOR_EXPIRED`: the cursor was not stepped for 60 s, or is closed; begin again.
 * - `TOO_MANY_CURSORS` (retryable): the connection has 100 cursors open; end some, for example by leaving their loops.
 * - `TOO_MANY_TRANSACTIONS` (retryable): the connection has 1000 transactions open; commit some, or roll them back.
 * - `BATCH_TOO_LARGE`: a batch has more operations, or an insertion more documents, than the limit; split it.
 * - `INTERNAL`: the server failed in a way that it has no code for; its log says more.
 *
 * Of every `Database`:
 *
 * - `BAD_DATABASE_NAME`: a name of a database is 1 to 64 letters, digits, `_`, `-`.
 * - `DUPLICATE_ID`: the collection has a document with this `_id`; nothing was inserted.
 * - `VERSION_MISMATCH`: the version given by `ifVersion` is not the one there; nothing happened. Read again, and decide.
 * - `QUERY_BAD_NAME`: a name of a collection is 1 to 128 letters, digits, `_`, `-`, `.`.
 * - `QUERY_BAD_ID`: an `_id` is a text of 1 to 512 bytes.
 * - `BAD_OPTION`: an option is out of its range.
 */
export type ProtocolErrorCode =
  | "PROTOCOL_MALFORMED"
  | "PROTOCOL_HANDSHAKE"
  | "PROTOCOL_VERSION"
  | "PROTOCOL_UNKNOWN_CODE"
  | "PROTOCOL_BAD_REQUEST"
  | "OVERLOADED"
  | "SHUTTING_DOWN"
  | "DEADLINE_EXCEEDED"
  | "CURSOR_EXPIRED"
  | "TOO_MANY_CURSORS"
  | "TOO_MANY_TRANSACTIONS"
  | "BATCH_TOO_LARGE"
  | "INTERNAL"
  | "BAD_DATABASE_NAME"
  | "DUPLICATE_ID"
  | "VERSION_MISMATCH"
  | "QUERY_BAD_NAME"
  | "QUERY_BAD_ID"
  | "BAD_OPTION";

const RETRYABLE: ReadonlySet<ProtocolErrorCode> = new Set([
  "OVERLOADED",
  "SHUTTING_DOWN",
  "TOO_MANY_CURSORS",
  "TOO_MANY_TRANSACTIONS",
]);

/**
 * Makes an error of one of these codes; the caller throws it. Whether it is retryable follows from
 * the code.
 *
 * @param options Default: the outcome is `none`.
 */
export function protocolError(
  code: ProtocolErrorCode,
  message: string,
  options: Partial<KvsErrorOptions> = {},
): KvsError<ProtocolErrorCode> {
  return new KvsError(code, message, {
    outcome: "none",
    retryable: RETRYABLE.has(code),
    ...options,
  });
}
