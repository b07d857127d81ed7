import {
  ByteWriter,
  type DocumentLimits,
  type DocumentValue,
  type Key,
  KEY_MAX_BYTES,
  encodeDocumentInto,
  encodeKeyInto,
} from "@kvs/codec";
import { assert } from "@kvs/env";
import { FRAME_BYTES_MAX, FRAME_MESSAGES_MAX } from "./limits.ts";
import { ResponseStatus } from "./wire-code.ts";

/**
 * Gathers messages into a frame: the counterpart of `FrameReader`.
 *
 *   offset  size  field
 *        0     1  dc           an array
 *        1     2  count        of messages, big-endian
 *        3        messages     [id, code, …]
 *
 * Ids, and the milliseconds of a request, have a fixed width, so that a message can be sent again
 * with others: bytes 2–5 and 8–11 of a request. Format: docs/formats/wire.md.
 *
 * Made to be used again: after `take` it is empty and keeps its storage.
 */
export class FrameWriter {
  readonly #writer: ByteWriter = new ByteWriter({ initialBytes: 1024, maxBytes: FRAME_BYTES_MAX });
  #count = 0;
  #messageFrom = 0;
  #isOpen = false;

  constructor() {
    this.#writer.claim(FRAME_HEAD_BYTES);
  }

  /** Complete messages. */
  get count(): number {
    return this.#count;
  }

  get isFull(): boolean {
    return this.#count === FRAME_MESSAGES_MAX;
  }

  /** Bytes so far. */
  get sizeBytes(): number {
    return this.#writer.position;
  }

  /** Where the current message, or the one just ended, begins. */
  get messageFrom(): number {
    return this.#messageFrom;
  }

  /**
   * Begins a request; its fields follow, then `end`.
   *
   * @param fields How many follow, at most 12.
   * @param remainingMs An integer in [0, 2^32).
   */
  beginRequest(fields: number, id: number, code: number, remainingMs: number): void {
    assert(fields <= 12 && code < 0x80, "the head of a request has a fixed width");
    const at = this.#begin(REQUEST_HEAD_BYTES);
    const bytes = this.#writer.buffer;
    bytes[at] = 0x90 | (fields + 3);
    bytes[at + 1] = 0xce;
    writeUint32(bytes, at + 2, id);
    bytes[at + 6] = code;
    bytes[at + 7] = 0xce;
    writeUint32(bytes, at + 8, remainingMs);
  }

  /** Begins a response with this status; its fields follow, then `end`. */
  beginResponse(fields: number, id: number, status: number = ResponseStatus.OK): void {
    assert(fields <= 13 && status < 0x80, "the head of a response has a fixed width");
    const at = this.#begin(RESPONSE_HEAD_BYTES);
    const bytes = this.#writer.buffer;
    bytes[at] = 0x90 | (fields + 2);
    bytes[at + 1] = 0xce;
    writeUint32(bytes, at + 2, id);
    bytes[at + 6] = status;
  }

