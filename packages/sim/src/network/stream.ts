/**
 * One direction of a connection: what one side sent and the other has not yet received.
 *
 *     send ──► queue ──flush──► segments on the wire ──► arrive ──► the receiver's inbox
 *              (bufferedBytes)  (at most a window, until read)
 *
 * Invariants:
 * 1. Segments arrive in the order in which they left, unless the link is told to break that.
 * 2. Bytes on the wire, with those in the receiver's inbox, exceed the window only by one frame.
 * 3. While the link is blocked nothing arrives; what is on the wire waits, as TCP sends it again.
 *    After `giveUpMicros` of that the sender's side breaks; the receiver is not told.
 */
import { EVENT_DEFERRED, EVENT_INTERNAL } from "../event-queue.ts";
import { Scheduler } from "../scheduler.ts";
import { type Fabric, transmit } from "./fabric.ts";
import { drawFrameFate, isFaithful } from "./frame-faults.ts";
import { type Link, type LinkWaiter } from "./link.ts";

const KIND_ARRIVE = Scheduler.kind("network.arrive");
const KIND_GIVE_UP = Scheduler.kind("network.give-up");
const KIND_PUMP = Scheduler.kind("network.pump");
const KIND_RESET = Scheduler.kind("network.reset");

/** Bytes of headers around a segment, for bandwidth. */
const SEGMENT_HEADER_BYTES = 60;

/** What a segment does besides carrying frames. */
export type SegmentMark = "opened" | "finished" | "reset";

/** The far end of a stream. */
export interface StreamReceiver {
  /** Whether anybody is there; if not, the sender is told with a reset. */
  readonly isListening: boolean;
  framesArrived(frames: readonly Uint8Array[]): void;
  markArrived(mark: SegmentMark): void;
}

/** The near end of a stream. */
export interface StreamSender {
  /** The link gave up, or the far end said that nobody is there. */
  streamBroken(): void;
  /** All that was queued before `finish` is on the wire. */
  streamFinished(): void;
  /** There may be room again. */
  streamDrained(): void;
}

interface Segment {
  readonly frames: Uint8Array[];
  readonly mark: SegmentMark | undefined;
  readonly atMicros: number;
}

export class Stream implements LinkWaiter {
  readonly #fabric: Fabric;
  readonly #link: Link;
  readonly #backLink: Link;
  readonly #sender: StreamSender;
  readonly #receiver: StreamReceiver;
  #queue: Uint8Array[] = [];
  #queuedBytes = 0;
  #wireBytes = 0;
  #segments: Segment[] = [];
  #lastAtMicros = 0;
  #isFinishing = false;
  #isDead = false;
  #isPumpScheduled = false;
  #isStalled = false;
  #isPumpStalled = false;
  #progress = 0;

  constructor(options: {
    fabric: Fabric;
    from: string;
    to: string;
    sender: StreamSender;
    receiver: StreamReceiver;
  }) {
    this.#fabric = options.fabric;
    this.#link = options.fabric.link(options.from, options.to);
    this.#backLink = options.fabric.link(options.to, options.from);
    this.#sender = options.sender;
    this.#receiver = options.receiver;
  }

