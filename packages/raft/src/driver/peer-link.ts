import {
  type ClientTls,
  type Connection,
  type Environment,
  isKvsError,
  type Timer,
} from "@kvs/env";

import { encodeFrame } from "../codec/frame-codec.ts";
import { encodedBytesMax } from "../codec/message-codec.ts";
import { type Message } from "../core/message.ts";

/** What may wait for one peer: the windows of some groups. */
const QUEUE_MAX_BYTES: number = 32 << 20;
/** Entries of one frame, unless a message alone is longer. */
const FRAME_BYTES: number = 4 << 20;
const RECONNECT_MS_MIN = 20;
const RECONNECT_MS_MAX = 250;
const CONNECT_TIMEOUT_MS = 1000;

interface LinkOptions {
  readonly cluster: number;
  readonly hello: Uint8Array;
  readonly address: () => string | undefined;
  readonly tls: ClientTls | undefined;
  /** A connection that was open is not any more. */
  readonly broken: () => void;
}

/** What this node says to one peer. */
export class PeerLink {
  readonly #environment: Environment;
  readonly #options: LinkOptions;
  #queue: Message[] = [];
  #queueBytes = 0;
  #connection: Connection | undefined;
  #isConnecting = false;
  #isClogged = false;
  #isClosed = false;
  #hasSent = false;
  #delayMs = RECONNECT_MS_MIN;
  #timer: Timer | undefined;

  constructor(environment: Environment, options: LinkOptions) {
    this.#environment = environment;
    this.#options = options;
  }

  /** Returns how many messages were dropped for want of room. */
  send(messages: readonly Message[]): number {
    let droppedCount = 0;
    for (const message of messages) {
      const bytes = encodedBytesMax(message);
      if (this.#queue.length > 0 && this.#queueBytes + bytes > QUEUE_MAX_BYTES) droppedCount++;
      else {
        this.#queue.push(message);
        this.#queueBytes += bytes;
      }
    }
    this.#flush();
    return droppedCount;
  }

  ping(): void {
    if (!this.#hasSent && this.#queue.length === 0) this.#transmit([]);
    this.#hasSent = false;
  }

  /** Gives the connection up; the next message opens another one. */
  cut(): void {
    this.#connection?.close("discard");
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#connection?.close();
  }

  #flush(): void {
    if (this.#connection === undefined) {
      this.#connect();
      return;
    }
    while (this.#queue.length > 0 && !this.#isClogged) {
      let [count, bytes] = [0, 0];
      while (count < this.#queue.length && (count === 0 || bytes < FRAME_BYTES)) {
        bytes += encodedBytesMax(this.#queue[count]!);
        count++;
      }
      const sent = this.#queue.slice(0, count);
      this.#queue = this.#queue.slice(count);
      this.#queueBytes -= bytes;
      this.#transmit(sent);
    }
  }

  #transmit(messages: readonly Message[]): void {
    if (this.#connection === undefined || this.#isClogged) return;
    this.#hasSent = true;
    this.#isClogged = !this.#connection.send(encodeFrame(this.#options.cluster, messages));
  }

  #connect(): void {
    if (this.#isConnecting || this.#isClosed || this.#timer !== undefined) return;
    const address = this.#options.address();
    if (address === undefined) {
      this.#forget();
      return;
    }
    this.#isConnecting = true;
    void this.#open(address);
  }

  async #open(address: string): Promise<void> {
    const { tls, hello } = this.#options;
    try {
      const options = { timeoutMs: CONNECT_TIMEOUT_MS, ...(tls !== undefined && { tls }) };
      const connection = await this.#environment.network.connect(address, options);
      this.#isConnecting = false;
      this.#use(connection, hello);
    } catch (error) {
      if (!isKvsError(error)) throw error;
      this.#isConnecting = false;
      this.#retryLater();
    }
  }

  #use(connection: Connection, hello: Uint8Array): void {
    connection.start({
      frame: () => undefined, // peers answer over connections of their own
      closed: () => this.#onClosed(connection),
      drained: () => {
        this.#isClogged = false;
        this.#flush();
      },
    });
    if (this.#isClosed) {
      connection.close();
      return;
    }
    this.#connection = connection;
    this.#isClogged = false;
    this.#delayMs = RECONNECT_MS_MIN;
    connection.send(hello.slice());
    this.#flush();
  }

  #onClosed(connection: Connection): void {
    if (this.#connection !== connection) return;
    this.#connection = undefined;
    this.#options.broken();
    this.#retryLater();
  }

  /** What waits is old by the time the peer is back. */
  #retryLater(): void {
    this.#forget();
    if (this.#isClosed) return;
    this.#timer = this.#environment.clock.schedule(this.#delayMs, () => {
      this.#timer = undefined;
      if (this.#queue.length > 0) this.#connect();
    });
    this.#delayMs = Math.min(2 * this.#delayMs, RECONNECT_MS_MAX);
  }

  #forget(): void {
    this.#queue = [];
    this.#queueBytes = 0;
  }
}
