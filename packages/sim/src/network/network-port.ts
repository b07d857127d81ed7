import {
  type Connection,
  type ConnectOptions,
  FRAME_MAX_BYTES,
  type HttpRequestOptions,
  type HttpResponse,
  type KvsError,
  type Listener,
  type ListenOptions,
  type Network,
  type NetworkErrorCode,
  type Outcome,
  type Trace,
} from "@kvs/env";
import { type Incarnation } from "../incarnation.ts";
import { Scheduler } from "../scheduler.ts";
import { Attempt, type AttemptNetwork, TIMEOUT_MS } from "./attempt.ts";
import { HTTP_HEADER_BYTES, serveHttp } from "./http-exchange.ts";
import { networkError } from "./network-error.ts";
import { type NetworkUrl, parseUrl } from "./network-url.ts";
import { SimConnection } from "./sim-connection.ts";
import { SimListener } from "./sim-listener.ts";
import { isUsableTls, shakeHands } from "./simulated-certificate.ts";

const KIND_LISTEN = Scheduler.kind("network.listen");
const KIND_FAILED = Scheduler.kind("network.failed");

/** A system call that opens a port takes this long. */
const LISTEN_MICROS = 50;
/** Bytes of the request that opens a connection, and of its refusal. */
const HANDSHAKE_BYTES = 500;
/** Names by which every host knows itself. */
const LOOPBACK: readonly string[] = ["localhost", "127.0.0.1", "[::1]"];
/** Addresses that stand for all interfaces of a host. */
const ANY_INTERFACE: readonly string[] = ["0.0.0.0", "::"];

/** What a process's port needs of the whole network. */
export interface PortNetwork extends AttemptNetwork {
  hasHost(host: string): boolean;
  /** The port of `listener`, marked as taken; `undefined` if somebody has it. */
  claimPort(host: string, port: number): number | undefined;
  openListener(host: string, listener: SimListener): void;
  releasePort(host: string, port: number): void;
  ephemeralPort(): number;
  track(connection: SimConnection): void;
  untrack(connection: SimConnection): void;
  traceOf(incarnation: Incarnation): Trace;
}

/** The network as one process sees it. */
export class NetworkPort implements Network {
  readonly #network: PortNetwork;
  readonly #incarnation: Incarnation;

  constructor(network: PortNetwork, incarnation: Incarnation) {
    this.#network = network;
    this.#incarnation = incarnation;
  }

