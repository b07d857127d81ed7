/**
 * Every request of a client, from the call to its answer.
 *
 * 1. What one turn asks for leaves in one frame, at its end, in the order of the calls.
 * 2. An answer belongs to the request with its id, on the channel where that was sent. Ids are not
 *    used twice while one of them waits.
 * 3. A request settles exactly once, at its deadline at the latest.
 * 4. What was never given to a connection certainly did not happen; what was, and was not answered,
 *    may have: a write then fails with outcome `unknown`, and is not repeated (retry-policy.ts).
 */
import { type Environment, type KvsError, type Timer, assert, isKvsError } from "@kvs/env";
import {
  type FrameReader,
  type FrameWriter,
  NO_REQUEST,
  type RequestKind,
  ResponseStatus,
  protocolError,
  readError,
} from "@kvs/protocol";
import { type Channel, HELLO_ID } from "./channel.ts";
import { clientClosed } from "./client-error.ts";
import { type ClientSettings } from "./client-options.ts";
import { ConnectionPool } from "./connection-pool.ts";
import { type ConnectionTarget } from "./connection-url.ts";
import { type AnswerReader, PendingRequest } from "./pending-request.ts";
import { PinnedFrames } from "./pinned-frames.ts";
import { type RequestPath } from "./request.ts";
import { lossOf, lostBefore, overdue, tooMuchWaits } from "./request-error.ts";
import { RequestFrames } from "./request-frames.ts";
import { afterError, afterLoss, backoffMs } from "./retry-policy.ts";

/** How often at least deadlines and heartbeats are looked at. */
const SWEEP_MS = 1000;
const SWEEP_MIN_MS = 10; // and how often at most
/** Built-in sabotages. */
interface Mutants {
  readonly retriesUnknownWrites: boolean;
  readonly losesCorrelation: boolean;
  readonly deniesUnknown: boolean;
}

export class Dispatcher implements RequestPath {
  readonly #environment: Environment;
  readonly #settings: ClientSettings;
  readonly #pool: ConnectionPool;
  readonly #mutants: Mutants;
  readonly #sendsSingly: boolean;
  readonly #pending = new Map<number, PendingRequest>();
  #pendingBytes = 0;
  #lastId = 0;
  readonly #frames = new RequestFrames();
  readonly #pinned = new PinnedFrames();
  #isFlushScheduled = false;
  #timer: Timer | undefined;
  #timerDueMs = Infinity;
  #closing: Promise<void> | undefined;
  #whenIdle: (() => void) | undefined;
  /** Why the last attempt to connect failed, for those who wait in vain. */
  #connectError: KvsError | undefined;

