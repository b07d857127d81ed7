import {
  AssertionFailure,
  type Clock,
  type KvsError,
  type TestHooks,
  type TurnBudget,
  assert,
} from "@kvs/env";
import {
  CURSOR_BATCH_MAX,
  type FrameReader,
  type HostedDatabase,
  NO_REQUEST,
  REQUEST_KINDS,
  type RawAccess,
  RequestCode,
  type RequestKind,
  protocolError,
  requestKind,
  toKvsError,
  writeError,
} from "@kvs/protocol";
import { type AnswerWriter, type RequestContext } from "../handlers/handler.ts";
import { type ServerMetrics } from "../observe/server-metrics.ts";
import { type ServerLimits } from "../server-options.ts";
import { type Admission } from "./admission.ts";
import { CursorTable } from "./cursor-table.ts";
import { type Outbox } from "./outbox.ts";
import { handlerOf } from "./request-router.ts";
import { type SessionTransaction } from "./session-transaction.ts";
import { TransactionTable } from "./transaction-table.ts";

/** Requests begun in one turn: some ms. The rest of the frame follows in the next. */
const SLICE_REQUESTS = 1024;
/** And bytes of them: one batch of 256 small documents takes some 5 ms. */
const SLICE_BYTES: number = 32 << 10;

/** A request that waits for the database. */
interface InFlight {
  readonly id: number;
  readonly kind: RequestKind;
  readonly bytes: number;
  readonly arrivedMs: number;
  readonly deadlineMs: number;
  /** What is rolled back at its deadline. */
  readonly transaction: SessionTransaction | undefined;
  /** Answered at its deadline: what comes later goes nowhere. */
  isAnswered: boolean;
}

export interface ExchangeParts {
  readonly database: HostedDatabase;
  readonly clock: Clock;
  /** What all sessions together may take of one turn; each handles one request at least. */
  readonly budget: TurnBudget;
  readonly hooks: TestHooks;
  readonly limits: ServerLimits;
  readonly admission: Admission;
  readonly metrics: ServerMetrics;
  readonly outbox: Outbox;
  /** Whether the server begins nothing new. */
  readonly isClosing: () => boolean;
  /** A request that waited is done: there may be room for others. */
  readonly settled: () => void;
  /** A bug: ends the process. */
  readonly crash: (error: unknown) => void;
}

/**
 * The requests of one session, from the wire to the database and back.
 *
 * 1. Every request gets exactly one answer, unless its connection closes first.
 * 2. A request begins only after the one before it began; those that wait may end in any order.
 * 3. An error with outcome `none` means that the database was not asked, or said so itself.
 */
export class Exchange implements RequestContext {
  readonly database: HostedDatabase;
  readonly cursors: CursorTable;
  readonly transactions: TransactionTable;
  readonly budget: TurnBudget;
  readonly acksEarly: boolean;
  readonly itemsMax: number;
  readonly #parts: ExchangeParts;
  readonly #inFlight = new Set<InFlight>();
  #inFlightBytes = 0;
  /** Whether a request is still to begin in full: nothing else may. */
  #isHeld = false;
  #nowMs = 0;
  /** The frame being read, and the request in it being handled. */
  #reader: FrameReader | undefined;
  #kind: RequestKind = REQUEST_KINDS[0]!;
  #transaction: SessionTransaction | undefined;
  #arrivedMs = 0;
  #deadlineMs = 0;
  /** Requests of this frame, and those of them answered in their turn, by code. */
  readonly #begun: number[] = countsByCode();
  readonly #answeredAtOnce: number[] = countsByCode();

  constructor(parts: ExchangeParts) {
    const { limits, hooks } = parts;
    this.#parts = parts;
    this.database = parts.database;
    this.budget = parts.budget;
    this.acksEarly = hooks.hasMutant("server.ack-before-commit");
    this.itemsMax = hooks.buggify("server.small-cursor-steps") ? 3 : CURSOR_BATCH_MAX;
    this.cursors = new CursorTable({
      cursorsMax: limits.cursorsMax,
      idleMs: limits.cursorIdleMs,
      neverExpires: hooks.hasMutant("server.no-cursor-expiry"),
    });
    this.transactions = new TransactionTable({
      transactionsMax: limits.transactionsMax,
      timeoutMsMax: limits.transactionTimeoutMsMax,
      survivesConnection: hooks.hasMutant("server.transactions-survive"),
    });
  }