  /** Adds a request of another frame, under its id, with the time that is left to it now. */
  copyRequest(frame: Uint8Array, from: number, to: number, remainingMs: number): void {
    const at = this.#begin(to - from);
    this.#writer.buffer.set(frame.subarray(from, to), at);
    writeUint32(this.#writer.buffer, at + 8, remainingMs);
    this.end();
  }

  /** Ends the current message. */
  end(): void {
    assert(this.#isOpen, "only what was begun is ended");
    this.#isOpen = false;
    this.#count++;
    assert(this.#count <= FRAME_MESSAGES_MAX, "a frame has a bounded number of messages");
  }

  /** Takes back the message that was begun and is not ended; does nothing if there is none. */
  abort(): void {
    if (this.#isOpen) this.#writer.truncate(this.#messageFrom);
    this.#isOpen = false;
  }

  /** The frame, in bytes of its own; the writer is empty afterwards. */
  take(): Uint8Array {
    assert(this.#count > 0 && !this.#isOpen, "a frame has at least one message, all complete");
    const bytes = this.#writer.buffer;
    bytes[0] = 0xdc;
    bytes[1] = this.#count >>> 8;
    bytes[2] = this.#count;
    const frame = this.#writer.toBytes();
    this.#count = 0;
    this.#writer.reset();
    this.#writer.claim(FRAME_HEAD_BYTES);
    return frame;
  }

  nil(): void {
    this.#writer.u8(0xc0);
  }

  bool(value: boolean): void {
    this.#writer.u8(value ? 0xc3 : 0xc2);
  }

  /** An integer in [0, 2^53). */
  uint(value: number): void {
    assert(Number.isSafeInteger(value) && value >= 0, "an integer of a message is in [0, 2^53)");
    if (value < 0x80) {
      this.#writer.u8(value);
    } else if (value <= 0xffff_ffff) {
      const at = this.#writer.claim(5);
      this.#writer.buffer[at] = 0xce;
      writeUint32(this.#writer.buffer, at + 1, value);
    } else {
      const at = this.#writer.claim(9);
      const bytes = this.#writer.buffer;
      bytes[at] = 0xcf;
      writeUint32(bytes, at + 1, Math.floor(value / 0x1_0000_0000));
      writeUint32(bytes, at + 5, value >>> 0);
    }
  }

  /** An integer, or nil for `undefined`. */
  uintIfAny(value: number | undefined): void {
    if (value === undefined) this.nil();
    else this.uint(value);
  }

  /** @throws {KvsError} `CODEC_UNSUPPORTED` for a lone surrogate. */
  text(text: string): void {
    const at = this.#writer.claim(5);
    const length = this.#writer.string(text);
    this.#writer.buffer[at] = 0xdb;
    writeUint32(this.#writer.buffer, at + 1, length);
  }

  bytes(source: Uint8Array): void {
    const { length } = source;
    const at = this.#bytesHead(length);
    const target = this.#writer.buffer;
    // A call out of JavaScript costs more than a short loop.
    if (length > SHORT_BYTES) target.set(source, at);
    else for (let byte = 0; byte < length; byte++) target[at + byte] = source[byte]!;
  }

  /** Bytes, or nil for `undefined`. */
  bytesIfAny(source: Uint8Array | undefined): void {
    if (source === undefined) this.nil();
    else this.bytes(source);
  }

  /** A key, as bytes. @throws {KvsError} as `encodeKey`; then call `abort`. */
  key(key: Key): void {
    const writer = this.#writer;
    const at = writer.claim(3 + KEY_MAX_BYTES);
    const length = encodeKeyInto(key, writer.buffer, at + 3);
    const bytes = writer.buffer;
    bytes[at] = 0xc5;
    bytes[at + 1] = length >>> 8;
    bytes[at + 2] = length;
    writer.truncate(at + 3 + length);
  }

  /** A document, as bytes. @throws {KvsError} as `encodeDocument`; then call `abort`. */
  document(value: DocumentValue, limits?: DocumentLimits): void {
    const writer = this.#writer;
    const at = writer.claim(5);
    encodeDocumentInto(value, writer, limits);
    writer.buffer[at] = 0xc6;
    writeUint32(writer.buffer, at + 1, writer.position - at - 5);
  }

  /** The head of an array; its elements follow as fields. */
  array(count: number): void {
    const at = this.#writer.claim(5);
    this.#writer.buffer[at] = 0xdd;
    writeUint32(this.#writer.buffer, at + 1, count);
  }

  /** Claims the head and room for `length` bytes; returns where these begin. */
  #bytesHead(length: number): number {
    const writer = this.#writer;
    const headBytes = length < 0x100 ? 2 : 5;
    const at = writer.claim(headBytes + length);
    const bytes = writer.buffer;
    if (length < 0x100) {
      bytes[at] = 0xc4;
      bytes[at + 1] = length;
    } else {
      bytes[at] = 0xc6;
      writeUint32(bytes, at + 1, length);
    }
    return at + headBytes;
  }

  #begin(headBytes: number): number {
    assert(!this.#isOpen, "a message ends before the next begins");
    this.#isOpen = true;
    this.#messageFrom = this.#writer.position;
    return this.#writer.claim(headBytes);
  }
}

/** The head of the array of messages, with a count of 16 bits. */
const FRAME_HEAD_BYTES = 3;
const REQUEST_HEAD_BYTES = 12;
const RESPONSE_HEAD_BYTES = 7;
const SHORT_BYTES = 64;

function writeUint32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}
