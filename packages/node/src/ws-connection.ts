/**
 * One framed connection over a WebSocket: a frame is one binary message.
 *
 *   handed out ──start──▶ open ──(close, a fault)──▶ closing ──▶ gone ──(inbox empty)──▶ closed
 *                           └────────(the peer closes)────────────▲
 *
 * 1. Frames sent in one turn leave in one system call: the first corks the socket, the end of the
 *    turn uncorks it. Measured: 330,000 echoes of 64 bytes a second at 64 callers.
 * 2. While paused (also before `start`) nothing is delivered. What ws had already read waits in
 *    the inbox: at most one read of the socket and one frame, since its socket is paused as well.
 * 3. `#reason` is set once: from then on no frame is taken in or sent, and the socket is read to its
 *    end, because a paused one never closes. If this side closes, the inbox is emptied too.
 * 4. Until its first frame is whole, a connection may be given a lower limit of bytes. ws has one limit
 *    for all frames, so the bytes of the socket are counted, after ws has taken them.
 * 5. `closed` is called once, in a turn of its own, after the last frame.
 */
import {
  type CloseReason,
  type Connection,
  type ConnectionHandlers,
  FRAME_MAX_BYTES,
  type PeerIdentity,
  SEND_BUFFER_BYTES,
  SEND_BUFFER_MAX_BYTES,
  assert,
} from "@kvs/env";
import { type Socket } from "node:net";
import { WebSocket } from "ws";
import { identityOf } from "./tls-options.ts";

/** How long a peer that broke a rule has to read why, before its socket is destroyed. */
const FAULT_GRACE_MS = 1000;

/** Status codes of RFC 6455, section 7.4.1. */
const STATUS_NORMAL = 1000;
const STATUS_UNSUPPORTED = 1003;
const STATUS_ABNORMAL = 1006; // never on the wire: the socket closed without a close frame

/** What a connection is made of. */
export interface WsConnectionParts {
  readonly id: number;
  /** Open, and in the turn in which it opened. */
  readonly webSocket: WebSocket;
  /** The socket below `webSocket`. */
  readonly socket: Socket;
  readonly path: string;
  /** Bytes that may come until the first frame is whole; `undefined`: no limit but that of frames. */
  readonly maxFirstFrameBytes?: number | undefined;
}

/** Bytes of a frame that are not its own: the longest header, and a ping of a careful peer. */
const FRAMING_BYTES_MAX = 256;

/** The limit of frames to set in ws, which keeps it as a signed 32-bit integer. */
export function frameLimit(maxFrameBytes: number = FRAME_MAX_BYTES): number {
  const isLimit = Number.isInteger(maxFrameBytes) && maxFrameBytes >= 1 && maxFrameBytes < 2 ** 31;
  assert(isLimit, "maxFrameBytes is an integer in [1, 2^31)");
  return maxFrameBytes;
}

/** A connection of `WsNetwork`, on either side. */
export class WsConnection implements Connection {
  readonly id: number;
  readonly remote: { readonly host: string; readonly port: number };
  readonly path: string;
  readonly identity: PeerIdentity | undefined;
  readonly #webSocket: WebSocket;
  readonly #socket: Socket;
  #handlers: ConnectionHandlers | undefined;
  #isPaused = true;
  /** Whether a frame came. */
  #hasReceived = false;
  #isCorked = false;
  #wantsDrained = false;
  #isDeliveryScheduled = false;
  #inbox: Uint8Array[] = [];
  /** Why it closes, as soon as that is known. */
  #reason: CloseReason | undefined;
  /** Whether the socket is gone, and `closed` is due after the inbox. */
  #isGone = false;
  readonly #closed = Promise.withResolvers<void>();
  #isClosed = false;

