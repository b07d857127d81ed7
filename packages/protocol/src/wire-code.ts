/**
 * The second field of a request: what is asked. A number never changes its meaning.
 *
 *    0– 9  connection and database      10–15  keys             16–19  cursors
 *   20–29  collections                  30–39  transactions
 */
export const RequestCode = {
  HELLO: 0,
  PING: 1,
  STATS: 2,
  CHECKPOINT: 3,
  GET: 10,
  PUT: 11,
  DELETE: 12,
  BATCH: 13,
  SCAN: 14,
  CURSOR_NEXT: 16,
  CURSOR_CLOSE: 17,
  INSERT: 20,
  FETCH: 21,
  FETCH_ENVELOPE: 22,
  UPDATE: 23,
  REMOVE: 24,
  FIND: 25,
  COUNT: 26,
  BEGIN: 30,
  WITHIN: 31,
  GET_FOR_UPDATE: 32,
  SAVEPOINT: 33,
  ROLLBACK_TO: 34,
  COMMIT: 35,
  ROLLBACK: 36,
} as const;

export type RequestCode = (typeof RequestCode)[keyof typeof RequestCode];

/** What is known of one kind of request. */
export interface RequestKind {
  readonly code: RequestCode;
  /** Its name in metrics and messages. */
  readonly name: string;
  /** Whether it changes data: then its outcome matters, and it is repeated only if it is `none`. */
  readonly isWrite: boolean;
  /** Whether it means something on this connection only: then it is never repeated on another. */
  readonly isBound: boolean;
}

function kind(code: RequestCode, name: string, ...traits: ("write" | "bound")[]): RequestKind {
  return { code, name, isWrite: traits.includes("write"), isBound: traits.includes("bound") };
}

/** Every kind, in the order of their codes. */
export const REQUEST_KINDS: readonly RequestKind[] = [
  kind(RequestCode.HELLO, "hello", "bound"),
  kind(RequestCode.PING, "ping"),
  kind(RequestCode.STATS, "stats"),
  kind(RequestCode.CHECKPOINT, "checkpoint"),
  kind(RequestCode.GET, "get"),
  kind(RequestCode.PUT, "put", "write"),
  kind(RequestCode.DELETE, "delete", "write"),
  kind(RequestCode.BATCH, "batch", "write"),
  kind(RequestCode.SCAN, "scan"),
  kind(RequestCode.CURSOR_NEXT, "cursor-next", "bound"),
  kind(RequestCode.CURSOR_CLOSE, "cursor-close", "bound"),
  kind(RequestCode.INSERT, "insert", "write"),
  kind(RequestCode.FETCH, "fetch"),
  kind(RequestCode.FETCH_ENVELOPE, "fetch-envelope"),
  kind(RequestCode.UPDATE, "update", "write"),
  kind(RequestCode.REMOVE, "remove", "write"),
  kind(RequestCode.FIND, "find"),
  kind(RequestCode.COUNT, "count"),
  kind(RequestCode.BEGIN, "begin"),
  kind(RequestCode.WITHIN, "within", "bound"),
  kind(RequestCode.GET_FOR_UPDATE, "get-for-update", "bound"),
  kind(RequestCode.SAVEPOINT, "savepoint", "bound"),
  kind(RequestCode.ROLLBACK_TO, "rollback-to", "bound"),
  kind(RequestCode.COMMIT, "commit", "write", "bound"),
  kind(RequestCode.ROLLBACK, "rollback", "bound"),
];

const KIND_OF: readonly (RequestKind | undefined)[] = Array.from({ length: 128 }, (_, code) =>
  REQUEST_KINDS.find((each) => each.code === code),
);

/** The kind with this code, or `undefined` if there is none. */
export function requestKind(code: number): RequestKind | undefined {
  return KIND_OF[code];
}

/** The second field of a response. */
export const ResponseStatus = { OK: 0, ERROR: 1 } as const;

/** The id of a response that answers no request: why the server hangs up. */
export const NO_REQUEST = 0;

/** Bits of the flags of a SCAN. */
export const ScanFlag = { REVERSE: 1, KEYS_ONLY: 2 } as const;

/** The first field of an operation of a BATCH. */
export const OperationCode = { PUT: 0, DELETE: 1 } as const;
