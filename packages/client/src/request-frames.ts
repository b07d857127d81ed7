import { assert } from "@kvs/env";
import { FRAME_TARGET_BYTES, FrameWriter, type RequestKind } from "@kvs/protocol";
import { type PendingRequest } from "./pending-request.ts";

/** A frame that waited longer than this for a connection gets new deadlines. */
const STALE_MS = 50;

/** A frame, and the requests in it. */
export interface RequestFrame {
  readonly bytes: Uint8Array;
  readonly requests: readonly PendingRequest[];
  readonly madeMs: number;
}

/**
 * Requests on their way into frames, and frames that wait for a connection, in order.
 *
 * What was given up before its frame left is taken out of it: it must not happen after its caller was
 * told that it did not.
 */
export class RequestFrames {
  readonly #writer = new FrameWriter();
  /** Requests of the frame being filled, and when the first of them came. */
  #written: PendingRequest[] = [];
  #writtenMs = 0;
  #waiting: RequestFrame[] = [];

  /** Whether the frame being filled holds requests. */
  get isFilling(): boolean {
    return this.#written.length > 0;
  }

  /** Whether the frame being filled is worth sending before the turn ends. */
  get isLarge(): boolean {
    return this.#writer.sizeBytes >= FRAME_TARGET_BYTES;
  }

  /** When the first request of the frame being filled came. */
  get writtenMs(): number {
    return this.#writtenMs;
  }

  /** Begins a request; its fields follow, then `add`, or `abort`. */
  begin(
    kind: RequestKind,
    fields: number,
    options: { id: number; timeoutMs: number },
  ): FrameWriter {
    if (this.#writer.isFull) this.cut();
    this.#writer.beginRequest(fields, options.id, kind.code, options.timeoutMs);
    return this.#writer;
  }

  /** Takes back the request that was begun, if any. */
  abort(): void {
    this.#writer.abort();
  }

  /** Ends the request that was begun. */
  end(): void {
    this.#writer.end();
  }

  /** Notes whose bytes were just ended. */
  add(request: PendingRequest, nowMs: number): void {
    if (this.#written.length === 0) this.#writtenMs = nowMs;
    request.frame = undefined;
    request.from = this.#writer.messageFrom;
    request.to = this.#writer.sizeBytes;
    this.#written.push(request);
  }

  /** Writes a request once more. */
  addAgain(request: PendingRequest, nowMs: number): void {
    const { frame, from, to } = request;
    assert(frame !== undefined, "only what was in a frame is written again");
    if (this.#writer.isFull) this.cut();
    const leftMs = Math.ceil(request.deadlineMs - nowMs);
    this.#writer.copyRequest(frame, from, to, leftMs);
    this.add(request, nowMs);
  }

  /** Ends the frame being filled; it waits from now on. */
  cut(): void {
    if (this.#written.length === 0) return;
    const bytes = this.#writer.take();
    const requests = this.#written;
    this.#written = [];
    for (const request of requests) request.frame = bytes;
    this.#waiting.push({ bytes, requests, madeMs: this.#writtenMs });
  }

  /** Takes the frame that waits longest and still holds a request; `undefined` if there is none. */
  take(nowMs: number): RequestFrame | undefined {
    for (;;) {
      const frame = this.#waiting.shift();
      const refreshed = frame === undefined ? undefined : refresh(frame, nowMs);
      if (frame === undefined || refreshed !== undefined) return refreshed;
    }
  }
}

/** The frame without what was given up, and with the time that is left now. */
function refresh(frame: RequestFrame, nowMs: number): RequestFrame | undefined {
  const isFresh = nowMs - frame.madeMs < STALE_MS;
  if (isFresh && frame.requests.every((request) => !request.isSettled)) return frame;
  const writer = new FrameWriter();
  const requests = frame.requests.filter(
    (request) => !request.isSettled && request.deadlineMs > nowMs, // a timer tells the latter
  );
  if (requests.length === 0) return undefined;
  for (const request of requests) {
    const leftMs = Math.ceil(request.deadlineMs - nowMs);
    writer.copyRequest(frame.bytes, request.from, request.to, leftMs);
    request.from = writer.messageFrom;
    request.to = writer.sizeBytes;
  }
  const bytes = writer.take();
  for (const request of requests) request.frame = bytes;
  return { bytes, requests, madeMs: nowMs };
}
