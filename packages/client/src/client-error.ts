import { KvsError, type Outcome, isKvsError } from "@kvs/env";

/**
 * Codes of the client. What a server answers has codes of its own.
 *
 * - `BAD_URL`: the URL is not of the form `kvs://host:port,host:port/database`.
 * - `CLIENT_CLOSED`: the client was closed before the call.
 * - `CONNECTION_FAILED` (retryable): no server could be reached; nothing happened.
 * - `CONNECTION_LOST`: the connection broke while a request was under way; the outcome says whether it may have happened.
 */
export type ClientErrorCode = "BAD_URL" | "CLIENT_CLOSED" | "CONNECTION_FAILED" | "CONNECTION_LOST";

/** `BAD_URL`: what is wrong with it. */
export function badUrl(url: string, what: string): KvsError<ClientErrorCode> {
  const shown = JSON.stringify(url.length > 200 ? `${url.slice(0, 200)}…` : url);
  const message = `${shown}: ${what}; write kvs://host:port/database`;
  return new KvsError("BAD_URL", message, { outcome: "none" });
}

export function clientClosed(): KvsError<ClientErrorCode> {
  const message = "the database was closed; connect again";
  return new KvsError("CLIENT_CLOSED", message, { outcome: "none" });
}

/** `CONNECTION_FAILED`, with what a person can do about it. */
export function connectionFailed(address: string, cause: unknown): KvsError<ClientErrorCode> {
  const message = explain(address, cause);
  const details = isKvsError(cause) ? { address, reported: cause.code } : { address };
  const options = { outcome: "none", retryable: true, cause, details } as const;
  return new KvsError("CONNECTION_FAILED", message, options);
}

function explain(address: string, cause: unknown): string {
  if (!isKvsError(cause)) return `no connection to ${address}`;
  switch (cause.code) {
    case "NET_REFUSED":
      return `no server answers at ${address}; start one with \`npm start\`, or check host and port`;
    case "NET_UNREACHABLE":
      return `no way leads to ${address}; check the name of the host, and the network`;
    case "NET_TIMEOUT":
      return `${address} did not answer in time; check host and port, and firewalls between`;
    case "NET_REJECTED":
      return cause.details["status"] === 503
        ? `the server at ${address} has as many connections as it takes; try again later`
        : `what answers at ${address} is no KVS server, or is just closing; check host and port`;
    default:
      return `no connection to ${address}: ${cause.message}`;
  }
}

/**
 * `CONNECTION_LOST`: the request had been sent, and no answer came.
 *
 * @param what The name of the request's kind.
 */
export function connectionLost(
  what: string,
  outcome: Outcome,
  cause: unknown,
): KvsError<ClientErrorCode> {
  const known =
    outcome === "unknown"
      ? "whether it happened is not known: read before you repeat it"
      : "it had no effect and can be repeated";
  const message = `the connection broke before the server answered the request "${what}"; ${known}`;
  const isRepeatable = outcome === "none";
  const options = { outcome, retryable: isRepeatable, cause, details: { request: what } };
  return new KvsError("CONNECTION_LOST", message, options);
}

/** `CONNECTION_LOST`: the server had kept a cursor for this connection. */
export function cursorLost(cause: unknown): KvsError<ClientErrorCode> {
  const message = "the connection that held the cursor broke; begin the walk again";
  return new KvsError("CONNECTION_LOST", message, { outcome: "none", cause });
}

/** `CONNECTION_LOST` (retryable): the server rolls back what a lost connection had open. */
export function transactionLost(id: string, cause: unknown): KvsError<ClientErrorCode> {
  const message = `the connection that held transaction ${id} broke, so it is rolled back; begin it again`;
  const details = { transaction: id };
  return new KvsError("CONNECTION_LOST", message, {
    outcome: "none",
    retryable: true,
    cause,
    details,
  });
}

/** `TXN_ENDED`, as a database in the own process has it. */
export function transactionEnded(id: string, how: string): KvsError {
  const message = `transaction ${id} ${how}; begin another`;
  return new KvsError("TXN_ENDED", message, { outcome: "none", details: { transaction: id } });
}
