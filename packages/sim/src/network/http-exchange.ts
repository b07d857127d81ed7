import {
  type HttpRequest,
  type HttpRequestOptions,
  type HttpResponse,
  HTTP_BODY_MAX_BYTES,
  type KvsError,
  type PeerIdentity,
  type Trace,
} from "@kvs/env";
import { hashBytes, hashText, type TraceHash } from "../trace-hash.ts";
import { type Attempt } from "./attempt.ts";
import { networkError } from "./network-error.ts";
import { type SimListener } from "./sim-listener.ts";

/** Bytes of a request or a response besides its body, for bandwidth. */
export const HTTP_HEADER_BYTES = 300;

const NO_HEADERS: ReadonlyMap<string, string> = new Map();
const NO_BODY = new Uint8Array(0);

/** What the server's side needs to answer. */
export interface HttpArrival {
  readonly attempt: Attempt<HttpResponse>;
  readonly options: HttpRequestOptions;
  readonly listener: SimListener;
  readonly identity: PeerIdentity | undefined;
  readonly remotePort: number;
  /** The listening process's trace. */
  readonly trace: Trace;
  /** Of the whole run. */
  readonly hash: TraceHash;
}

/** Answers a request that reached its listener; runs in the listening process. */
export function serveHttp(arrival: HttpArrival): void {
  const { attempt, listener } = arrival;
  arrival.hash.add(hashText(attempt.url.path));
  arrival.hash.add(hashBytes(arrival.options.body ?? NO_BODY));
  const abandon = (): void => {
    attempt.answer(HTTP_HEADER_BYTES, () => attempt.fail(serverGone(attempt.host)));
  };
  // Should the process die before it answers, the operating system resets the connection.
  const forget = listener.incarnation.atDeath(abandon);
  const answer = (response: HttpResponse): void => {
    if (!listener.incarnation.isAlive) return;
    forget();
    sendResponse(arrival, response);
  };
  void respond(arrival, answer);
}

async function respond(
  arrival: HttpArrival,
  answer: (response: HttpResponse) => void,
): Promise<void> {
  const { handler, request } = prepare(arrival);
  if (handler === undefined) {
    answer({ status: request.body.length > HTTP_BODY_MAX_BYTES ? 413 : 404 });
    return;
  }
  try {
    const response = handler(request);
    answer(response instanceof Promise ? await response : response);
  } catch (error) {
    arrival.trace.event("error", "sim.network", "an HTTP handler threw", {
      path: request.path,
      error: String(error),
    });
    answer({ status: 500 });
  }
}

function prepare(arrival: HttpArrival): {
  readonly handler: ((request: HttpRequest) => HttpResponse | Promise<HttpResponse>) | undefined;
  readonly request: HttpRequest;
} {
  const { attempt, options, listener } = arrival;
  const request: HttpRequest = {
    method: options.method ?? "GET",
    path: attempt.url.path,
    query: attempt.url.query,
    headers: lowerCased(options.headers ?? NO_HEADERS),
    body: options.body?.slice() ?? NO_BODY,
    remote: { host: attempt.incarnation.host.name, port: arrival.remotePort },
    identity: arrival.identity,
  };
  const isTooLarge = request.body.length > HTTP_BODY_MAX_BYTES;
  return { handler: isTooLarge ? undefined : listener.options.http, request };
}

function sendResponse(arrival: HttpArrival, response: HttpResponse): void {
  const { attempt, options } = arrival;
  const body = response.body?.slice() ?? NO_BODY;
  const headers = lowerCased(response.headers ?? NO_HEADERS);
  arrival.hash.add(response.status);
  arrival.hash.add(hashBytes(body));
  attempt.answer(HTTP_HEADER_BYTES + body.length, () => {
    if (body.length > (options.maxBodyBytes ?? HTTP_BODY_MAX_BYTES)) {
      attempt.fail(tooLarge(body.length));
    } else attempt.succeed({ status: response.status, headers, body });
  });
}

function lowerCased(headers: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  return new Map([...headers].map(([name, value]) => [name.toLowerCase(), value]));
}

function serverGone(host: string): KvsError {
  const message = "the server went away before it answered: find out whether it acted";
  return networkError("NET_UNREACHABLE", message, { host }, "unknown");
}

function tooLarge(bytes: number): KvsError {
  const message = "the answer's body is longer than allowed: ask for less or raise maxBodyBytes";
  return networkError("NET_TOO_LARGE", message, { bytes }, "unknown");
}
