import { type Clock, type Connection, SEND_BUFFER_BYTES } from "@kvs/env";
import { FrameWriter } from "@kvs/protocol";
import { type ServerMetrics } from "../observe/server-metrics.ts";

/** Writers kept for the next turn: each may hold 1 MiB. */
const SPARE_WRITERS_MAX = 32;

/**
 * Sends at the end of a turn what its sessions answered in it: one frame for each session. Writers
 * are shared, for only sessions that answer in one turn need one each.
 */
export class AnswerFlusher {
  readonly #clock: Clock;
  readonly #spare: FrameWriter[] = [];
  #waiting: Outbox[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Sends what `outbox` holds at the end of this turn. */
  flushSoon(outbox: Outbox): void {
    this.#waiting.push(outbox);
    if (this.#waiting.length === 1) this.#clock.defer(() => this.#flush());
  }

  takeWriter(): FrameWriter {
    return this.#spare.pop() ?? new FrameWriter();
  }

  /** Takes back a writer that is empty. */
  giveBack(writer: FrameWriter): void {
    if (this.#spare.length < SPARE_WRITERS_MAX) this.#spare.push(writer);
  }

  #flush(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const outbox of waiting) outbox.flush();
  }
}

export interface OutboxParts {
  readonly connection: Connection;
  readonly clock: Clock;
  readonly flusher: AnswerFlusher;
  readonly metrics: ServerMetrics;
  /** A rare branch: a frame for every answer. */
  readonly sendsSingly: boolean;
}

/**
 * The answers of one session on their way out.
 *
 * It is blocked from a send that filled the connection's buffer until that is drained: then its
 * session begins nothing new. What is under way may still answer; the connection bounds that.
 */
export class Outbox {
  readonly #parts: OutboxParts;
  #writer: FrameWriter | undefined;
  #isBlocked = false;
  /** Since when, while it is blocked, the client has taken nothing; and what it had left then. */
  #stalledSinceMs = 0;
  #stalledBytes = 0;

  constructor(parts: OutboxParts) {
    this.#parts = parts;
  }

  get isBlocked(): boolean {
    return this.#isBlocked;
  }

  /** A writer with room for one more answer, which is to be written now. */
  room(): FrameWriter {
    const held = this.#writer;
    if (held !== undefined && (held.isFull || held.sizeBytes >= SEND_BUFFER_BYTES)) this.flush();
    if (held !== undefined && this.#parts.sendsSingly) this.flush();
    if (this.#writer !== undefined) return this.#writer;
    this.#writer = this.#parts.flusher.takeWriter();
    this.#parts.flusher.flushSoon(this);
    return this.#writer;
  }

  /** Takes back an answer that was begun and not ended. */
  abort(): void {
    this.#writer?.abort();
  }

  /** Sends what is there, now. */
  flush(): void {
    const { connection, clock, flusher, metrics } = this.#parts;
    const writer = this.#writer;
    if (writer === undefined) return;
    this.#writer = undefined;
    if (writer.count > 0) {
      const frame = writer.take();
      metrics.framesSent.add();
      metrics.bytesSent.add(frame.length);
      if (!connection.send(frame) && !this.#isBlocked) {
        this.#isBlocked = true;
        this.#stalledSinceMs = clock.monotonicMs();
        this.#stalledBytes = connection.bufferedBytes;
      }
    }
    flusher.giveBack(writer);
  }

  /** The connection has room again. */
  drained(): void {
    this.#isBlocked = false;
  }

  /** Whether the client has taken nothing of what waits for it for `patienceMs`. */
  isStalled(nowMs: number, patienceMs: number): boolean {
    if (!this.#isBlocked) return false;
    const { bufferedBytes } = this.#parts.connection;
    if (bufferedBytes < this.#stalledBytes) this.#stalledSinceMs = nowMs;
    this.#stalledBytes = bufferedBytes;
    return nowMs - this.#stalledSinceMs >= patienceMs;
  }
}