  listen(options: ListenOptions): Promise<Listener> {
    return new Promise((resolve, reject) => {
      this.#incarnation.after(LISTEN_MICROS, KIND_LISTEN, () => {
        const opened = this.#open(options);
        if (opened instanceof SimListener) resolve(opened);
        else reject(opened);
      });
    });
  }

  connect(address: string, options: ConnectOptions = {}): Promise<Connection> {
    const target = this.#resolve(address, ["ws", "wss"]);
    if (!("url" in target)) return this.#reject(target);
    const attempt = this.#attempt<Connection>(target, options.timeoutMs, "none");
    attempt.reach(HANDSHAKE_BYTES, (listener) => this.#accept(attempt, options, listener));
    return attempt.promise;
  }

  request(address: string, options: HttpRequestOptions = {}): Promise<HttpResponse> {
    const target = this.#resolve(address, ["http", "https"]);
    if (!("url" in target)) return this.#reject(target);
    const attempt = this.#attempt<HttpResponse>(target, options.timeoutMs, "unknown");
    const bytes = HTTP_HEADER_BYTES + (options.body?.length ?? 0);
    attempt.reach(bytes, (listener) => {
      const hands = shakeHands(listener.options.tls, options.tls, target.url);
      if (hands.type === "failed") {
        this.#refuse(attempt, "NET_TLS", hands.reason);
        return;
      }
      serveHttp({
        attempt,
        options,
        listener,
        identity: hands.ofClient,
        remotePort: this.#network.ephemeralPort(),
        trace: this.#network.traceOf(listener.incarnation),
        hash: this.#network.fabric.scheduler.hash,
      });
    });
    return attempt.promise;
  }

  #open(options: ListenOptions): SimListener | KvsError {
    const host = this.#incarnation.host.name;
    const { port, tls } = options;
    const isOwn =
      options.host === host ||
      LOOPBACK.includes(options.host) ||
      ANY_INTERFACE.includes(options.host);
    if (!isOwn) {
      const details = { host: options.host };
      return networkError("NET_UNREACHABLE", "this host has no such interface", details);
    }
    if (tls !== undefined && !isUsableTls(tls)) {
      return networkError("NET_TLS", "certificate or key is empty: give both", { port });
    }
    const claimed = this.#network.claimPort(host, port);
    if (claimed === undefined) {
      const message = "another listener has this port: choose another one";
      return networkError("NET_ADDRESS_IN_USE", message, { port });
    }
    const listener = new SimListener({
      port: claimed,
      options,
      incarnation: this.#incarnation,
      release: () => this.#network.releasePort(host, claimed),
    });
    this.#network.openListener(host, listener);
    return listener;
  }

  /** Runs in the listening process: makes both sides of a connection, or says no. */
  #accept(attempt: Attempt<Connection>, options: ConnectOptions, listener: SimListener): void {
    const { url } = attempt;
    const hands = shakeHands(listener.options.tls, options.tls, url);
    if (hands.type === "failed") {
      this.#refuse(attempt, "NET_TLS", hands.reason);
      return;
    }
    if (listener.isFull) {
      this.#refuse(attempt, "NET_REJECTED", "the server has too many connections", 503);
      return;
    }
    if (listener.options.acceptsPath?.(url.path) === false) {
      this.#refuse(attempt, "NET_REJECTED", "the server opens no connections at this path", 404);
      return;
    }
    const serving = this.#makeServing(attempt, listener, hands.ofClient);
    const asking = this.#makeAsking(attempt, options, hands.ofServer);
    SimConnection.join(serving, asking);
    listener.add(serving);
    this.#network.track(serving);
    this.#network.track(asking);
    serving.accept();
    asking.awaitOpened(() => {
      if (attempt.isOver) asking.vanish();
      else attempt.succeed(asking);
    });
    listener.options.connection(serving);
  }

  #makeServing(
    attempt: Attempt<Connection>,
    listener: SimListener,
    identity: SimConnection["identity"],
  ): SimConnection {
    return new SimConnection({
      fabric: this.#network.fabric,
      incarnation: listener.incarnation,
      remote: { host: attempt.incarnation.host.name, port: this.#network.ephemeralPort() },
      path: attempt.url.path,
      identity,
      maxFrameBytes: listener.options.maxFrameBytes ?? FRAME_MAX_BYTES,
      maxFirstFrameBytes: listener.options.maxFirstFrameBytes,
      forget: (connection) => {
        listener.forget(connection);
        this.#network.untrack(connection);
      },
    });
  }

  #makeAsking(
    attempt: Attempt<Connection>,
    options: ConnectOptions,
    identity: SimConnection["identity"],
  ): SimConnection {
    return new SimConnection({
      fabric: this.#network.fabric,
      incarnation: this.#incarnation,
      remote: { host: attempt.host, port: attempt.url.port },
      path: attempt.url.path,
      identity,
      maxFrameBytes: options.maxFrameBytes ?? FRAME_MAX_BYTES,
      maxFirstFrameBytes: undefined,
      forget: (connection) => this.#network.untrack(connection),
    });
  }

  #refuse<T>(attempt: Attempt<T>, code: NetworkErrorCode, reason: string, status?: number): void {
    const details = { host: attempt.host, port: attempt.url.port };
    const withStatus = status === undefined ? details : { ...details, status };
    attempt.answer(HANDSHAKE_BYTES, () => attempt.fail(networkError(code, reason, withStatus)));
  }

  #attempt<T>(
    target: { readonly url: NetworkUrl; readonly host: string },
    timeoutMs: number | undefined,
    outcome: Outcome,
  ): Attempt<T> {
    return new Attempt<T>({
      network: this.#network,
      incarnation: this.#incarnation,
      url: target.url,
      host: target.host,
      timeoutMs: timeoutMs ?? TIMEOUT_MS,
      timedOut: () => {
        const details = { host: target.host, port: target.url.port };
        const message = "no answer in time: the host or the way to it may be down";
        return networkError("NET_TIMEOUT", message, details, outcome);
      },
    });
  }

  /** The host an address names, or why there is none. */
  #resolve(
    address: string,
    schemes: readonly [string, string],
  ): { readonly url: NetworkUrl; readonly host: string } | KvsError {
    const url = parseUrl(address, schemes);
    if (url === undefined) {
      const message = `an address has the form ${schemes[0]}://host:port/path: correct it`;
      return networkError("NET_UNREACHABLE", message, { address });
    }
    const host = LOOPBACK.includes(url.host) ? this.#incarnation.host.name : url.host;
    if (this.#network.hasHost(host)) return { url, host };
    return networkError("NET_UNREACHABLE", "no host has this name", { host });
  }

  #reject<T>(error: KvsError): Promise<T> {
    return new Promise((_resolve, reject) => {
      this.#incarnation.after(this.#lookupMicros(), KIND_FAILED, () => reject(error));
    });
  }

  /** Even a refusal by the own system takes a moment. */
  #lookupMicros(): number {
    const name = this.#incarnation.host.name;
    return this.#network.fabric.link(name, name).drawDelayMicros();
  }
}
