/**
 * One side of a simulated connection.
 *
 *     connecting ──opened──► open ──close()──► closing ──all sent──► closed
 *                             │ ├──"finished" arrived──► ended ──inbox read──► closed
 *                             └──broken, discarded, or process dead──────────► closed
 *
 * `handlers.closed` is called once, in an event of its own, after the last frame.
 */
import {
  assert,
  type CloseReason,
  type Connection,
  type ConnectionHandlers,
  type PeerIdentity,
  SEND_BUFFER_BYTES,
  SEND_BUFFER_MAX_BYTES,
} from "@kvs/env";
import { type Incarnation } from "../incarnation.ts";
import { Scheduler } from "../scheduler.ts";
import { hashBytes } from "../trace-hash.ts";
import { type Fabric } from "./fabric.ts";
import {
  FLUSH_FLAGS,
  type SegmentMark,
  Stream,
  type StreamReceiver,
  type StreamSender,
} from "./stream.ts";

const KIND_FLUSH = Scheduler.kind("network.flush");
const KIND_FRAMES = Scheduler.kind("network.frames");
const KIND_CLOSED = Scheduler.kind("network.closed");
const KIND_DRAINED = Scheduler.kind("network.drained");
const KIND_LINGER = Scheduler.kind("network.linger");

/** A closed connection waits this long for its last frames to leave, then drops them. */
const LINGER_MICROS = 10_000_000;
/** Frames one turn hands over at most; the rest follows in the next. */
const FRAMES_PER_TURN_MAX = 64;

type State = "connecting" | "open" | "closing" | "ended" | "closed";

/** What a connection is made of. */
export interface SimConnectionOptions {
  readonly fabric: Fabric;
  readonly incarnation: Incarnation;
  readonly remote: { readonly host: string; readonly port: number };
  readonly path: string;
  readonly identity: PeerIdentity | undefined;
  readonly maxFrameBytes: number;
  readonly maxFirstFrameBytes: number | undefined;
  /** Called when the connection is over, before `handlers.closed`. */
  readonly forget: (connection: SimConnection) => void;
}

export class SimConnection implements Connection, StreamReceiver, StreamSender {
  readonly id: number;
  readonly remote: { readonly host: string; readonly port: number };
  readonly path: string;
  readonly identity: PeerIdentity | undefined;
  readonly incarnation: Incarnation;
  readonly #options: SimConnectionOptions;
  #outgoing: Stream | undefined;
  #incoming: Stream | undefined;
  #onOpened: (() => void) | undefined;
  #state: State = "connecting";
  #handlers: ConnectionHandlers | undefined;
  #inbox: Uint8Array[] = [];
  /** Whether the operating system, too, has forgotten the connection. */
  #isGone = false;
  #isPaused = false;
  /** The longest frame that may come next. */
  #frameBytesMax: number;
  #isReadScheduled = false;
  #isFlushScheduled = false;
  #mustTellDrained = false;

  constructor(options: SimConnectionOptions) {
    this.id = options.fabric.nextConnectionId();
    this.remote = options.remote;
    this.path = options.path;
    this.identity = options.identity;
    this.incarnation = options.incarnation;
    this.#options = options;
    this.#frameBytesMax = options.maxFirstFrameBytes ?? options.maxFrameBytes;
  }

  /** Makes the two streams between `left` and `right`. Called once, before anything is sent. */
  static join(left: SimConnection, right: SimConnection): void {
    left.#outgoing = left.#makeStream(right);
    right.#outgoing = right.#makeStream(left);
    left.#incoming = right.#outgoing;
    right.#incoming = left.#outgoing;
  }

  get bufferedBytes(): number {
    return this.#outgoing?.queuedBytes ?? 0;
  }

  /** Whether the far end's segments find somebody here. */
  get isListening(): boolean {
    return !this.#isGone && this.incarnation.isAlive;
  }

  /** Whether frames can still be sent from here. */
  get isOpen(): boolean {
    return this.#state === "open";
  }

