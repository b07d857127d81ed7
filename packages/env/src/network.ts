/**
 * Framed connections and plain HTTP, on one port.
 *
 * Contract of a connection, checked on both environments by the conformance suite of `@kvs/sim`:
 *
 * 1. Frames arrive whole, unaltered, in the order sent, each at most once; or the connection closes
 *    and an unknown suffix of what was sent is lost. (A simulation can be told to break this, to
 *    show that protocols check what they receive.)
 * 2. `closed` is called exactly once, after the last `frame`, also when this side closes.
 * 3. A dead peer is not noticed by itself: protocols need their own heartbeats and deadlines.
 * 4. Nothing is called inside the call that caused it: handlers run in later turns.
 */
export interface Network {
  /**
   * Listens for connections and HTTP requests.
   *
   * @throws {KvsError} `NET_ADDRESS_IN_USE`, `NET_DENIED`, `NET_UNREACHABLE` (no such interface),
   *   `NET_TLS` (bad certificate or key).
   */
  listen(options: ListenOptions): Promise<Listener>;
  /**
   * Opens a connection to `ws://host:port/path` or `wss://…`.
   *
   * @throws {KvsError} `NET_REFUSED`, `NET_UNREACHABLE`, `NET_TIMEOUT` (retryable), `NET_TLS`,
   *   `NET_REJECTED` (the server answered, but not with a connection; `details.status`).
   */
  connect(url: string, options?: ConnectOptions): Promise<Connection>;
  /**
   * Sends one HTTP request and reads the whole answer.
   *
   * @param url `http://…` or `https://…`.
   * @throws {KvsError} as `connect`; `NET_TOO_LARGE` if the body exceeds `maxBodyBytes`.
   */
  request(url: string, options?: HttpRequestOptions): Promise<HttpResponse>;
}

export interface Listener {
  /** The port in use: the one asked for, or the one chosen for 0. */
  readonly port: number;
  /** Stops accepting, closes every connection it made, waits until they are closed. */
  close(): Promise<void>;
}

export interface ListenOptions {
  readonly host: string;
  /** 0 to 65535; 0 lets the system choose. */
  readonly port: number;
  readonly tls?: ServerTls;
  /** Frames longer than this close the connection before they are read. Default 64 MiB + 64 KiB. */
  readonly maxFrameBytes?: number;
  /**
   * The same for the first frame of each connection, at most `maxFrameBytes`: who has not said who it
   * is gets less memory. Default: `maxFrameBytes`.
   */
  readonly maxFirstFrameBytes?: number;
  /** Connections at once; the next is refused with HTTP status 503. Default 10,000. */
  readonly connectionsMax?: number;
  /** Whether a connection may be opened at this path. Default: every path. */
  readonly acceptsPath?: (path: string) => boolean;
  /** Called for each new connection; must call `connection.start` before it returns. */
  readonly connection: (connection: Connection) => void;
  /** Answers plain HTTP requests; without it they get status 404. */
  readonly http?: HttpHandler;
}

export interface ConnectOptions {
  readonly tls?: ClientTls;
  readonly maxFrameBytes?: number;
  /** Until the connection is open. Default 5,000. */
  readonly timeoutMs?: number;
}

/** PEM texts. TLS 1.2 is the least that is spoken. */
export interface ServerTls {
  readonly certificate: string;
  readonly key: string;
  /** Authorities whose clients are believed. */
  readonly authority?: string;
  /** Refuse clients without a certificate by `authority`. Default: false. */
  readonly requireClientCertificate?: boolean;
}

export interface ClientTls {
  /** Authorities whose servers are believed; default: the system's. */
  readonly authority?: string;
  readonly certificate?: string;
  readonly key?: string;
  /** The name to check the server's certificate against, if not the host of the URL. */
  readonly serverName?: string;
}

/** Who the peer's certificate says it is; only of a certificate that was verified. */
export interface PeerIdentity {
  readonly commonName: string;
  /** DNS names, addresses and URIs, as `DNS:n1`, `IP Address:10.0.0.1`, `URI:…`. */
  readonly alternativeNames: readonly string[];
  /** SHA-256 of the certificate, as colon-separated upper-case hex. */
  readonly fingerprint: string;
}