  constructor(parts: WsConnectionParts) {
    const { webSocket, socket } = parts;
    this.id = parts.id;
    this.path = parts.path;
    this.remote = { host: socket.remoteAddress ?? "", port: socket.remotePort ?? 0 };
    this.identity = identityOf(socket);
    this.#webSocket = webSocket;
    this.#socket = socket;
    webSocket.pause();
    webSocket.on("message", (data, isBinary) => this.#receive(data as Buffer, isBinary));
    webSocket.on("error", (error) => this.#noteError(error));
    webSocket.on("close", (status) => this.#gone(status));
    socket.on("drain", () => this.#drained());
    if (parts.maxFirstFrameBytes !== undefined) this.#limitFirst(parts.maxFirstFrameBytes);
  }

  get isStarted(): boolean {
    return this.#handlers !== undefined;
  }

  /** Resolves after `closed` was called. */
  get whenClosed(): Promise<void> {
    return this.#closed.promise;
  }

  get bufferedBytes(): number {
    return this.#isGone ? 0 : this.#webSocket.bufferedAmount;
  }

  start(handlers: ConnectionHandlers): void {
    assert(this.#handlers === undefined, "a connection is started once");
    this.#handlers = handlers;
    this.resume();
  }

  send(frame: Uint8Array): boolean {
    assert(frame.length > 0, "a frame has at least one byte");
    if (this.#reason !== undefined || this.#webSocket.readyState !== WebSocket.OPEN) return false;
    this.#cork();
    this.#webSocket.send(frame, SEND_OPTIONS);
    const bufferedBytes = this.#webSocket.bufferedAmount;
    if (bufferedBytes <= SEND_BUFFER_BYTES) return true;
    this.#wantsDrained = true;
    if (bufferedBytes > SEND_BUFFER_MAX_BYTES) this.#discard("overflow");
    return false;
  }

  pause(): void {
    const isClosing = this.#reason !== undefined && !this.#isGone;
    if (isClosing) return;
    this.#isPaused = true;
    this.#webSocket.pause();
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#scheduleDelivery();
  }

  close(mode?: "discard"): void {
    this.#inbox = [];
    if (this.#isGone) this.#scheduleDelivery();
    else if (mode === "discard") this.#discard("local");
    else if (this.#reason === undefined) {
      this.#end("local");
      this.#webSocket.close(STATUS_NORMAL);
    }
  }

  #cork(): void {
    if (this.#isCorked) return;
    this.#isCorked = true;
    this.#socket.cork();
    setImmediate(() => {
      this.#isCorked = false;
      this.#socket.uncork();
    });
  }

  /** Hangs up on a peer whose first frame is not whole after so many bytes. */
  #limitFirst(bytesMax: number): void {
    let bytes = 0;
    const count = (chunk: Buffer): void => {
      bytes += chunk.length;
      if (this.#hasReceived || this.#reason !== undefined) this.#socket.off("data", count);
      else if (bytes > bytesMax + FRAMING_BYTES_MAX) this.#discard("frame-too-large");
    };
    this.#socket.on("data", count); // the socket is paused: this does not make it flow
  }

  #receive(data: Buffer, isBinary: boolean): void {
    if (this.#reason !== undefined) return;
    this.#hasReceived = true;
    if (!isBinary || data.length === 0) {
      this.#end("protocol");
      this.#webSocket.close(STATUS_UNSUPPORTED);
      this.#destroySoon();
      return;
    }
    // A bare Uint8Array: the `slice` of Node's Buffer shares memory where this one copies.
    const frame = new Uint8Array(data.buffer, data.byteOffset, data.length);
    if (this.#isPaused || this.#inbox.length > 0) this.#inbox.push(frame);
    else this.#handlers?.frame(frame);
  }

  #scheduleDelivery(): void {
    if (this.#isDeliveryScheduled) return;
    this.#isDeliveryScheduled = true;
    setImmediate(() => {
      this.#isDeliveryScheduled = false;
      this.#deliver();
    });
  }

  /** Delivers what waited; then lets ws read on, or tells that the socket is gone. */
  #deliver(): void {
    const waiting = this.#inbox;
    let next = 0;
    while (next < waiting.length && !this.#isPaused && this.#inbox === waiting) {
      this.#handlers?.frame(waiting[next++]!);
    }
    if (this.#inbox === waiting) this.#inbox = waiting.slice(next);
    if (this.#inbox.length > 0) return; // paused again
    if (this.#isGone) this.#finish();
    else if (!this.#isPaused) this.#webSocket.resume();
  }

  #drained(): void {
    if (!this.#wantsDrained || this.#reason !== undefined) return;
    this.#wantsDrained = false;
    this.#handlers?.drained?.();
  }

  /** Faults of the peer's bytes; ws answers them with a close frame of its own. */
  #noteError(error: Error): void {
    const code = "code" in error ? String(error.code) : "";
    if (this.#reason !== undefined || !code.startsWith("WS_ERR_")) return; // else: reset, see #gone
    this.#end(code === "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH" ? "frame-too-large" : "protocol");
    this.#destroySoon();
  }

  /** No frame is delivered or sent from now on; the socket is read to its end. */
  #end(reason: CloseReason): void {
    assert(this.#reason === undefined, "a connection closes for one reason");
    this.#reason = reason;
    this.#inbox = [];
    this.#isPaused = false;
    this.#webSocket.resume();
  }

  #discard(reason: CloseReason): void {
    if (this.#reason === undefined) this.#end(reason);
    this.#webSocket.terminate();
  }

  #destroySoon(): void {
    const timer = setTimeout(() => this.#webSocket.terminate(), FAULT_GRACE_MS);
    this.#webSocket.once("close", () => clearTimeout(timer));
  }

  #gone(status: number): void {
    this.#isGone = true;
    this.#reason ??= status === STATUS_ABNORMAL ? "reset" : "remote";
    this.#scheduleDelivery();
  }

  #finish(): void {
    if (this.#isClosed) return;
    assert(this.#reason !== undefined, "a connection closes for a reason");
    this.#isClosed = true;
    this.#closed.resolve();
    this.#handlers?.closed(this.#reason);
  }
}

const SEND_OPTIONS = { binary: true, compress: false };
