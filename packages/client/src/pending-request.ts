import { type FrameReader, type RequestKind } from "@kvs/protocol";
import { type Channel } from "./channel.ts";

/** Makes a result of the fields of an answer, which came over `channel`. */
export type AnswerReader<T> = (reader: FrameReader, channel: Channel) => T;

/**
 * A request from the call to its answer.
 *
 *   written ──▶ queued ──▶ sent ──(answer)──▶ settled
 *      ▲                    │
 *      └──(may be repeated)─┘
 */
export class PendingRequest<T = unknown> {
  readonly kind: RequestKind;
  /** Its own for as long as the client lives, or until 2^32 others had theirs. */
  readonly id: number;
  readonly deadlineMs: number;
  readonly read: AnswerReader<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (error: unknown) => void;
  /** Its bytes, in the frame it was last part of; unset while that frame is being written. */
  frame: Uint8Array | undefined = undefined;
  from = 0;
  to = 0;
  /** Where it was sent, and no answer came yet. */
  channel: Channel | undefined = undefined;
  /** The transaction that it belongs to. */
  transaction: string | undefined = undefined;
  /** Times it was sent and answered with an error. */
  attempts = 0;
  /** Why it was not answered the last time. */
  lastError: unknown = undefined;
  isSettled = false;

  constructor(parts: {
    readonly kind: RequestKind;
    readonly id: number;
    readonly deadlineMs: number;
    readonly read: AnswerReader<T>;
    readonly resolve: (value: T) => void;
    readonly reject: (error: unknown) => void;
  }) {
    this.kind = parts.kind;
    this.id = parts.id;
    this.deadlineMs = parts.deadlineMs;
    this.read = parts.read;
    this.resolve = parts.resolve;
    this.reject = parts.reject;
  }

  get sizeBytes(): number {
    return this.to - this.from;
  }
}
