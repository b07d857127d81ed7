/**
 * One connection of a client, from its first frame to its end.
 *
 *   hello ──HELLO──▶ opening ──(database open)──▶ open ──(goodbye)──▶ ending ──▶ closed
 *     └────────(no HELLO, or a bad one)──────────────────────────────▲    ▲
 *                            (the connection closes, at any moment) ──────┘
 *
 * 1. One frame at a time: while one is held because nothing may begin, or while the client does not
 *    read its answers, or the database is being opened, the connection is paused.
 * 2. Nothing of a frame happens unless all of it is well-formed.
 * 3. The database is given back when the connection is closed and nothing is under way any more.
 */
import {
  AssertionFailure,
  type CloseReason,
  type Connection,
  type Environment,
  type KvsError,
  assert,
  type TurnBudget,
} from "@kvs/env";
import {
  FrameReader,
  HELLO_BYTES_MAX,
  RequestCode,
  chooseVersion,
  protocolError,
  readHello,
  requestKind,
  toKvsError,
  welcomeDocument,
  writeError,
  writeGoodbye,
} from "@kvs/protocol";
import { type ServerMetrics } from "../observe/server-metrics.ts";
import { type OpenDatabases } from "../open-databases.ts";
import { type ServerLimits } from "../server-options.ts";
import { type Admission } from "./admission.ts";
import { Exchange, shuttingDown } from "./exchange.ts";
import { type AnswerFlusher, Outbox } from "./outbox.ts";

/** What all sessions of a server share. */
export interface SessionHost {
  readonly environment: Environment;
  readonly nodeId: string;
  readonly limits: ServerLimits;
  readonly databases: OpenDatabases;
  readonly admission: Admission;
  readonly metrics: ServerMetrics;
  readonly flusher: AnswerFlusher;
  readonly budget: TurnBudget;
  readonly isClosing: () => boolean;
  /** The session is over, and holds nothing any more. */
  readonly over: (session: Session) => void;
  readonly crash: (error: unknown) => void;
}

const HELLO = requestKind(RequestCode.HELLO)!;

export class Session {
  readonly #host: SessionHost;
  readonly #connection: Connection;
  readonly #outbox: Outbox;
  #state: "hello" | "opening" | "open" | "ending" | "closed" = "hello";
  #exchange: Exchange | undefined;
  /** Name of the database to give back. */
  #database: string | undefined;
  /** A frame that is not read to its end, and when it came. */
  #held: FrameReader | undefined;
  #heldSinceMs = 0;
  #isPaused = false;
  /** Whether `#continue` is about to be called. */
  #isContinuing = false;
  #isOver = false;
  #lastHeardMs: number;
  /** When the server hung up. */
  #endedMs = 0;

  constructor(host: SessionHost, connection: Connection) {
    const { environment, flusher, metrics } = host;
    this.#host = host;
    this.#connection = connection;
    this.#lastHeardMs = environment.clock.monotonicMs();
    const sendsSingly = environment.hooks.buggify("server.single-answers");
    const { clock } = environment;
    this.#outbox = new Outbox({ connection, clock, flusher, metrics, sendsSingly });
    connection.start({
      frame: (bytes) => this.#receive(bytes),
      closed: (reason) => this.#closed(reason),
      drained: () => this.#drained(),
    });
  }

  get inFlightCount(): number {
    return this.#exchange?.inFlightCount ?? 0;
  }

  get cursorCount(): number {
    return this.#exchange?.cursors.count ?? 0;
  }

  get transactionCount(): number {
    return this.#exchange?.transactions.openCount ?? 0;
  }

