/**
 * One port: connections, and plain HTTP beside them.
 *
 * What a hostile peer can hold: a socket until its request's headers are complete
 * (`HEADERS_TIMEOUT_MS`), its request is read (`REQUEST_TIMEOUT_MS`) or it was idle between requests
 * (`IDLE_TIMEOUT_MS`); a socket in a TLS handshake (`HANDSHAKE_TIMEOUT_MS`); and of all these at most
 * `PLAIN_SOCKETS_MAX`. A connection, once open, is in the hands of its protocol.
 */
import { type ListenOptions, type Listener, type Trace, assert } from "@kvs/env";
import * as http from "node:http";
import * as https from "node:https";
import { type AddressInfo, type Socket } from "node:net";
import { type Duplex } from "node:stream";
import { type WebSocket, WebSocketServer } from "ws";
import { splitTarget } from "./http-message.ts";
import { HttpService } from "./http-service.ts";
import { fromSocketError, networkError } from "./network-error.ts";
import { serverTlsOptions } from "./tls-options.ts";
import { WsConnection, frameLimit } from "./ws-connection.ts";

const CONNECTIONS_MAX = 10_000;
/** Sockets beyond the connections: requests, and connections that are being opened. */
const PLAIN_SOCKETS_MAX = 1024;
const HANDSHAKE_TIMEOUT_MS = 10_000;
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;
const IDLE_TIMEOUT_MS = 5000;
/** How often Node looks for requests that are overdue. */
const OVERDUE_CHECK_MS = 1000;
/** How long `close` waits for peers to finish before it destroys their sockets. */
const CLOSE_GRACE_MS = 5000;

/** What a listener needs of its network. */
export interface ListenerContext {
  readonly trace: Trace;
  /** A number for the next connection. */
  readonly nextId: () => number;
}

/**
 * Opens a port.
 *
 * @throws {KvsError} See `Network.listen`.
 */
export async function listenOn(
  options: ListenOptions,
  context: ListenerContext,
): Promise<Listener> {
  const target = `${options.host}:${options.port}`;
  const server = makeServer(options, target);
  const listener = new WsListener(server, options, context); // first: a peer may come at once
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) => reject(fromSocketError(error, { target })));
    server.listen(options.port, options.host, resolve);
  });
  listener.port = (server.address() as AddressInfo).port;
  server.removeAllListeners("error");
  server.on("error", (error) => {
    const code = "code" in error ? String(error.code) : error.name; // EMFILE on accept, mostly
    context.trace.event("warn", "node.listener", "the port reports an error", { target, code });
  });
  return listener;
}

function makeServer(options: ListenOptions, target: string): http.Server {
  const bounds = {
    headersTimeout: HEADERS_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: IDLE_TIMEOUT_MS,
    connectionsCheckingInterval: OVERDUE_CHECK_MS,
    noDelay: true,
  };
  if (options.tls === undefined) return http.createServer(bounds);
  try {
    return https.createServer({
      ...bounds,
      ...serverTlsOptions(options.tls),
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    });
  } catch (cause) {
    throw networkError("NET_TLS", { target, cause });
  }
}

class WsListener implements Listener {
  port = 0;
  readonly #server: http.Server;
  readonly #options: ListenOptions;
  readonly #context: ListenerContext;
  readonly #webSockets: WebSocketServer;
  readonly #connections = new Set<WsConnection>();
  #closing: Promise<void> | undefined;

  constructor(server: http.Server, options: ListenOptions, context: ListenerContext) {
    this.#server = server;
    this.#options = options;
    this.#context = context;
    this.#webSockets = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      maxPayload: frameLimit(options.maxFrameBytes),
      perMessageDeflate: false,
      skipUTF8Validation: true, // a text message is refused whatever it holds
    });
    const service = new HttpService(options.http, context.trace);
    server.maxConnections = this.#connectionsMax + PLAIN_SOCKETS_MAX;
    server.on("request", (message, response) => void service.serve(message, response));
    server.on("upgrade", (message, socket, head) => this.#upgrade(message, socket, head));
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const stopped = new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
    this.#server.closeIdleConnections();
    const connections = [...this.#connections];
    const gone = connections.map((connection) => connection.whenClosed);
    for (const connection of connections) connection.close();
    const timer = setTimeout(() => {
      for (const connection of connections) connection.close("discard");
      this.#server.closeAllConnections();
    }, CLOSE_GRACE_MS);
    await Promise.all([stopped, ...gone]);
    clearTimeout(timer);
    assert(this.#connections.size === 0, "a closed port has no connections");
  }

  get #connectionsMax(): number {
    return this.#options.connectionsMax ?? CONNECTIONS_MAX;
  }

  #upgrade(message: http.IncomingMessage, socket: Duplex, head: Buffer): void {
    const { path } = splitTarget(message.url ?? "/");
    if (this.#options.acceptsPath?.(path) === false) refuse(socket, "404 Not Found");
    else if (this.#connections.size >= this.#connectionsMax || this.#closing !== undefined) {
      refuse(socket, "503 Service Unavailable");
    } else {
      this.#webSockets.handleUpgrade(message, socket, head, (webSocket) =>
        this.#open(webSocket, socket as Socket, path),
      );
    }
  }

  #open(webSocket: WebSocket, socket: Socket, path: string): void {
    const id = this.#context.nextId();
    const connection = new WsConnection({
      id,
      webSocket,
      socket,
      path,
      maxFirstFrameBytes: this.#options.maxFirstFrameBytes,
    });
    this.#connections.add(connection);
    void connection.whenClosed.then(() => this.#connections.delete(connection));
    this.#options.connection(connection);
    assert(connection.isStarted, "a new connection is started before its handler returns");
  }
}

/** Answers a handshake with a status and hangs up. */
function refuse(socket: Duplex, status: string): void {
  socket.on("error", () => socket.destroy());
  socket.once("finish", () => socket.destroy());
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}
