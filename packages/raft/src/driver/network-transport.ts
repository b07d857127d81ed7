/**
 * The transport over framed connections. Each node opens one connection to each peer, for what it has to
 * say; what it hears comes over the connections that peers opened to it.
 *
 *   connection = hello frame*        hello: cluster and node id of who opened it
 *
 * 1. What is heard is from the node of the hello: messages of anybody else are dropped. (Who may say hello
 *    is the affair of TLS: give certificates.)
 * 2. What waits for a peer is bounded; what does not fit is dropped, and Raft sends it again.
 * 3. A peer to which nothing else is said gets an empty frame now and then; one of which nothing is heard
 *    for some of these is lost. Both its connections are then cut: one that hangs in the network may go on
 *    hanging for minutes after the network is well again.
 */
import { ByteReader, ByteWriter } from "@kvs/codec";
import {
  assert,
  type ClientTls,
  type Connection,
  type Environment,
  isKvsError,
  type Listener,
  type ServerTls,
  type Timer,
} from "@kvs/env";

import { decodeFrame } from "../codec/frame-codec.ts";
import { isId, type NodeId } from "../core/ids.ts";
import { type Message } from "../core/message.ts";
import { PeerLink } from "./peer-link.ts";
import { type RaftTransport, type TransportHandlers } from "./transport.ts";

export interface NetworkTransportOptions {
  readonly self: NodeId;
  /** Keeps clusters apart: an integer in [0, 2^53), the same for all members. */
  readonly cluster: number;
  /** Where a peer listens, as `ws://host:port/` or `wss://…`; `undefined` if nobody knows. */
  readonly addressOf: (node: NodeId) => string | undefined;
  readonly clientTls?: ClientTls;
}

export interface ListeningTransportOptions extends NetworkTransportOptions {
  readonly host: string;
  readonly port: number;
  readonly serverTls?: ServerTls;
}

/** What was lost, and why. */
export interface TransportStats {
  readonly framesRefused: number;
  readonly messagesForged: number;
  readonly messagesUnknown: number;
  readonly messagesDropped: number;
}

const PING_MS = 100;
/** Silent for so many pings: lost. */
const SILENT_PINGS = 5;
const HELLO_MAX_BYTES = 64;
const HELLO = "KVSRAFT1";

