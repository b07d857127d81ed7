/**
 * Plain HTTP requests on the port of the connections: read within bounds, handled, answered.
 *
 * The bounds hold for one listener together, so that many small senders are no better off than one
 * large one. What breaks a bound is answered with a status and then hung up on.
 */
import {
  AssertionFailure,
  HTTP_BODY_MAX_BYTES,
  type HttpHandler,
  type HttpRequest,
  type HttpResponse,
  KvsError,
  type Trace,
  assert,
} from "@kvs/env";
import { type IncomingMessage, type ServerResponse } from "node:http";
import { headerMap, joinBytes, splitTarget } from "./http-message.ts";
import { identityOf } from "./tls-options.ts";

/** Requests being read or handled at once; the next is answered with status 503. */
const REQUESTS_MAX = 1024;
/** Bytes of all bodies held at once: four of the longest. */
const BODIES_MAX_BYTES = 4 * HTTP_BODY_MAX_BYTES;
/** How much of a body that is too long is read and dropped, so that its sender hears of the 413. */
const DROPPED_MAX_BYTES = 4 * HTTP_BODY_MAX_BYTES;

/** Stands for a status when nobody is left to be told one. */
const HUNG_UP = 0;
const STATUS_NOT_FOUND = 404;
const STATUS_TOO_LARGE = 413;
const STATUS_FAILED = 500;
const STATUS_BUSY = 503;

/** Answers the requests of one listener. */
export class HttpService {
  readonly #handler: HttpHandler | undefined;
  readonly #trace: Trace;
  #requestCount = 0;
  #bodyBytes = 0;

  constructor(handler: HttpHandler | undefined, trace: Trace) {
    this.#handler = handler;
    this.#trace = trace;
  }

  /** Takes one request over. Never throws, and answers once. */
  async serve(message: IncomingMessage, response: ServerResponse): Promise<void> {
    message.on("error", () => undefined); // the peer hung up: `response` notices as well
    response.on("error", () => undefined);
    if (this.#handler === undefined) return refuse(response, STATUS_NOT_FOUND);
    if (this.#requestCount >= REQUESTS_MAX) return refuse(response, STATUS_BUSY);
    this.#requestCount++;
    const body: Body = { pieces: [], heldBytes: 0 };
    try {
      const status = await this.#read(message, body);
      if (status === HUNG_UP) response.destroy();
      else if (status !== undefined) refuse(response, status);
      else await this.#answer(this.#handler, requestOf(message, body), response);
    } finally {
      this.#release(body);
      this.#requestCount--;
      assert(this.#requestCount >= 0 && this.#bodyBytes >= 0, "what is released was held");
    }
  }

  /** Reads the body; returns the status of a refusal if it breaks a bound, or `HUNG_UP`. */
  #read(message: IncomingMessage, body: Body): Promise<number | undefined> {
    return new Promise((resolve) => {
      let status: number | undefined;
      let seenBytes = 0;
      message.on("data", (piece: Uint8Array) => {
        seenBytes += piece.length;
        if (seenBytes > DROPPED_MAX_BYTES) message.destroy(); // ends in `close`
        if (status !== undefined) return;
        if (seenBytes > HTTP_BODY_MAX_BYTES) status = STATUS_TOO_LARGE;
        else if (this.#bodyBytes + piece.length > BODIES_MAX_BYTES) status = STATUS_BUSY;
        else this.#hold(body, piece);
        if (status !== undefined) this.#release(body);
      });
      message.on("end", () => resolve(status));
      message.on("close", () => resolve(HUNG_UP)); // after `end` it changes nothing
    });
  }

  #hold(body: Body, piece: Uint8Array): void {
    body.pieces.push(piece);
    body.heldBytes += piece.length;
    this.#bodyBytes += piece.length;
  }

  #release(body: Body): void {
    this.#bodyBytes -= body.heldBytes;
    body.heldBytes = 0;
    body.pieces = [];
  }

  async #answer(handler: HttpHandler, request: HttpRequest, to: ServerResponse): Promise<void> {
    try {
      write(to, await handler(request));
    } catch (error) {
      this.#trace.event("error", "node.http", "the handler of a request failed", {
        method: request.method,
        path: request.path,
        error: describe(error),
      });
      if (to.headersSent) to.destroy();
      else write(to, { status: STATUS_FAILED });
    }
  }
}

/** A request's body while it is read. */
interface Body {
  pieces: Uint8Array[];
  heldBytes: number;
}

function requestOf(message: IncomingMessage, body: Body): HttpRequest {
  const { socket } = message;
  return {
    ...splitTarget(message.url ?? "/"),
    method: message.method ?? "GET",
    headers: headerMap(message.headers),
    body: joinBytes(body.pieces, body.heldBytes),
    remote: { host: socket.remoteAddress ?? "", port: socket.remotePort ?? 0 },
    identity: identityOf(socket),
  };
}

function write(to: ServerResponse, response: HttpResponse): void {
  const length = String(response.body?.length ?? 0);
  to.writeHead(response.status, {
    ...Object.fromEntries(response.headers ?? []),
    "content-length": length,
  });
  to.end(response.body);
}

function refuse(to: ServerResponse, status: number): void {
  to.writeHead(status, { "content-length": "0", connection: "close" });
  to.end();
}

/** Names an error without what may be a user's value: an invariant is a fixed sentence. */
function describe(error: unknown): string {
  if (error instanceof AssertionFailure) return `${error.name}: ${error.message}`;
  if (error instanceof KvsError) return error.code;
  return error instanceof Error ? error.name : typeof error;
}