  get target(): RawAccess {
    return this.#transaction ?? this.database;
  }

  enter(transaction: number): SessionTransaction {
    this.#transaction = this.transactions.get(transaction);
    return this.#transaction;
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  get inFlightCount(): number {
    return this.#inFlight.size;
  }

  /** Whether another request may begin; if not, the session waits for `settled` or for drainage. */
  get canBegin(): boolean {
    const { limits, outbox } = this.#parts;
    if (this.#isHeld || outbox.isBlocked || this.#inFlight.size >= limits.connectionRequestsMax)
      return false;
    return this.#inFlightBytes < limits.connectionBytesMax;
  }

  /**
   * Handles the messages of a frame for as long as `canBegin`, and as many as one turn may take.
   *
   * @param arrivedMs When the frame came: deadlines count from there.
   * @returns Whether it is read to its end.
   * @throws {KvsError} `PROTOCOL_MALFORMED` for an id that no answer could have.
   */
  handle(reader: FrameReader, arrivedMs: number): boolean {
    this.#reader = reader;
    this.#arrivedMs = arrivedMs;
    this.#nowMs = this.#parts.clock.monotonicMs();
    let isEnd = false;
    let bytes = 0;
    for (let left = SLICE_REQUESTS; left > 0 && bytes < SLICE_BYTES && !isEnd; left--) {
      if (!this.canBegin || (bytes > 0 && this.#parts.budget.isSpent())) break;
      if (!reader.next()) isEnd = true;
      else if (isRequestId(reader.id)) this.#begin(reader);
      else throw badId(reader.id);
      bytes += reader.messageBytes;
    }
    this.#reader = undefined;
    this.#count();
    return isEnd;
  }

  answer<T>(value: T, write: AnswerWriter<T>): void {
    write(this.#parts.outbox.room(), this.#reader!.id, value);
    this.#answeredAtOnce[this.#kind.code]!++;
  }

  later<T>(promise: Promise<T>, write: AnswerWriter<T>): void {
    const reader = this.#reader!;
    const request: InFlight = {
      id: reader.id,
      kind: this.#kind,
      bytes: reader.messageBytes,
      arrivedMs: this.#arrivedMs,
      deadlineMs: this.#deadlineMs,
      transaction: this.#transaction,
      isAnswered: false,
    };
    this.#inFlight.add(request);
    this.#inFlightBytes += request.bytes;
    this.#parts.admission.enter(request.bytes);
    promise.then(
      (value) => this.#succeed(request, () => write(this.#parts.outbox.room(), request.id, value)),
      (error: unknown) => this.#fail(request, error),
    );
  }

  hold(): () => void {
    assert(!this.#isHeld, "one request at a time takes several turns to begin");
    this.#isHeld = true;
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      this.#isHeld = false;
      const isHandling = this.#reader !== undefined; // then the frame goes on by itself
      if (!isHandling) this.#parts.settled();
    };
  }

  /** Closes idle cursors, and answers requests whose deadline has passed. */
  sweep(nowMs: number): void {
    this.#parts.metrics.expiredCursors.add(this.cursors.expire(nowMs));
    for (const request of this.#inFlight) {
      if (request.isAnswered || nowMs < request.deadlineMs) continue;
      request.isAnswered = true;
      this.#refuse(request.id, deadlineExceeded(request.kind.isWrite ? "unknown" : "none"));
      // Nobody could tell any more what it has written.
      request.transaction?.rollback().catch(() => undefined);
    }
  }

  #begin(reader: FrameReader): void {
    try {
      const kind = requestKind(reader.code);
      if (kind === undefined) throw unknownCode(reader.code);
      this.#kind = kind;
      this.#transaction = undefined;
      const remainingMs = reader.uint();
      this.#deadlineMs = this.#arrivedMs + remainingMs;
      this.#checkAdmission(kind);
      this.#begun[kind.code]!++;
      const handler = handlerOf(kind.code);
      if (handler === undefined) throw secondHello();
      handler(this, reader);
    } catch (error) {
      this.#parts.outbox.abort();
      if (error instanceof AssertionFailure) throw error;
      this.#refuse(reader.id, toKvsError(error, "none"));
    }
  }

  /** @throws {KvsError} `SHUTTING_DOWN`, `OVERLOADED`, `DEADLINE_EXCEEDED`; nothing has happened. */
  #checkAdmission(kind: RequestKind): void {
    const { admission, isClosing } = this.#parts;
    if (isClosing()) throw shuttingDown();
    if (this.#nowMs > this.#deadlineMs) throw deadlineExceeded("none");
    if (!admission.hasRoom && !MAKES_ROOM.has(kind.code)) throw overloaded(admission);
  }

  #succeed(request: InFlight, write: () => void): void {
    this.#leave(request);
    if (!request.isAnswered) {
      try {
        write();
      } catch (error) {
        this.#parts.outbox.abort();
        if (error instanceof AssertionFailure) this.#parts.crash(error);
        else this.#refuse(request.id, unwritable(request.kind, error));
      }
    }
    this.#parts.settled();
  }

  #fail(request: InFlight, error: unknown): void {
    this.#leave(request);
    if (error instanceof AssertionFailure) {
      this.#parts.crash(error);
      return;
    }
    const known = toKvsError(error, request.kind.isWrite ? "unknown" : "none");
    if (!request.isAnswered) this.#refuse(request.id, known);
    this.#parts.settled();
  }

  #leave(request: InFlight): void {
    const { admission, metrics, clock } = this.#parts;
    this.#inFlight.delete(request);
    this.#inFlightBytes -= request.bytes;
    admission.leave(request.bytes);
    metrics.took(request.kind, clock.monotonicMs() - request.arrivedMs, 1);
  }

  #refuse(id: number, error: KvsError): void {
    this.#parts.metrics.error(error.code);
    writeError(this.#parts.outbox.room(), id, error);
  }

  #count(): void {
    const { metrics, clock } = this.#parts;
    const tookMs = clock.monotonicMs() - this.#arrivedMs;
    for (const kind of REQUEST_KINDS) {
      const begun = this.#begun[kind.code]!;
      if (begun === 0) continue;
      metrics.requests(kind, begun);
      const atOnce = this.#answeredAtOnce[kind.code]!;
      if (atOnce > 0) metrics.took(kind, tookMs, atOnce);
      this.#begun[kind.code] = 0;
      this.#answeredAtOnce[kind.code] = 0;
    }
  }
}