  /** Tells the client that nothing new begins, so that it goes elsewhere; rolls transactions back. */
  drain(): void {
    this.#exchange?.transactions.end();
    if (this.#state === "open") writeGoodbye(this.#outbox.room(), shuttingDown());
    else this.end(shuttingDown());
  }

  /** Says why, and hangs up. */
  end(error: KvsError): void {
    if (this.#state === "ending" || this.#state === "closed") return;
    this.#state = "ending";
    this.#held = undefined;
    this.#host.metrics.error(error.code);
    writeGoodbye(this.#outbox.room(), error);
    this.#outbox.flush();
    this.#exchange?.cursors.closeAll();
    this.#exchange?.transactions.end();
    this.#endedMs = this.#host.environment.clock.monotonicMs();
    this.#connection.close();
  }

  /** Ends what has waited for too long. Called a few times a second. */
  sweep(nowMs: number): void {
    const { limits, metrics } = this.#host;
    const silentMs = nowMs - this.#lastHeardMs;
    if (this.#state === "ending") {
      if (nowMs - this.#endedMs >= limits.endingGraceMs) this.#connection.close("discard");
    } else if (this.#outbox.isStalled(nowMs, limits.slowReaderMs)) {
      metrics.refusedConnections.add();
      this.#connection.close("discard");
    } else if (this.#state === "hello" && silentMs >= limits.handshakeTimeoutMs) {
      this.#hangUp(tooSilent("no HELLO", limits.handshakeTimeoutMs));
    } else if (this.#state === "open") {
      this.#exchange!.sweep(nowMs);
      const isIdle = this.inFlightCount === 0 && !this.#isPaused;
      if (isIdle && silentMs >= limits.idleTimeoutMs) {
        this.#hangUp(tooSilent("no frame, not even a heartbeat,", limits.idleTimeoutMs));
      }
    }
  }

  #receive(bytes: Uint8Array): void {
    const { metrics, environment } = this.#host;
    if (this.#state === "ending" || this.#state === "closed") return;
    assert(this.#held === undefined, "a connection is paused while a frame is held");
    this.#lastHeardMs = environment.clock.monotonicMs();
    metrics.framesReceived.add();
    metrics.bytesReceived.add(bytes.length);
    try {
      const reader = new FrameReader(bytes);
      if (this.#state === "hello") this.#greet(reader, bytes.length);
      this.#held = reader;
      this.#heldSinceMs = this.#lastHeardMs;
      this.#proceed();
    } catch (error) {
      if (error instanceof AssertionFailure) throw error;
      this.#hangUp(toKvsError(error, "none"));
    }
  }

  /** Goes on with the frame that is held, if it may, and lets the connection deliver or not. */
  #proceed(): void {
    const exchange = this.#exchange;
    if (this.#state === "open" && this.#held !== undefined) {
      assert(exchange !== undefined, "an open session has a database");
      if (exchange.handle(this.#held, this.#heldSinceMs)) this.#held = undefined;
      else if (exchange.canBegin) this.#continueSoon();
    }
    const mustPause =
      this.#held !== undefined || this.#outbox.isBlocked || this.#state === "opening";
    if (mustPause === this.#isPaused) return;
    this.#isPaused = mustPause;
    if (mustPause) this.#host.metrics.pauses.add();
    if (mustPause) this.#connection.pause();
    else this.#connection.resume();
  }

  /** @throws {KvsError} if the first message is not a good HELLO. */
  #greet(reader: FrameReader, frameBytes: number): void {
    if (!reader.next() || reader.code !== RequestCode.HELLO || frameBytes > HELLO_BYTES_MAX) {
      const message = `a connection begins with a HELLO, in a frame of at most ${HELLO_BYTES_MAX} bytes`;
      throw protocolError("PROTOCOL_HANDSHAKE", message);
    }
    const { id } = reader;
    this.#host.metrics.requests(HELLO, 1);
    reader.uint(); // how long the client waits: longer than the handshake may take here
    const hello = readHello(reader.bytes());
    const version = chooseVersion(hello);
    if (this.#host.isClosing()) throw shuttingDown();
    this.#state = "opening";
    void this.#open(id, hello.database, version);
  }

  async #open(id: number, name: string, version: number): Promise<void> {
    const { databases, nodeId, environment, admission, metrics, limits } = this.#host;
    try {
      const database = await databases.acquire(name);
      this.#database = name;
      if (this.#state !== "opening") {
        this.#release();
        return;
      }
      this.#exchange = new Exchange({
        database,
        limits,
        admission,
        metrics,
        clock: environment.clock,
        budget: this.#host.budget,
        hooks: environment.hooks,
        outbox: this.#outbox,
        isClosing: this.#host.isClosing,
        settled: () => this.#settled(),
        crash: this.#host.crash,
      });
      this.#state = "open";
      const frame = this.#outbox.room();
      frame.beginResponse(1, id);
      frame.document(welcomeDocument({ version, nodeId }));
      frame.end();
      this.#proceed();
    } catch (error) {
      if (error instanceof AssertionFailure) this.#host.crash(error);
      else this.#refuseHello(id, toKvsError(error, "none"));
    }
  }

  #refuseHello(id: number, error: KvsError): void {
    if (this.#state !== "opening") {
      this.#release();
      return;
    }
    writeError(this.#outbox.room(), id, error);
    this.#hangUp(error);
  }

  /** Ends a session because of what its client did, or did not do. */
  #hangUp(error: KvsError): void {
    const { environment, metrics } = this.#host;
    metrics.refusedConnections.add();
    environment.trace.event("info", "server.session", "a connection is ended", {
      connection: this.#connection.id,
      code: error.code,
    });
    this.end(error);
  }

  /** The turn was long enough: others first. */
  #continueSoon(): void {
    if (this.#isContinuing) return;
    this.#isContinuing = true;
    this.#host.environment.clock.defer(() => {
      this.#isContinuing = false;
      this.#continue();
    });
  }

  #settled(): void {
    if (this.#state === "closed") this.#release();
    else if (this.#held !== undefined) this.#continue();
  }

  #drained(): void {
    this.#outbox.drained();
    this.#continue();
  }

  /** Goes on outside of `#receive`: a frame that turns out to be bad ends the session here too. */
  #continue(): void {
    try {
      this.#proceed();
    } catch (error) {
      if (error instanceof AssertionFailure) this.#host.crash(error);
      else this.#hangUp(toKvsError(error, "none"));
    }
  }

  #closed(reason: CloseReason): void {
    this.#state = "closed";
    this.#held = undefined;
    this.#exchange?.cursors.closeAll();
    this.#exchange?.transactions.end();
    this.#host.environment.trace.event("debug", "server.session", "a connection is closed", {
      connection: this.#connection.id,
      reason,
    });
    this.#release();
  }

  /** Gives the database back once nobody uses it any more. */
  #release(): void {
    if (this.#state !== "closed" || this.inFlightCount > 0 || this.#isOver) return;
    this.#isOver = true;
    if (this.#database !== undefined) this.#host.databases.release(this.#database);
    this.#host.over(this);
  }
}

function tooSilent(what: string, ms: number): KvsError {
  return protocolError("DEADLINE_EXCEEDED", `${what} for ${ms} ms; connect again`);
}
