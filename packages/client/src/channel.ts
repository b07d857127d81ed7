/**
 * One connection to a server, once it said hello.
 *
 *   connecting ──▶ greeting ──(WELCOME)──▶ open ──(goodbye)──▶ draining ──▶ gone
 *
 * `open` below does the first two; a `Channel` begins in the third.
 */
import {
  type CloseReason,
  type Connection,
  type Environment,
  KvsError,
  type Timer,
  assert,
} from "@kvs/env";
import {
  FrameReader,
  FrameWriter,
  HEARTBEAT_MS,
  HEARTBEAT_TIMEOUT_MS,
  PROTOCOL_VERSION,
  RequestCode,
  ResponseStatus,
  helloDocument,
  protocolError,
  readError,
  readWelcome,
} from "@kvs/protocol";
import { connectionFailed } from "./client-error.ts";
import { type HostAddress, describeHost, wireUrl } from "./connection-url.ts";

/** The id of a HELLO, and of heartbeats: nobody waits for the answers of these by id. */
export const HELLO_ID = 0xffff_ffff;

export interface ChannelTarget {
  readonly address: HostAddress;
  readonly database: string;
  readonly clientName: string;
  readonly timeoutMs: number;
}

export interface ChannelHandlers {
  /** A frame of answers; throws if it is none, and the channel then gives up. */
  readonly answered: (reader: FrameReader, channel: Channel) => void;
  /** There is room again, after `isBlocked`. */
  readonly drained: () => void;
  /** The server begins nothing new: nothing may be sent here any more. */
  readonly draining: (channel: Channel) => void;
  /** The last call. What was sent and not answered never will be. */
  readonly lost: (channel: Channel, cause: KvsError) => void;
}

/**
 * Connects and says hello.
 *
 * @throws {KvsError} `CONNECTION_FAILED`; what the server answers to a HELLO that it refuses.
 */
export async function openChannel(
  environment: Environment,
  target: ChannelTarget,
  handlers: ChannelHandlers,
): Promise<Channel> {
  const address = describeHost(target.address);
  let connection: Connection;
  try {
    const { timeoutMs } = target;
    connection = await environment.network.connect(wireUrl(target.address), { timeoutMs });
  } catch (cause) {
    throw connectionFailed(address, cause);
  }
  return new Promise((resolve, reject) => {
    const channel = new Channel(environment, connection, handlers);
    channel.greet(target, {
      welcomed: () => resolve(channel),
      refused: (error) => reject(isOfNetwork(error) ? connectionFailed(address, error) : error),
    });
  });
}

/** How a greeting ends: one of the two, once. */
interface Greeting {
  readonly welcomed: () => void;
  readonly refused: (error: KvsError) => void;
}

export class Channel {
  readonly #environment: Environment;
  readonly #connection: Connection;
  readonly #handlers: ChannelHandlers;
  #state: "greeting" | "open" | "draining" | "gone" = "greeting";
  #greeting: Greeting | undefined;
  #greetingTimer: Timer | undefined;
  #isBlocked = false;
  #lastHeardMs: number;
  /** When it was asked for a sign of life, and has given none since. */
  #askedMs: number | undefined;
  /** Why it is given up, if this side does so or the server said so. */
  #reason: KvsError | undefined;

  /** @param connection In the turn in which it was handed out. */
  constructor(environment: Environment, connection: Connection, handlers: ChannelHandlers) {
    this.#environment = environment;
    this.#connection = connection;
    this.#handlers = handlers;
    this.#lastHeardMs = environment.clock.monotonicMs();
    connection.start({
      frame: (bytes) => this.#receive(bytes),
      closed: (reason) => this.#closed(reason),
      drained: () => {
        this.#isBlocked = false;
        this.#handlers.drained();
      },
    });
  }

  /** Whether requests may be sent. */
  get isOpen(): boolean {
    return this.#state === "open";
  }

  /** Whether answers may still come. */
  get isAlive(): boolean {
    return this.#state === "open" || this.#state === "draining";
  }

  /** Whether the system has taken too little of what was sent: wait for `drained`. */
  get isBlocked(): boolean {
    return this.#isBlocked;
  }