  constructor(environment: Environment, target: ConnectionTarget, settings: ClientSettings) {
    const { hooks } = environment;
    this.#environment = environment;
    this.#settings = settings;
    this.#sendsSingly = hooks.buggify("client.single-requests");
    this.#mutants = {
      retriesUnknownWrites: hooks.hasMutant("client.retry-unknown-writes"),
      losesCorrelation: hooks.hasMutant("client.lost-correlation"),
      deniesUnknown: hooks.hasMutant("client.deny-unknown"),
    };
    this.#pool = new ConnectionPool(
      environment,
      { target, settings },
      {
        opened: () => this.#opened(),
        failed: (error) => this.#connectFailed(error),
        answered: (reader, channel) => this.#answered(reader, channel),
        drained: () => this.#pump(),
        lost: (channel, cause) => this.#lost(channel, cause),
      },
    );
  }

  /** Connects. @throws {KvsError} `CONNECTION_FAILED`, and what a server answers to a HELLO. */
  async open(): Promise<void> {
    await this.#pool.open();
    this.#arm(this.#environment.clock.monotonicMs() + SWEEP_MS);
  }

  /**
   * Begins a request: the caller writes its fields into what this returns, and then calls `submit`,
   * or `abort` if one cannot be written.
   *
   * @throws {KvsError} `CLIENT_CLOSED`, `OVERLOADED`.
   */
  begin(kind: RequestKind, fields: number): FrameWriter {
    const { timeoutMs } = this.#settings;
    this.#checkRoom();
    return this.#frames.begin(kind, fields, { id: this.#takeId(), timeoutMs });
  }

  /** Takes back the request that was begun. */
  abort(): void {
    this.#frames.abort();
  }

  /**
   * Begins a request and writes its fields, at the begin of a new frame if they do not fit this one.
   *
   * @throws {KvsError} as `begin`, and what `write` throws: then nothing was begun.
   */
  write(kind: RequestKind, fields: number, write: (frame: FrameWriter) => void): void {
    try {
      write(this.begin(kind, fields));
    } catch (error) {
      this.abort();
      if (!isKvsError(error, "CODEC_TOO_LARGE") || !this.#frames.isFilling) throw error;
      this.#frames.cut();
      this.write(kind, fields, write);
    }
  }

  /** Ends the request that was begun, and promises what `read` makes of its answer. */
  submit<T>(kind: RequestKind, read: AnswerReader<T>): Promise<T> {
    const id = this.#lastId;
    this.#frames.end();
    return new Promise<T>((resolve, reject) => {
      // One look at the clock serves all requests of a frame.
      const isFirst = !this.#frames.isFilling;
      const nowMs = isFirst ? this.#environment.clock.monotonicMs() : this.#frames.writtenMs;
      const deadlineMs = nowMs + this.#settings.timeoutMs;
      const request = new PendingRequest<T>({ kind, id, deadlineMs, read, resolve, reject });
      this.#frames.add(request as PendingRequest, nowMs);
      this.#pendingBytes += request.sizeBytes;
      this.#pending.set(id, request as PendingRequest);
      if (deadlineMs < this.#timerDueMs) this.#arm(deadlineMs);
      this.#flushSoon();
    });
  }

  /**
   * As `begin`, for a request that goes to this channel or nowhere; then `submitOn`, or `abortOn`.
   *
   * @throws {KvsError} `CLIENT_CLOSED`, `OVERLOADED`.
   */
  beginOn(channel: Channel, kind: RequestKind, fields: number): FrameWriter {
    this.#checkRoom();
    const { timeoutMs } = this.#settings;
    return this.#pinned.begin(channel, kind, { fields, id: this.#takeId(), timeoutMs });
  }

  abortOn(channel: Channel): void {
    this.#pinned.abort(channel);
  }

  /** Sends what was written for this channel. @returns Whether there is more room now. */
  cutOn(channel: Channel): boolean {
    return this.#pinned.cut(channel);
  }

  /**
   * As `submit`, for what `beginOn` began.
   *
   * @param transaction The id of the transaction that it belongs to.
   */
  submitOn<T>(
    channel: Channel,
    kind: RequestKind,
    read: AnswerReader<T>,
    transaction?: string,
  ): Promise<T> {
    const id = this.#lastId;
    const sizeBytes = this.#pinned.end(channel);
    if (!channel.isAlive) {
      this.#pinned.forget(channel);
      return Promise.reject(lostBefore(transaction, undefined)); // it was never sent
    }
    return new Promise<T>((resolve, reject) => {
      const deadlineMs = this.#environment.clock.monotonicMs() + this.#settings.timeoutMs;
      const request = new PendingRequest<T>({ kind, id, deadlineMs, read, resolve, reject });
      request.channel = channel;
      request.transaction = transaction;
      request.to = sizeBytes;
      this.#pendingBytes += sizeBytes;
      this.#pending.set(id, request as PendingRequest);
      if (deadlineMs < this.#timerDueMs) this.#arm(deadlineMs);
      this.#flushSoon();
    });
  }

  /** Sends a request with two fields on this channel, or not at all: for cursors, which live on one. */
  requestOn<T>(
    channel: Channel,
    kind: RequestKind,
    write: (frame: FrameWriter) => void,
    read: AnswerReader<T>,
  ): Promise<T> {
    try {
      write(this.beginOn(channel, kind, 2));
    } catch (error) {
      this.abortOn(channel);
      return Promise.reject(error);
    }
    return this.submitOn(channel, kind, read);
  }

  /** Waits for what is under way, then closes the connections. Takes nothing any more. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#flush();
    if (this.#pending.size > 0) {
      await new Promise<void>((resolve) => {
        this.#whenIdle = resolve;
      });
    }
    this.#pool.close();
    this.#timer?.cancel();
  }

  /** @throws {KvsError} `CLIENT_CLOSED`, `OVERLOADED`. */
  #checkRoom(): void {
    if (this.#closing !== undefined) throw clientClosed();
    const { requestsMax, bytesMax } = this.#settings;
    if (this.#pending.size >= requestsMax || this.#pendingBytes >= bytesMax) {
      throw tooMuchWaits(this.#pending.size, this.#pendingBytes);
    }
  }

  #takeId(): number {
    do {
      this.#lastId = this.#lastId + 1 >= HELLO_ID ? 1 : this.#lastId + 1;
    } while (this.#pending.has(this.#lastId));
    return this.#lastId;
  }

  /** Sends what is written at the end of the turn, or at once if it is much. */
  #flushSoon(): void {
    if (this.#frames.isLarge || this.#sendsSingly) {
      this.#flush();
    } else if (!this.#isFlushScheduled) {
      this.#isFlushScheduled = true;
      this.#environment.clock.defer(() => {
        this.#isFlushScheduled = false;
        this.#flush();
      });
    }
  }

  #flush(): void {
    this.#pinned.flush();
    this.#frames.cut();
    this.#pump();
  }

  /** Sends waiting frames for as long as a connection takes them. */
  #pump(): void {
    const nowMs = this.#environment.clock.monotonicMs();
    for (;;) {
      const channel = this.#pool.pick();
      if (channel === undefined) return;
      const frame = this.#frames.take(nowMs);
      if (frame === undefined) return;
      for (const request of frame.requests) request.channel = channel;
      channel.send(frame.bytes);
    }
  }

  /** @throws {KvsError} `PROTOCOL_…`, `CODEC_…` for a frame that holds no answers. */
  #answered(reader: FrameReader, channel: Channel): void {
    while (reader.next()) {
      if (reader.id === NO_REQUEST) {
        channel.goodbye(readError(reader));
        continue;
      }
      const request = this.#findRequest(reader.id, channel);
      if (request === undefined) continue; // it came too late, or answers a heartbeat
      if (reader.code === ResponseStatus.OK) this.#succeed(request, reader, channel);
      else this.#refused(request, readError(reader));
    }
  }

  #findRequest(id: number, channel: Channel): PendingRequest | undefined {
    if (this.#mutants.losesCorrelation) {
      for (const request of this.#pending.values()) if (request.channel === channel) return request;
    }
    const request = this.#pending.get(id);
    return request?.channel === channel ? request : undefined;
  }

  #succeed(request: PendingRequest, reader: FrameReader, channel: Channel): void {
    let value: unknown;
    try {
      value = request.read(reader, channel);
    } catch (cause) {
      const outcome = request.kind.isWrite ? "applied" : "none";
      const message = `the answer to the request "${request.kind.name}" cannot be read`;
      this.#reject(request, protocolError("PROTOCOL_MALFORMED", message, { outcome, cause }));
      throw cause;
    }
    this.#settle(request);
    request.resolve(value);
  }

  #refused(request: PendingRequest, error: KvsError): void {
    request.attempts++;
    if (afterError(request.kind, error, request.attempts) === "fail") {
      this.#reject(request, error);
    } else {
      this.#sendAgain([request], error, backoffMs(request.attempts, this.#environment.random));
    }
  }

  /** Answers of this channel never come any more. */
  #lost(channel: Channel, cause: KvsError): void {
    this.#pinned.forget(channel);
    const again: PendingRequest[] = [];
    const lostOutcome = this.#mutants.deniesUnknown ? "none" : "unknown";
    for (const request of this.#pending.values()) {
      if (request.channel !== channel) continue;
      const isForced = this.#mutants.retriesUnknownWrites && !request.kind.isBound;
      if (isForced || afterLoss(request.kind, true) === "again") again.push(request);
      else this.#reject(request, lossOf(request, cause, lostOutcome));
    }
    if (again.length > 0) this.#sendAgain(again, cause, 0);
  }

  /** Writes requests into a frame once more, after a while. */
  #sendAgain(requests: readonly PendingRequest[], error: unknown, delayMs: number): void {
    for (const request of requests) {
      request.channel = undefined;
      request.lastError = error;
    }
    const write = (): void => {
      const nowMs = this.#environment.clock.monotonicMs();
      for (const request of requests) {
        // What is overdue the timer tells.
        if (request.isSettled || request.deadlineMs <= nowMs) continue;
        this.#frames.addAgain(request, nowMs);
        this.#flushSoon();
      }
    };
    if (delayMs === 0) write();
    else this.#environment.clock.schedule(delayMs, write);
  }

  #opened(): void {
    this.#connectError = undefined;
    this.#pump();
  }

  /** Those who wait hear of it at their deadline; at once if waiting is of no use. */
  #connectFailed(error: KvsError): void {
    this.#connectError = error;
    if (error.retryable) return;
    for (const request of this.#pending.values()) {
      if (request.channel === undefined) this.#reject(request, error);
    }
  }

  /** Gives up what is overdue, and looks after the connections. */
  #sweep(): void {
    const nowMs = this.#environment.clock.monotonicMs();
    this.#pool.sweep(nowMs);
    let nextMs = nowMs + SWEEP_MS;
    for (const request of this.#pending.values()) {
      if (request.deadlineMs <= nowMs)
        this.#reject(request, overdue(request, this.#settings.timeoutMs, this.#connectError));
      else if (request.deadlineMs < nextMs) nextMs = request.deadlineMs;
    }
    this.#timerDueMs = Infinity;
    this.#arm(Math.max(nextMs, nowMs + SWEEP_MIN_MS));
  }

  #arm(dueMs: number): void {
    if (dueMs >= this.#timerDueMs) return;
    this.#timer?.cancel();
    this.#timerDueMs = dueMs;
    const delayMs = Math.max(0, dueMs - this.#environment.clock.monotonicMs());
    this.#timer = this.#environment.clock.schedule(delayMs, () => this.#sweep());
  }

  #reject(request: PendingRequest, error: unknown): void {
    this.#settle(request);
    request.reject(error);
  }

  #settle(request: PendingRequest): void {
    assert(!request.isSettled, "a request settles once");
    request.isSettled = true;
    request.frame = undefined;
    this.#pendingBytes -= request.sizeBytes;
    this.#pending.delete(request.id);
    if (this.#pending.size === 0) this.#whenIdle?.();
  }
}