  /** Bytes queued that are not on the wire. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  enqueue(frame: Uint8Array): void {
    this.#queue.push(frame);
    this.#queuedBytes += frame.length;
  }

  /** Puts on the wire what fits the window, as one segment. */
  flush(): void {
    if (this.#isDead) return;
    const frames = this.#takeWindow();
    if (frames.length > 0 && !this.#depart(frames)) return;
    if (this.#isFinishing && this.#queue.length === 0) {
      this.#isFinishing = false;
      this.mark("finished");
      this.#sender.streamFinished();
    }
    this.#sender.streamDrained();
  }

  /** After all that is queued, tells the receiver that this was all. */
  finish(): void {
    this.#isFinishing = true;
    this.flush();
  }

  /** Sends a mark after everything that is on the wire. */
  mark(mark: SegmentMark): void {
    this.#push({ frames: [], mark, atMicros: this.#drawArrival(0) });
  }

  /**
   * Drops what is queued and tells the receiver that the connection is gone: in order, or ahead of
   * what is on the wire, which is then lost.
   */
  reset(): void {
    if (this.#isDead) return;
    this.#dropQueue();
    if (this.#link.random.chance(0.5)) {
      this.mark("reset");
      return;
    }
    this.#isDead = true;
    const message = { bytes: SEGMENT_HEADER_BYTES, kind: KIND_RESET, flags: EVENT_INTERNAL };
    transmit(this.#fabric, this.#link, message, () => {
      this.#segments = [];
      this.#receiver.markArrived("reset");
    });
  }

  /** Forgets everything, queued and on the wire. Nobody is told. */
  destroy(): void {
    this.#isDead = true;
    this.#dropQueue();
    this.#segments = [];
  }

  /** The receiver has read `bytes`: there is room for as many. */
  credit(bytes: number): void {
    this.#wireBytes -= bytes;
    if (this.#queue.length === 0 || this.#isPumpScheduled || this.#isDead) return;
    this.#isPumpScheduled = true;
    this.#schedulePump();
  }

  linkRestored(): void {
    if (this.#isDead) return;
    if (this.#isStalled && !this.#link.isBlocked) {
      this.#isStalled = false;
      this.#arm(this.#link.drawDelayMicros());
    }
    if (this.#isPumpStalled && !this.#backLink.isBlocked) {
      this.#isPumpStalled = false;
      this.#schedulePump();
    }
  }

  /** The receiver's acknowledgement has to travel back before more is sent. */
  #schedulePump(): void {
    const delay = this.#backLink.drawDelayMicros();
    this.#fabric.scheduler.schedule(delay, { kind: KIND_PUMP, flags: EVENT_INTERNAL }, () => {
      if (this.#isDead) return;
      if (this.#backLink.isBlocked) {
        this.#isPumpStalled = true;
        this.#wait(this.#backLink);
        return;
      }
      this.#progress++;
      this.#isPumpScheduled = false;
      this.flush();
    });
  }

  #takeWindow(): Uint8Array[] {
    let count = 0;
    let bytes = 0;
    const room = this.#fabric.windowBytes - this.#wireBytes;
    while (count < this.#queue.length) {
      const frameBytes = this.#queue[count]!.length;
      const isFirst = this.#wireBytes === 0 && count === 0; // one frame may exceed any window
      if (bytes + frameBytes > room && !isFirst) break;
      bytes += frameBytes;
      count++;
    }
    this.#queuedBytes -= bytes;
    return this.#queue.splice(0, count);
  }

  /** @returns false if the connection broke instead. */
  #depart(frames: Uint8Array[]): boolean {
    const { settings, random } = this.#link;
    if (settings.resetProbability > 0 && random.chance(settings.resetProbability)) {
      this.#fabric.countFault("network.reset");
      this.#dropQueue();
      this.mark("reset");
      this.#sender.streamBroken();
      return false;
    }
    const carried = isFaithful(settings) ? frames : this.#meddle(frames);
    if (carried.length === 0) return true;
    const isSplit = carried.length > 1 && random.chance(settings.splitProbability);
    const cut = isSplit ? 1 + random.below(carried.length - 1) : carried.length;
    this.#carry(carried.slice(0, cut));
    if (isSplit) this.#carry(carried.slice(cut));
    return true;
  }

