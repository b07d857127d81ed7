import { KvsError, type NetworkErrorCode, type Outcome } from "@kvs/env";

const CODES: ReadonlyMap<string, NetworkErrorCode> = new Map([
  ["EADDRINUSE", "NET_ADDRESS_IN_USE"],
  ["EACCES", "NET_DENIED"],
  ["EPERM", "NET_DENIED"],
  ["ECONNREFUSED", "NET_REFUSED"],
  ["ECONNRESET", "NET_REFUSED"],
  ["EPIPE", "NET_REFUSED"],
  ["ETIMEDOUT", "NET_TIMEOUT"],
]);

/** How OpenSSL's and Node's names of errors in certificates and handshakes begin. */
const TLS_ERROR =
  /^(ERR_TLS|ERR_SSL|ERR_OSSL|CERT_|SELF_SIGNED|DEPTH_ZERO|UNABLE_TO|HOSTNAME_|INVALID_|EPROTO)/;

const ADVICE: Readonly<Record<NetworkErrorCode, string>> = {
  NET_ADDRESS_IN_USE: "another process listens there: stop it, or choose another port",
  NET_DENIED: "the system refuses it: ports below 1024 need a privilege; check the firewall",
  NET_REFUSED: "nobody listens there, or the peer hung up: check address and port, then try again",
  NET_UNREACHABLE: "there is no way to this address: check its name and the network",
  NET_TIMEOUT: "no answer came in time: the peer is slow, stopped or cut off; try again",
  NET_TLS: "certificate, key or authority do not fit: check the TLS settings of both sides",
  NET_REJECTED: "the server answered, but opened no connection: check path, status and version",
  NET_TOO_LARGE: "the answer is longer than the limit of the request: ask for less",
};

const RETRYABLE: readonly NetworkErrorCode[] = ["NET_REFUSED", "NET_UNREACHABLE", "NET_TIMEOUT"];

/** What failed. */
export interface NetworkFault {
  /** A URL, or `host:port` of a listener. */
  readonly target: string;
  /** What is known of the effect. Default: "none". */
  readonly outcome?: Outcome;
  readonly details?: Readonly<Record<string, string | number | boolean>>;
  /** Default: as the code says. */
  readonly retryable?: boolean;
  readonly cause?: unknown;
}

/** Makes the error of one code, with the advice that belongs to it. */
export function networkError(
  code: NetworkErrorCode,
  fault: NetworkFault,
): KvsError<NetworkErrorCode> {
  const reason = fault.cause instanceof Error ? ` (${fault.cause.message})` : "";
  return new KvsError(code, `${fault.target}${reason}; ${ADVICE[code]}`, {
    outcome: fault.outcome ?? "none",
    retryable: fault.retryable ?? RETRYABLE.includes(code),
    details: { target: fault.target, ...fault.details },
    ...(fault.cause !== undefined && { cause: fault.cause }),
  });
}

/** Turns what node:net, node:tls, node:http or ws report into an error of the network. */
export function fromSocketError(error: unknown, fault: NetworkFault): KvsError<NetworkErrorCode> {
  if (error instanceof KvsError) return error as KvsError<NetworkErrorCode>;
  return networkError(codeOf(error), { ...fault, cause: error });
}

function codeOf(error: unknown): NetworkErrorCode {
  if (error instanceof AggregateError && error.errors.length > 0) return codeOf(error.errors[0]);
  if (!(error instanceof Error) || !("code" in error)) return "NET_REJECTED"; // ws: a bad handshake
  const name = String(error.code);
  if (TLS_ERROR.test(name)) return "NET_TLS";
  if (name.startsWith("HPE_")) return "NET_REJECTED"; // the answer is not HTTP
  return CODES.get(name) ?? "NET_UNREACHABLE";
}