  /** Says hello. Called once, first. */
  greet(target: ChannelTarget, greeting: Greeting): void {
    assert(this.#state === "greeting", "a channel begins with a greeting");
    this.#greeting = greeting;
    const frame = new FrameWriter();
    frame.beginRequest(1, HELLO_ID, RequestCode.HELLO, target.timeoutMs);
    const { database, clientName: client } = target;
    frame.document(helloDocument({ versions: [PROTOCOL_VERSION], database, client }));
    frame.end();
    this.#connection.send(frame.take());
    this.#greetingTimer = this.#environment.clock.schedule(target.timeoutMs, () => {
      this.abandon(new KvsError("NET_TIMEOUT", "no answer to a HELLO", { outcome: "none" }));
    });
  }

  /** Sends a frame of requests. What was sent here may have arrived, whatever happens next. */
  send(frame: Uint8Array): void {
    assert(this.isAlive, "frames are sent on a live channel");
    if (!this.#connection.send(frame)) this.#isBlocked = true;
  }

  /** Asks for a sign of life if there was none for long, and gives up if none comes. */
  sweep(nowMs: number): void {
    if (!this.isAlive) return;
    const silentMs = nowMs - this.#lastHeardMs;
    if (this.#askedMs !== undefined) {
      // Counted from the question: silence may be of this process's own making, if it stood still.
      if (nowMs - this.#askedMs < HEARTBEAT_TIMEOUT_MS) return;
      const message = `the server has sent nothing for ${Math.round(silentMs)} ms`;
      this.abandon(new KvsError("NET_TIMEOUT", message, { outcome: "none" }));
    } else if (silentMs >= HEARTBEAT_MS) {
      this.#askedMs = nowMs;
      const frame = new FrameWriter();
      frame.beginRequest(0, HELLO_ID, RequestCode.PING, HEARTBEAT_TIMEOUT_MS);
      frame.end();
      this.send(frame.take());
    }
  }

  /** Gives the connection up because of this. */
  abandon(reason: KvsError): void {
    this.#reason ??= reason;
    this.#connection.close("discard");
  }

  /** Sends what is queued and closes. */
  close(): void {
    this.#connection.close();
  }

  #receive(bytes: Uint8Array): void {
    if (this.#state === "gone" || this.#reason !== undefined) return;
    this.#lastHeardMs = this.#environment.clock.monotonicMs();
    this.#askedMs = undefined;
    try {
      const reader = new FrameReader(bytes);
      if (this.#state === "greeting") this.#readWelcome(reader);
      else this.#handlers.answered(reader, this);
    } catch (error) {
      if (!(error instanceof KvsError)) throw error;
      this.abandon(error);
    }
  }

  /** Called by whoever reads answers, for one with the id `NO_REQUEST`. */
  goodbye(error: KvsError): void {
    this.#reason ??= error.code === "SHUTTING_DOWN" ? undefined : error;
    if (this.#state !== "open") return;
    this.#state = "draining";
    this.#handlers.draining(this);
  }

  #readWelcome(reader: FrameReader): void {
    if (!reader.next()) throw notWelcomed();
    if (reader.code === ResponseStatus.ERROR) throw readError(reader);
    if (reader.id !== HELLO_ID) throw notWelcomed();
    readWelcome(reader.bytes());
    this.#greetingTimer?.cancel();
    this.#state = "open";
    this.#greeting?.welcomed();
    this.#greeting = undefined;
  }

  #closed(reason: CloseReason): void {
    const before = this.#state;
    this.#state = "gone";
    this.#greetingTimer?.cancel();
    const cause = this.#reason ?? brokenBy(reason);
    if (before === "greeting") this.#greeting?.refused(cause);
    else this.#handlers.lost(this, cause);
  }
}

function notWelcomed(): Error {
  return protocolError("PROTOCOL_HANDSHAKE", "the server did not answer the HELLO first");
}

function brokenBy(reason: CloseReason): KvsError {
  const message = `the connection closed: ${reason}`;
  return new KvsError("CONNECTION_LOST", message, { outcome: "none", details: { reason } });
}

/** What says nothing of the server's mind. */
function isOfNetwork(error: KvsError): boolean {
  return error.code.startsWith("NET_") || error.code === "CONNECTION_LOST";
}