/** Requests that cost next to nothing, or free what others wait for. */
const MAKES_ROOM: ReadonlySet<RequestCode> = new Set([
  RequestCode.PING,
  RequestCode.CURSOR_CLOSE,
  RequestCode.COMMIT,
  RequestCode.ROLLBACK,
]);

function countsByCode(): number[] {
  return Array.from({ length: 128 }, () => 0);
}

/** Ids of answers are 32 bits wide, and 0 stands for none. */
function isRequestId(id: number): boolean {
  return id !== NO_REQUEST && id <= 0xffff_ffff;
}

function badId(id: number): Error {
  const message = `the id of a request is 1 to 2^32 - 1, not ${id}`;
  return protocolError("PROTOCOL_MALFORMED", message, { details: { id } });
}

function unknownCode(code: number): Error {
  const message = `the server knows no request with code ${code}; use a newer server`;
  return protocolError("PROTOCOL_UNKNOWN_CODE", message, { details: { code } });
}

function secondHello(): Error {
  return protocolError("PROTOCOL_BAD_REQUEST", "a connection says HELLO once, at its begin");
}

/** `SHUTTING_DOWN`: the server begins nothing new. */
export function shuttingDown(): KvsError {
  const message = "the server is shutting down; try again, there or at another node";
  return protocolError("SHUTTING_DOWN", message);
}

function deadlineExceeded(outcome: "none" | "unknown"): KvsError {
  const what = outcome === "none" ? "nothing happened" : "whether it happened is not known";
  const message = `the server did not answer in time; ${what}`;
  return protocolError("DEADLINE_EXCEEDED", message, { outcome });
}

/** The database did what was asked, and its answer cannot be put into bytes. */
function unwritable(kind: RequestKind, cause: unknown): KvsError {
  const message = `the answer to the request "${kind.name}" cannot be sent`;
  return protocolError("INTERNAL", message, { outcome: kind.isWrite ? "applied" : "none", cause });
}

function overloaded({ requests, bytes }: Admission): Error {
  return protocolError(
    "OVERLOADED",
    `the server has ${requests} requests of ${bytes} bytes under way, as much as it accepts; ` +
      "try again later",
    { details: { requests, bytes } },
  );
}
