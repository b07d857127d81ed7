import {
  type ClientTls,
  type Clock,
  type CloseReason,
  type Connection,
  type ConnectOptions,
  type Listener,
  type ListenOptions,
  type Network,
  type ServerTls,
} from "@kvs/env";
import { check, checkSoon } from "./check.ts";

/** Where a network case runs: two processes, or one process twice. */
export interface NetworkSubject {
  readonly server: Network;
  readonly client: Network;
  /** The client's clock. */
  readonly clock: Clock;
  /** An address of the server that the client reaches and the server can listen on. */
  readonly host: string;
  /** Certificates to use; without them the cases of TLS are left out. */
  readonly tls?: NetworkTlsSubject;
}

/** Certificates of one authority, and one that this authority did not issue. */
export interface NetworkTlsSubject {
  /** For `host`, with the authority of the clients. */
  readonly server: ServerTls;
  /** With a certificate. */
  readonly client: ClientTls;
  /** The common names in the two certificates above. */
  readonly serverName: string;
  readonly clientName: string;
  /** A client with a certificate of another authority, which yet believes the server. */
  readonly stranger: ClientTls;
}

/** One checkable promise of `Network`. */
export interface NetworkCase {
  readonly name: string;
  readonly needsTls?: boolean;
  /** Throws if the promise is broken. */
  readonly run: (subject: NetworkSubject) => Promise<void>;
}

/** One side of a connection, with all it was told. */
export class Side {
  readonly connection: Connection;
  readonly frames: Uint8Array[] = [];
  readonly closed: CloseReason[] = [];
  drainedCount = 0;
  /** Whether a frame came after the end. */
  isDisordered = false;

  constructor(connection: Connection) {
    this.connection = connection;
    connection.start({
      frame: (bytes) => {
        this.isDisordered ||= this.closed.length > 0;
        this.frames.push(bytes);
      },
      closed: (reason) => this.closed.push(reason),
      drained: () => void this.drainedCount++,
    });
  }

  /** Checks that the connection is over, for this reason or one of these, told once and last. */
  checkClosed(...reasons: readonly CloseReason[]): void {
    check(this.closed.length === 1, `closed is called once, not ${this.closed.length} times`);
    check(reasons.includes(this.closed[0]!), `closed because of ${this.closed[0]}`);
    check(!this.isDisordered, "no frame comes after closed");
    check(!this.connection.send(new Uint8Array(1)), "a closed connection takes no frame");
  }
}

/** A listener, one connection to it, and both its sides. */
export interface Pair {
  readonly client: Side;
  readonly server: Side;
  readonly listener: Listener;
}

/** Opens a listener at a chosen port with the given options. */
export function listenAt(
  subject: NetworkSubject,
  options: Partial<ListenOptions> = {},
): Promise<Listener> {
  return subject.server.listen({
    host: subject.host,
    port: 0,
    connection: (connection) => void new Side(connection),
    ...options,
  });
}

/** Connects, lets `body` work with both sides, checks that both close, and stops listening. */
export async function withPair(
  subject: NetworkSubject,
  body: (pair: Pair) => Promise<void>,
  options: { readonly listen?: Partial<ListenOptions>; readonly connect?: ConnectOptions } = {},
): Promise<void> {
  const accepted: Side[] = [];
  const listener = await listenAt(subject, {
    connection: (connection) => void accepted.push(new Side(connection)),
    ...options.listen,
  });
  const scheme = options.listen?.tls === undefined ? "ws" : "wss";
  const url = `${scheme}://${subject.host}:${listener.port}/peer`;
  const client = new Side(await subject.client.connect(url, options.connect));
  await checkSoon(subject.clock, "the server gets the connection", () => accepted.length === 1);
  const server = accepted[0]!;
  await body({ client, server, listener });
  client.connection.close("discard");
  await checkSoon(subject.clock, "both sides close", () => {
    return client.closed.length > 0 && server.closed.length > 0;
  });
  await listener.close();
  check(client.closed.length === 1 && server.closed.length === 1, "each side closes once");
  check(!client.isDisordered && !server.isDisordered, "no frame comes after closed");
}

/** A frame that tells its number and length, and differs from others all along. */
export function numberedFrame(index: number, bytes: number): Uint8Array {
  const frame = new Uint8Array(bytes);
  for (let at = 0; at < bytes; at++) frame[at] = (index * 7 + at * 31 + (at >>> 8)) & 255;
  return frame;
}

/** Checks that the frames are `numberedFrame`s of these lengths, in order. */
export function checkFrames(frames: readonly Uint8Array[], lengths: readonly number[]): void {
  check(frames.length === lengths.length, `${lengths.length} frames, not ${frames.length}`);
  for (const [index, bytes] of lengths.entries()) {
    const expected = numberedFrame(index, bytes);
    const frame = frames[index]!;
    check(frame.length === bytes, `frame ${index} has ${bytes} bytes, not ${frame.length}`);
    const at = frame.findIndex((byte, position) => byte !== expected[position]);
    check(at === -1, `byte ${at} of frame ${index} is what was sent`);
  }
}