  /** The side that accepted: open at once, and the other side learns it first of all. */
  accept(): void {
    assert(this.#state === "connecting", "a connection is accepted once");
    this.#state = "open";
    this.#out.mark("opened");
  }

  /** The side that asked: `opened` is called when the answer arrives. */
  awaitOpened(opened: () => void): void {
    assert(this.#state === "connecting", "only a connecting side waits for the answer");
    this.#onOpened = opened;
  }

  start(handlers: ConnectionHandlers): void {
    if (!this.incarnation.isAlive) return;
    assert(this.#handlers === undefined, "a connection is started once");
    this.#handlers = handlers;
    this.#scheduleRead();
  }

  send(frame: Uint8Array): boolean {
    if (this.#state !== "open" || !this.incarnation.isAlive) return false;
    assert(frame.length >= 1, "a frame has at least one byte");
    this.#out.enqueue(frame);
    if (this.bufferedBytes > SEND_BUFFER_MAX_BYTES) {
      this.#breakOff("overflow");
      return false;
    }
    this.#scheduleFlush();
    if (this.bufferedBytes <= SEND_BUFFER_BYTES) return true;
    this.#mustTellDrained = true;
    return false;
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#scheduleRead();
  }

  close(mode?: "discard"): void {
    if (!this.incarnation.isAlive) return;
    if (mode === "discard" && (this.#state === "open" || this.#state === "closing")) {
      this.#breakOff("local");
      return;
    }
    if (this.#state !== "open") return;
    this.#state = "closing";
    this.#dropInbox();
    // The last turn's frames leave with the turn, like all others.
    this.incarnation.after(0, KIND_FLUSH, () => this.#finish(), { flags: FLUSH_FLAGS });
  }

  /** The process died. With `isSilent` (no power) the far end hears nothing of it. */
  processDied(isSilent: boolean): void {
    if (this.#isGone || this.#state === "closed") return;
    this.#isGone = true;
    this.#state = "closed";
    this.#inbox = [];
    if (isSilent) this.#out.destroy();
    else this.#out.reset();
    this.#options.forget(this);
  }

  /** Breaks this side only; the far end notices when it next sends. */
  vanish(): void {
    if (this.#state === "closed") return;
    this.#out.destroy();
    this.#isGone = true;
    this.#inbox = []; // a closed side that holds frames would try to read them, turn after turn
    this.#close("reset");
  }

  /** The network breaks this side: nothing it sent and nothing it received is left. */
  break(): void {
    if (this.#state === "closed") return;
    this.#out.destroy();
    this.streamBroken();
  }

  /** The stream from here broke. What it has on the wire, a last reset perhaps, still arrives. */
  streamBroken(): void {
    if (this.#state === "closed") return;
    this.#isGone = true;
    this.#dropInbox();
    this.#close("reset");
  }

  streamFinished(): void {
    if (this.#state === "closing") this.#close("local");
  }

  streamDrained(): void {
    if (!this.#mustTellDrained || this.bufferedBytes > SEND_BUFFER_BYTES / 2) return;
    this.#mustTellDrained = false;
    this.incarnation.after(0, KIND_DRAINED, () => {
      if (this.#state === "open") this.#handlers?.drained?.();
    });
  }

  framesArrived(frames: readonly Uint8Array[]): void {
    if (this.#state !== "open" && this.#state !== "connecting") {
      for (const frame of frames) this.#in.credit(frame.length); // closed here: nobody reads them
      return;
    }
    for (const frame of frames) this.#inbox.push(frame);
    this.#scheduleRead();
  }

  markArrived(mark: SegmentMark): void {
    switch (mark) {
      case "opened":
        if (this.#state !== "connecting") return;
        this.#state = "open";
        this.#onOpened?.();
        return;
      case "finished":
        if (this.#state !== "open") return;
        this.#state = "ended";
        this.#out.destroy();
        this.#scheduleRead();
        return;
      case "reset":
        this.break();
    }
  }

  get #out(): Stream {
    assert(this.#outgoing !== undefined, "a connection has two sides");
    return this.#outgoing;
  }

  get #in(): Stream {
    assert(this.#incoming !== undefined, "a connection has two sides");
    return this.#incoming;
  }

  #makeStream(peer: SimConnection): Stream {
    return new Stream({
      fabric: this.#options.fabric,
      from: this.incarnation.host.name,
      to: peer.incarnation.host.name,
      sender: this,
      receiver: peer,
    });
  }

  #scheduleFlush(): void {
    if (this.#isFlushScheduled) return;
    this.#isFlushScheduled = true;
    const flush = (): void => {
      this.#isFlushScheduled = false;
      if (this.#state === "open") this.#out.flush();
    };
    this.incarnation.after(0, KIND_FLUSH, flush, { flags: FLUSH_FLAGS });
  }

  #finish(): void {
    if (this.#state !== "closing") return;
    this.#out.finish();
    this.incarnation.after(LINGER_MICROS, KIND_LINGER, () => {
      if (this.#state === "closing") this.#breakOff("local");
    });
  }

  #scheduleRead(): void {
    if (this.#isReadScheduled || this.#isPaused || this.#handlers === undefined) return;
    if (this.#inbox.length === 0 && this.#state !== "ended") return;
    this.#isReadScheduled = true;
    this.incarnation.after(0, KIND_FRAMES, () => {
      this.#isReadScheduled = false;
      this.#read();
    });
  }

  /** Hands over what has arrived, as far as the receiver wants it. */
  #read(): void {
    const handlers = this.#handlers;
    assert(handlers !== undefined, "frames are read only after start");
    let count = 0;
    while (this.#canRead() && count < FRAMES_PER_TURN_MAX) {
      const frame = this.#inbox.shift()!;
      count++;
      if (frame.length > this.#frameBytesMax) {
        this.#refuseFrame();
        return;
      }
      this.#frameBytesMax = this.#options.maxFrameBytes;
      this.#options.fabric.scheduler.hash.add(hashBytes(frame));
      this.#in.credit(frame.length);
      handlers.frame(frame);
    }
    if (this.#state === "ended" && this.#inbox.length === 0 && !this.#isPaused) {
      this.#close("remote");
    } else this.#scheduleRead();
  }

  #canRead(): boolean {
    const isReading = this.#state === "open" || this.#state === "ended";
    return isReading && !this.#isPaused && this.#inbox.length > 0;
  }

  /** Nothing after a frame that is too long is read, and the far end is told. */
  #refuseFrame(): void {
    this.#dropInbox();
    this.#out.finish();
    this.#close("frame-too-large");
  }

  /** Ends the connection from this side, dropping what is queued. */
  #breakOff(reason: CloseReason): void {
    this.#out.reset();
    this.#isGone = true;
    this.#dropInbox();
    this.#close(reason);
  }

  #close(reason: CloseReason): void {
    assert(this.#state !== "closed", "a connection closes once");
    this.#state = "closed";
    this.#options.forget(this);
    this.incarnation.after(0, KIND_CLOSED, () => this.#handlers?.closed(reason));
  }

  #dropInbox(): void {
    const dropped = this.#inbox;
    this.#inbox = [];
    for (const frame of dropped) this.#in.credit(frame.length);
  }
}
