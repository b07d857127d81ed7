import {
  type ConnectOptions,
  type Connection,
  type HttpRequestOptions,
  type HttpResponse,
  type ListenOptions,
  type Listener,
  type Network,
  type Trace,
  assert,
} from "@kvs/env";
import { type Socket } from "node:net";
import { WebSocket } from "ws";
import { httpRequest } from "./http-client.ts";
import { fromSocketError, networkError } from "./network-error.ts";
import { clientTlsOptions } from "./tls-options.ts";
import { WsConnection, frameLimit } from "./ws-connection.ts";
import { listenOn } from "./ws-listener.ts";

const CONNECT_TIMEOUT_MS = 5000;

/** WebSockets and HTTP of the host. */
export class WsNetwork implements Network {
  readonly #trace: Trace;
  #connectionCount = 0;

  constructor(trace: Trace) {
    this.#trace = trace;
  }

  listen(options: ListenOptions): Promise<Listener> {
    return listenOn(options, { trace: this.#trace, nextId: () => this.#nextId() });
  }

  async connect(url: string, options: ConnectOptions = {}): Promise<Connection> {
    const target = parseUrl(url);
    const checked = { ...options, maxFrameBytes: frameLimit(options.maxFrameBytes) };
    return new Promise((resolve, reject) => {
      const opened = (webSocket: WebSocket, socket: Socket): void => {
        const path = target.pathname;
        // Made before the promise settles: frames may follow the handshake in the same packet.
        resolve(new WsConnection({ id: this.#nextId(), webSocket, socket, path }));
      };
      try {
        openWebSocket(target, checked, { opened, failed: reject });
      } catch (error) {
        reject(fromSocketError(error, { target: url })); // a key or certificate that is none
      }
    });
  }

  request(url: string, options: HttpRequestOptions = {}): Promise<HttpResponse> {
    return httpRequest(url, options);
  }

  #nextId(): number {
    this.#connectionCount++;
    return this.#connectionCount;
  }
}

/** How an attempt to connect ends: one of the two, once. */
interface Attempt {
  readonly opened: (webSocket: WebSocket, socket: Socket) => void;
  readonly failed: (error: unknown) => void;
}

function openWebSocket(
  target: URL,
  options: ConnectOptions & { readonly maxFrameBytes: number },
  attempt: Attempt,
): void {
  const fault = { target: target.href };
  let socket: Socket | undefined;
  let isSecured = false;
  let isSettled = false;
  const webSocket = new WebSocket(target, {
    ...clientTlsOptions(options.tls),
    maxPayload: options.maxFrameBytes,
    perMessageDeflate: false,
    skipUTF8Validation: true, // a text message is refused whatever it holds
    followRedirects: false,
    finishRequest: (request) => {
      request.on("socket", (opening) => opening.once("secureConnect", () => (isSecured = true)));
      request.end();
    },
  });
  const fail = (error: unknown): void => {
    if (isSettled) return;
    isSettled = true;
    clearTimeout(timer);
    attempt.failed(error);
    webSocket.terminate(); // its error, if it has one, finds the attempt settled
  };
  const timer = setTimeout(
    () => fail(networkError("NET_TIMEOUT", fault)),
    options.timeoutMs ?? CONNECT_TIMEOUT_MS,
  );
  webSocket.on("error", (error) => {
    const known = fromSocketError(error, fault);
    // In TLS 1.3 the client's part of the handshake ends first: a server that refuses the client's
    // certificate can only hang up. So may one that stops just then, hence `retryable`.
    const isTlsRefusal = isSecured && known.code === "NET_REFUSED";
    fail(
      isTlsRefusal ? networkError("NET_TLS", { ...fault, cause: error, retryable: true }) : known,
    );
  });
  webSocket.on("unexpected-response", (request, response) => {
    const details = { status: response.statusCode ?? 0 };
    fail(networkError("NET_REJECTED", { ...fault, details }));
    request.destroy();
  });
  webSocket.on("upgrade", (response) => {
    socket = response.socket;
  });
  webSocket.on("open", () => {
    if (isSettled) return;
    isSettled = true;
    clearTimeout(timer);
    assert(socket !== undefined, "a WebSocket opens after its handshake was answered");
    attempt.opened(webSocket, socket);
  });
}

function parseUrl(url: string): URL {
  const target = URL.parse(url);
  if (target !== null && (target.protocol === "ws:" || target.protocol === "wss:")) return target;
  throw networkError("NET_UNREACHABLE", { target: url, cause: new Error("not a ws: or wss: URL") });
}