  #carry(frames: Uint8Array[]): void {
    const bytes = totalBytes(frames);
    this.#wireBytes += bytes;
    // The receiver may change what it is given; the sender may have given the same bytes to others.
    const copies = frames.map((frame) => frame.slice());
    this.#push({ frames: copies, mark: undefined, atMicros: this.#drawArrival(bytes) });
  }

  /** Applies what a faithless link does to single frames. */
  #meddle(frames: readonly Uint8Array[]): Uint8Array[] {
    const { settings, random } = this.#link;
    const carried: Uint8Array[] = [];
    for (const frame of frames) {
      const fate = drawFrameFate(frame, settings, random, (kind) => this.#fabric.countFault(kind));
      carried.push(...fate.inOrder);
      if (fate.late !== undefined) this.#carryLate(fate.late.frame, fate.late.delayMicros);
    }
    return carried;
  }

  #carryLate(frame: Uint8Array, delayMicros: number): void {
    this.#wireBytes += frame.length;
    const delay = delayMicros + this.#link.drawDelayMicros();
    this.#fabric.scheduler.schedule(delay, { kind: KIND_ARRIVE, flags: EVENT_INTERNAL }, () => {
      if (this.#isDead || this.#link.isBlocked || !this.#receiver.isListening) {
        this.#wireBytes -= frame.length;
      } else this.#receiver.framesArrived([frame]);
    });
  }

  #drawArrival(bytes: number): number {
    const now = this.#fabric.scheduler.nowMicros;
    const delay = this.#link.drawTransferMicros(bytes + SEGMENT_HEADER_BYTES, now, (kind) => {
      this.#fabric.countFault(kind);
    });
    this.#lastAtMicros = Math.max(this.#lastAtMicros, now + delay);
    return this.#lastAtMicros;
  }

  #push(segment: Segment): void {
    this.#segments.push(segment);
    if (this.#segments.length === 1 && !this.#isStalled) {
      this.#arm(segment.atMicros - this.#fabric.scheduler.nowMicros);
    }
  }

  /** Schedules the arrival of the first segment on the wire. */
  #arm(delayMicros: number): void {
    const segment = this.#segments[0];
    this.#fabric.scheduler.schedule(
      delayMicros,
      { kind: KIND_ARRIVE, flags: EVENT_INTERNAL },
      () => {
        if (this.#segments[0] === segment) this.#arrive();
      },
    );
  }

  #arrive(): void {
    if (this.#link.isBlocked) {
      this.#isStalled = true;
      this.#wait(this.#link);
      return;
    }
    this.#progress++;
    const segment = this.#segments.shift()!;
    if (this.#receiver.isListening) {
      if (segment.frames.length > 0) this.#receiver.framesArrived(segment.frames);
      if (segment.mark !== undefined) this.#receiver.markArrived(segment.mark);
    } else if (segment.mark !== "reset") {
      this.#refuse();
      return;
    }
    const next = this.#segments[0];
    if (next !== undefined) {
      this.#arm(Math.max(0, next.atMicros - this.#fabric.scheduler.nowMicros));
    }
  }

  /** Nobody is there any more: the sender learns it, if the way back is open. */
  #refuse(): void {
    this.destroy();
    const message = { bytes: SEGMENT_HEADER_BYTES, kind: KIND_RESET, flags: EVENT_INTERNAL };
    transmit(this.#fabric, this.#backLink, message, () => this.#sender.streamBroken());
  }

  /** Waits for a blocked link, but not forever. */
  #wait(link: Link): void {
    link.wait(this);
    const before = this.#progress;
    const { scheduler, giveUpMicros } = this.#fabric;
    scheduler.schedule(giveUpMicros, { kind: KIND_GIVE_UP, flags: EVENT_INTERNAL }, () => {
      if (this.#progress !== before || this.#isDead) return;
      this.#fabric.countFault("network.give-up");
      this.destroy();
      this.#sender.streamBroken();
    });
  }

  #dropQueue(): void {
    this.#isFinishing = false;
    this.#queue = [];
    this.#queuedBytes = 0;
  }
}

/** Flags of the event in which a turn's frames leave. */
export const FLUSH_FLAGS: number = EVENT_INTERNAL | EVENT_DEFERRED;

function totalBytes(frames: readonly Uint8Array[]): number {
  let bytes = 0;
  for (const frame of frames) bytes += frame.length;
  return bytes;
}