export interface Connection {
  /** A number that is unique in this environment, for logs. */
  readonly id: number;
  readonly remote: { readonly host: string; readonly port: number };
  /** The path it was opened at. */
  readonly path: string;
  readonly identity: PeerIdentity | undefined;
  /** Bytes given to `send` that the system has not taken yet. */
  readonly bufferedBytes: number;
  /** Begins delivery. Called once, in the turn in which the connection was handed out. */
  start(handlers: ConnectionHandlers): void;
  /**
   * Queues one frame. Frames sent in one turn leave together at its end.
   *
   * @param frame Belongs to the connection from now on; at least 1 byte.
   * @returns false once `bufferedBytes` exceeds `SEND_BUFFER_BYTES`: stop until `drained` is
   *   called. Past `SEND_BUFFER_MAX_BYTES` the connection closes itself (`overflow`).
   *   On a closed connection it returns false and does nothing.
   */
  send(frame: Uint8Array): boolean;
  /** Stops delivery of frames, and with it, soon, the peer's sending. */
  pause(): void;
  resume(): void;
  /** Sends what is queued, then closes. With `discard` it closes at once. */
  close(mode?: "discard"): void;
}

export interface ConnectionHandlers {
  /** One frame; its bytes are the receiver's to keep. */
  frame(bytes: Uint8Array): void;
  closed(reason: CloseReason): void;
  /** There is room again, after a `send` that returned false. */
  drained?(): void;
}

/**
 * - `local`: this side closed it; `remote`: the peer did, properly.
 * - `reset`: it broke, or the peer vanished in a way that was noticed.
 * - `frame-too-large`: the peer sent more than `maxFrameBytes`, or `maxFirstFrameBytes` at first.
 * - `overflow`: the peer did not read, and the send buffer passed its limit.
 * - `protocol`: the peer broke the framing protocol.
 */
export type CloseReason =
  | "local"
  | "remote"
  | "reset"
  | "frame-too-large"
  | "overflow"
  | "protocol";

/** Beyond this many queued bytes `send` asks to stop: a few round trips at 1 GB/s. */
export const SEND_BUFFER_BYTES: number = 1 << 20;
/** Beyond this a peer that does not read costs too much memory: one largest frame and some. */
export const SEND_BUFFER_MAX_BYTES: number = 80 << 20;
/** The longest frame unless the options say otherwise: a batch of 64 MiB and its envelope. */
export const FRAME_MAX_BYTES: number = (64 << 20) + (64 << 10);

/** Answers one request. What it throws becomes status 500 and an event of the trace. */
export type HttpHandler = (request: HttpRequest) => HttpResponse | Promise<HttpResponse>;

export interface HttpRequest {
  readonly method: string;
  /** The path, without the query. */
  readonly path: string;
  /** What follows "?", undecoded; empty if absent. */
  readonly query: string;
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  /** At most `HTTP_BODY_MAX_BYTES`; a longer one is answered with status 413. */
  readonly body: Uint8Array;
  readonly remote: { readonly host: string; readonly port: number };
  readonly identity: PeerIdentity | undefined;
}

export interface HttpResponse {
  /** 100 to 599. */
  readonly status: number;
  readonly headers?: ReadonlyMap<string, string>;
  readonly body?: Uint8Array;
}

export interface HttpRequestOptions {
  readonly method?: string;
  readonly headers?: ReadonlyMap<string, string>;
  readonly body?: Uint8Array;
  readonly tls?: ClientTls;
  /** Until the whole answer is there. Default 5,000. */
  readonly timeoutMs?: number;
  /** Default `HTTP_BODY_MAX_BYTES`. */
  readonly maxBodyBytes?: number;
}

/** The longest HTTP body read: administration requests are small. */
export const HTTP_BODY_MAX_BYTES: number = 16 << 20;

/**
 * Codes of the network.
 *
 * - `NET_ADDRESS_IN_USE`: another listener has this port.
 * - `NET_DENIED`: the system does not let this process listen here, as on ports below 1024.
 * - `NET_REFUSED` (retryable): nobody listens at this address.
 * - `NET_UNREACHABLE` (retryable): no way leads to the host, or its name is unknown.
 * - `NET_TIMEOUT` (retryable): no answer in time.
 * - `NET_TLS`: a certificate or key is bad, or the two sides cannot agree on TLS.
 * - `NET_REJECTED`: the server answered, but not with a connection; `details.status` says how.
 * - `NET_TOO_LARGE`: the body of an answer is longer than the caller allowed.
 */
export type NetworkErrorCode =
  | "NET_ADDRESS_IN_USE"
  | "NET_DENIED"
  | "NET_REFUSED"
  | "NET_UNREACHABLE"
  | "NET_TIMEOUT"
  | "NET_TLS"
  | "NET_REJECTED"
  | "NET_TOO_LARGE";
