import { type Environment, type Listener, type Timer, TurnBudget, assert } from "@kvs/env";
import { HELLO_BYTES_MAX, WIRE_PATH } from "@kvs/protocol";
import { type HealthReport, reportHealth } from "./observe/health.ts";
import { answerHttp } from "./observe/http-routes.ts";
import { ServerMetrics } from "./observe/server-metrics.ts";
import { addTransactionMetrics } from "./observe/transaction-metrics.ts";
import { OpenDatabases } from "./open-databases.ts";
import { type ServerOptions, type ServerSettings, resolveOptions } from "./server-options.ts";
import { Admission } from "./session/admission.ts";
import { shuttingDown } from "./session/exchange.ts";
import { AnswerFlusher } from "./session/outbox.ts";
import { Session, type SessionHost } from "./session/session.ts";

/** How often deadlines, idle cursors and silent connections are looked for. */
const SWEEP_MS = 250;
/** A sweep that is later than this tells more of the server than of its clients. */
const STALL_MS = 2000;
/**
 * What a connection may send until its HELLO is whole: four times the longest, so that one that is a
 * little too long is answered and not cut off, and no more than one read of a socket.
 */
const FIRST_FRAME_BYTES_MAX: number = 4 * HELLO_BYTES_MAX;
/** How often `close` looks whether requests under way are done. */
const DRAIN_POLL_MS = 5;

/**
 * A node without replication: sessions of clients over databases that it is given.
 *
 * @example
 * ```ts
 * const server = await Server.start(environment, { databases, port: 0 });
 * // … clients connect to kvs://127.0.0.1:<server.port>/NAME
 * await server.close();
 * ```
 */
export class Server implements AsyncDisposable {
  readonly #environment: Environment;
  readonly #settings: ServerSettings;
  readonly #databases: OpenDatabases;
  readonly #admission: Admission;
  readonly #metrics = new ServerMetrics();
  readonly #host: SessionHost;
  readonly #sessions = new Set<Session>();
  #listener: Listener | undefined;
  #sweepTimer: Timer | undefined;
  #closing: Promise<void> | undefined;

  private constructor(environment: Environment, options: ServerOptions) {
    this.#environment = environment;
    this.#settings = resolveOptions(options);
    const { limits, nodeId } = this.#settings;
    this.#databases = new OpenDatabases(options.databases, limits.databasesMax);
    this.#admission = new Admission(limits.requestsMax, limits.bytesMax);
    this.#host = {
      environment,
      nodeId,
      limits,
      databases: this.#databases,
      admission: this.#admission,
      metrics: this.#metrics,
      flusher: new AnswerFlusher(environment.clock),
      budget: new TurnBudget(environment.clock),
      isClosing: () => this.#closing !== undefined,
      over: (session) => this.#sessions.delete(session),
      crash: (error) => this.#crash(error),
    };
    this.#addGauges();
    const { databases } = options;
    if (databases.transactionFigures !== undefined) {
      addTransactionMetrics(this.#metrics.registry, () => databases.transactionFigures!());
    }
  }

  /**
   * Listens, and serves until `close`.
   *
   * @throws {KvsError} `SERVER_INSECURE`; `NET_…` as `Network.listen`.
   */
  static async start(environment: Environment, options: ServerOptions): Promise<Server> {
    const server = new Server(environment, options);
    await server.#listen();
    return server;
  }

  /** The port in use. */
  get port(): number {
    assert(this.#listener !== undefined, "a started server listens");
    return this.#listener.port;
  }

  /** Connections that are open. */
  get connectionCount(): number {
    return this.#sessions.size;
  }

  /** What `GET /health` answers. */
  health(): Promise<HealthReport> {
    const { nodeId, probes, limits } = this.#settings;
    const isFull = this.#sessions.size >= limits.connectionsMax;
    const isAtLimit = isFull || !this.#admission.hasRoom;
    return reportHealth({ nodeId, isClosing: this.#closing !== undefined, isAtLimit }, probes);
  }

  /** What `GET /metrics` answers. */
  metrics(): string {
    return this.#metrics.registry.render();
  }

  /**
   * Stops: takes no connection and no request any more, finishes what is under way for as long as
   * `closeGraceMs`, closes cursors, hangs up, and closes the databases. A second call waits for the
   * first.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #listen(): Promise<void> {
    const { host, port, limits } = this.#settings;
    this.#listener = await this.#environment.network.listen({
      host,
      port,
      maxFrameBytes: limits.frameBytesMax,
      maxFirstFrameBytes: Math.min(FIRST_FRAME_BYTES_MAX, limits.frameBytesMax),
      connectionsMax: limits.connectionsMax,
      acceptsPath: (path) => path === WIRE_PATH && this.#closing === undefined,
      connection: (connection) => {
        this.#metrics.connections.add();
        this.#sessions.add(new Session(this.#host, connection));
      },
      http: (request) =>
        answerHttp(request, {
          health: () => this.health(),
          isReady: () => this.#closing === undefined,
          metrics: () => this.metrics(),
        }),
    });
    this.#scheduleSweep();
    this.#environment.trace.event("info", "server", "the server listens", {
      host,
      port: this.port,
    });
  }

  #scheduleSweep(): void {
    const { clock } = this.#environment;
    const beforeMs = clock.monotonicMs();
    this.#sweepTimer = clock.schedule(SWEEP_MS, () => {
      const nowMs = clock.monotonicMs();
      // After standing still the server first reads what clients sent meanwhile.
      const stoodStill = nowMs - beforeMs > STALL_MS;
      if (!stoodStill) for (const session of this.#sessions) session.sweep(nowMs);
      this.#scheduleSweep();
    });
  }

  async #close(): Promise<void> {
    await Promise.resolve(); // so that `#closing` is set before anything looks at it
    const { trace, clock } = this.#environment;
    trace.event("info", "server", "the server is closing", { connections: this.#sessions.size });
    for (const session of this.#sessions) session.drain();
    const deadlineMs = clock.monotonicMs() + this.#settings.limits.closeGraceMs;
    while (this.#admission.requests > 0 && clock.monotonicMs() < deadlineMs) {
      await new Promise<void>((resolve) => clock.schedule(DRAIN_POLL_MS, resolve));
    }
    for (const session of this.#sessions) session.end(shuttingDown());
    await this.#listener?.close();
    this.#sweepTimer?.cancel();
    await this.#databases.close();
    trace.event("info", "server", "the server is closed", { abandoned: this.#admission.requests });
  }

  /** A broken invariant, found where nothing above catches: thrown where it ends the process. */
  #crash(error: unknown): void {
    this.#environment.clock.defer(() => {
      throw error;
    });
  }

  #addGauges(): void {
    const { registry } = this.#metrics;
    registry.gauge("kvs_connections", "Connections that are open.", () => this.#sessions.size);
    registry.gauge("kvs_databases", "Databases that are open.", () => this.#databases.count);
    registry.gauge(
      "kvs_requests_waiting",
      "Requests that wait for a database.",
      () => this.#admission.requests,
    );
    registry.gauge("kvs_requests_waiting_bytes", "Bytes of these.", () => this.#admission.bytes);
    registry.gauge("kvs_cursors", "Cursors that are open.", () => {
      let count = 0;
      for (const session of this.#sessions) count += session.cursorCount;
      return count;
    });
    registry.gauge("kvs_client_transactions", "Transactions that clients have open.", () => {
      let count = 0;
      for (const session of this.#sessions) count += session.transactionCount;
      return count;
    });
  }
}