export class NetworkTransport implements RaftTransport {
  readonly #environment: Environment;
  readonly #options: NetworkTransportOptions;
  #listener: Listener | undefined;
  readonly #links: Map<NodeId, PeerLink> = new Map();
  /** The connection that each peer opened last, and when it was heard. */
  readonly #heard: Map<NodeId, { readonly connection: Connection; lastMs: number }> = new Map();
  readonly #isCredulous: boolean;
  #handlers: TransportHandlers | undefined;
  #timer: Timer | undefined;
  #isClosed = false;
  readonly #counts = {
    framesRefused: 0,
    messagesForged: 0,
    messagesUnknown: 0,
    messagesDropped: 0,
  };

  /** For a process that listens itself: it hands over what peers open, with `accept`. */
  constructor(environment: Environment, options: NetworkTransportOptions) {
    assert(isId(options.self), "a node id is an integer in [1, 2^53)");
    this.#environment = environment;
    this.#options = options;
    this.#isCredulous = environment.hooks.hasMutant("raft.driver.believe-frames");
  }

  /** Listens for peers. @throws {KvsError} as `Network.listen`. */
  static async open(
    environment: Environment,
    options: ListeningTransportOptions,
  ): Promise<NetworkTransport> {
    const { host, port, serverTls } = options;
    const transport = new NetworkTransport(environment, options);
    transport.#listener = await environment.network.listen({
      host,
      port,
      maxFirstFrameBytes: HELLO_MAX_BYTES,
      ...(serverTls !== undefined && { tls: serverTls }),
      connection: (connection) => transport.accept(connection),
    });
    return transport;
  }

  /** The port in use. */
  get port(): number {
    assert(this.#listener !== undefined, "a transport that listens has a port");
    return this.#listener.port;
  }

  get stats(): TransportStats {
    return { ...this.#counts };
  }

  start(handlers: TransportHandlers): void {
    assert(this.#handlers === undefined, "a transport is started once");
    this.#handlers = handlers;
    this.#schedulePing();
  }

  send(to: NodeId, messages: readonly Message[]): void {
    if (this.#isClosed) return;
    const dropped = this.#linkTo(to).send(messages);
    this.#counts.messagesDropped += dropped;
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#timer?.cancel();
    for (const link of this.#links.values()) link.close();
    for (const { connection } of this.#heard.values()) connection.close();
    await this.#listener?.close();
  }

  #linkTo(node: NodeId): PeerLink {
    let link = this.#links.get(node);
    if (link === undefined) {
      const { cluster, self, addressOf, clientTls } = this.#options;
      link = new PeerLink(this.#environment, {
        cluster,
        hello: encodeHello(cluster, self),
        address: () => addressOf(node),
        tls: clientTls,
        broken: () => this.#lost(node),
      });
      this.#links.set(node, link);
    }
    return link;
  }

  /** Takes a connection that a peer opened, in the turn in which it was handed out. */
  accept(connection: Connection): void {
    let peer: NodeId | undefined;
    connection.start({
      frame: (bytes) => {
        if (this.#isClosed) return;
        if (peer === undefined) peer = this.#greet(bytes, connection);
        else {
          const heard = this.#heard.get(peer);
          if (heard?.connection === connection) heard.lastMs = this.#nowMs();
          this.#take(peer, bytes, connection);
        }
      },
      closed: () => {
        if (peer !== undefined && this.#heard.get(peer)?.connection === connection)
          this.#lost(peer);
      },
    });
  }

  /** The first frame: who is it? */
  #greet(bytes: Uint8Array, connection: Connection): NodeId | undefined {
    const peer = decodeHello(bytes, this.#options.cluster);
    if (peer === undefined) {
      this.#counts.framesRefused++;
      connection.close("discard");
      return undefined;
    }
    const before = this.#heard.get(peer);
    this.#heard.set(peer, { connection, lastMs: this.#nowMs() });
    before?.connection.close("discard"); // it opened another one: the old one is dead
    return peer;
  }

  #take(peer: NodeId, bytes: Uint8Array, connection: Connection): void {
    const { cluster, self } = this.#options;
    try {
      const decoded = decodeFrame(bytes, { cluster, isUnchecked: this.#isCredulous });
      this.#counts.messagesUnknown += decoded.unknownCount;
      const sound = decoded.messages.filter(({ from, to }) => from === peer && to === self);
      this.#counts.messagesForged += decoded.messages.length - sound.length;
      if (sound.length > 0) this.#handlers?.received(sound);
    } catch (error) {
      if (!isKvsError(error)) throw error;
      this.#counts.framesRefused++;
      connection.close("discard"); // what follows may be damaged, too
    }
  }

  #nowMs(): number {
    return this.#environment.clock.monotonicMs();
  }

  #lost(node: NodeId): void {
    this.#heard.delete(node);
    if (!this.#isClosed) this.#handlers?.peerLost(node);
  }

  #schedulePing(): void {
    const { clock } = this.#environment;
    this.#timer = clock.schedule(PING_MS, () => {
      // What arrived while this process stood still counts as heard.
      clock.defer(() => this.#ping());
    });
  }

  #ping(): void {
    if (this.#isClosed) return;
    const silentBefore = this.#nowMs() - SILENT_PINGS * PING_MS;
    for (const [node, { connection, lastMs }] of this.#heard) {
      if (lastMs >= silentBefore) continue;
      this.#lost(node);
      connection.close("discard");
      this.#links.get(node)?.cut();
    }
    for (const link of this.#links.values()) link.ping();
    this.#schedulePing();
  }
}

function encodeHello(cluster: number, self: NodeId): Uint8Array {
  const writer = new ByteWriter({ initialBytes: HELLO_MAX_BYTES });
  writer.string(HELLO);
  writer.varint(cluster);
  writer.varint(self);
  return writer.toBytes();
}

/** Who says hello, if it is one of this cluster. */
function decodeHello(bytes: Uint8Array, cluster: number): NodeId | undefined {
  try {
    const reader = new ByteReader(bytes);
    const isHello = reader.string(HELLO.length) === HELLO && reader.varint() === cluster;
    const node = reader.varint();
    return isHello && isId(node) ? node : undefined;
  } catch (error) {
    if (!isKvsError(error)) throw error;
    return undefined;
  }
}
