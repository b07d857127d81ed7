import {
  type CloseReason,
  type ConnectOptions,
  type Connection,
  type ListenOptions,
  type Listener,
  noTrace,
} from "@kvs/env";
import { onTestFinished } from "vitest";
import { WsNetwork } from "../src/ws-network.ts";

/** What a connection's handlers were told. */
export class Recorder {
  readonly frames: Uint8Array[] = [];
  readonly reasons: CloseReason[] = [];
  drainedCount = 0;
  readonly connection: Connection;
  readonly #waiting = new Set<() => void>();

  /** @param onFrame Called after a frame was recorded. */
  constructor(connection: Connection, onFrame?: (bytes: Uint8Array) => void) {
    this.connection = connection;
    connection.start({
      frame: (bytes) => {
        if (this.reasons.length > 0) throw new Error("a frame came after closed");
        this.frames.push(bytes);
        onFrame?.(bytes);
        this.#notify();
      },
      closed: (reason) => {
        this.reasons.push(reason);
        this.#notify();
      },
      drained: () => {
        this.drainedCount++;
        this.#notify();
      },
    });
  }

  /** Waits until `condition` holds; it is asked after each call of a handler. */
  async until(condition: (recorder: this) => boolean): Promise<void> {
    while (!condition(this)) {
      await new Promise<void>((resolve) => {
        this.#waiting.add(resolve);
      });
    }
  }

  async closed(): Promise<CloseReason> {
    await this.until(() => this.reasons.length > 0);
    return this.reasons[0]!;
  }

  #notify(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }
}

export interface Loopback {
  readonly network: WsNetwork;
  readonly listener: Listener;
  /** The server's ends, in the order in which they were opened. */
  readonly served: Recorder[];
  readonly url: string;
}

/** A network that listens on a free port of the loopback interface until the test ends. */
export async function loopback(
  options: Partial<ListenOptions> & {
    onFrame?: (bytes: Uint8Array, from: Connection) => void;
  } = {},
): Promise<Loopback> {
  const network = new WsNetwork(noTrace);
  const served: Recorder[] = [];
  const listener = await network.listen({
    host: "127.0.0.1",
    port: 0,
    connection: (connection) => {
      served.push(new Recorder(connection, (bytes) => options.onFrame?.(bytes, connection)));
    },
    ...options,
  });
  onTestFinished(() => listener.close());
  const scheme = options.tls === undefined ? "ws" : "wss";
  return { network, listener, served, url: `${scheme}://127.0.0.1:${listener.port}/v1` };
}

/** Opens a connection and records what its handlers are told. */
export async function connectTo(
  { network, url }: Loopback,
  options?: ConnectOptions,
): Promise<Recorder> {
  const recorder = new Recorder(await network.connect(url, options));
  onTestFinished(() => recorder.connection.close("discard"));
  return recorder;
}

/** Bytes that name themselves: `0 1 2 …` from a number. */
export function frameOf(number: number, length = 8): Uint8Array {
  const frame = new Uint8Array(length);
  new DataView(frame.buffer).setUint32(0, number);
  return frame;
}

export function numberOf(frame: Uint8Array): number {
  return new DataView(frame.buffer, frame.byteOffset).getUint32(0);
}
