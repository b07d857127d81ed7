import { decodeUtf8 } from "@kvs/codec";
import { assert } from "@kvs/env";
import { afterHeader, afterValue, checkFrame, countAt } from "./frame-scan.ts";
import { protocolError } from "./protocol-error.ts";

/**
 * Reads the messages of a frame, one after the other, field by field. The whole frame was checked
 * before the first field is read ({@link checkFrame}).
 *
 * 1. A read of a field that is missing, or of another type, throws `PROTOCOL_BAD_REQUEST`; the other
 *    messages can still be read.
 * 2. Fields that nobody reads are skipped: they belong to later versions.
 * 3. Bytes are views of the frame.
 */
export class FrameReader {
  readonly #bytes: Uint8Array;
  readonly #count: number;
  #position: number;
  #messageFrom = 0;
  #messagesRead = 0;
  #fieldsLeft = 0;
  /** First field of the current message. */
  id = 0;
  /** Second field: a code of a request, or a status of a response. */
  code = 0;

  /** @throws {KvsError} `PROTOCOL_MALFORMED`. */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#count = checkFrame(bytes);
    this.#position = afterHeader(bytes, 0);
  }

  /** Messages not read yet. */
  get remaining(): number {
    return this.#count - this.#messagesRead;
  }

  /** Moves to the next message, past what is left of the one before. False at the end. */
  next(): boolean {
    this.#skipRest();
    if (this.#messagesRead === this.#count) return false;
    this.#messagesRead++;
    this.#messageFrom = this.#position;
    this.#fieldsLeft = countAt(this.#bytes, this.#position);
    this.#position = afterHeader(this.#bytes, this.#position);
    this.id = this.uint();
    this.code = this.uint();
    return true;
  }

  /** Bytes of the current message, as far as it was read. */
  get messageBytes(): number {
    return this.#position - this.#messageFrom;
  }

  /** An integer in [0, 2^53). */
  uint(): number {
    const at = this.#field("an unsigned integer");
    const bytes = this.#bytes;
    const token = bytes[at]!;
    if (token < 0x80) {
      this.#position = at + 1;
      return token;
    }
    if (token < 0xcc || token > 0xcf) throw this.#mismatch("an unsigned integer");
    const to = at + 1 + (1 << (token - 0xcc));
    let value = 0;
    for (let digit = at + 1; digit < to; digit++) value = value * 0x100 + bytes[digit]!;
    if (value > Number.MAX_SAFE_INTEGER) throw this.#mismatch("an integer below 2^53");
    this.#position = to;
    return value;
  }

  /** An integer, or `undefined` for nil and for a field that is not there. */
  uintIfAny(): number | undefined {
    return this.#isAbsent() ? undefined : this.uint();
  }

  bool(): boolean {
    const token = this.#bytes[this.#field("a boolean")]!;
    if (token !== 0xc2 && token !== 0xc3) throw this.#mismatch("a boolean");
    this.#position++;
    return token === 0xc3;
  }

  /** A boolean, or `undefined` for nil and for a field that is not there. */
  boolIfAny(): boolean | undefined {
    return this.#isAbsent() ? undefined : this.bool();
  }

  /** Bytes, as a view of the frame. */
  bytes(): Uint8Array {
    const at = this.#field("bytes");
    const token = this.#bytes[at]!;
    if (token < 0xc4 || token > 0xc6) throw this.#mismatch("bytes");
    return this.#counted(at, 1 << (token - 0xc4));
  }

  /** Bytes, or `undefined` for nil and for a field that is not there. */
  bytesIfAny(): Uint8Array | undefined {
    return this.#isAbsent() ? undefined : this.bytes();
  }

  /** A text. @throws {KvsError} also `CODEC_INVALID_UTF8`. */
  text(): string {
    const at = this.#field("a text");
    const token = this.#bytes[at]!;
    const isShort = token >= 0xa0 && token < 0xc0;
    if (!isShort && (token < 0xd9 || token > 0xdb)) throw this.#mismatch("a text");
    const from = isShort ? at + 1 : at + 1 + (1 << (token - 0xd9));
    const to = afterValue(this.#bytes, at, 0);
    this.#position = to; // first: a text that is none is a field that was read
    return decodeUtf8(this.#bytes, from, to);
  }

  /** The count of an array, whose elements are read next as if they were fields. */
  array(): number {
    const at = this.#field("an array");
    const token = this.#bytes[at]!;
    const isArray = (token & 0xf0) === 0x90 || token === 0xdc || token === 0xdd;
    if (!isArray) throw this.#mismatch("an array");
    const count = countAt(this.#bytes, at);
    this.#fieldsLeft += count;
    this.#position = afterHeader(this.#bytes, at);
    return count;
  }

  /** Skips one field, of any type. */
  skip(): void {
    this.#position = afterValue(this.#bytes, this.#field("a value"), 0);
  }

  /** `PROTOCOL_BAD_REQUEST` for the field just read or about to be. */
  badField(what: string): Error {
    const message = `message ${this.id}: ${what}, at offset ${this.#position} of its frame`;
    const details = { id: this.id, code: this.code, offset: this.#position };
    return protocolError("PROTOCOL_BAD_REQUEST", message, { details });
  }

  #counted(at: number, width: number): Uint8Array {
    const bytes = this.#bytes;
    const from = at + 1 + width;
    let length = 0;
    for (let digit = at + 1; digit < from; digit++) length = length * 0x100 + bytes[digit]!;
    this.#position = from + length;
    assert(this.#position <= bytes.length, "a checked frame holds all its bytes");
    return bytes.subarray(from, from + length);
  }

  /** Takes the next field; its reader moves past it. */
  #field(what: string): number {
    if (this.#fieldsLeft === 0) throw this.badField(`${what} is missing`);
    this.#fieldsLeft--;
    return this.#position;
  }

  #isAbsent(): boolean {
    if (this.#fieldsLeft === 0) return true;
    if (this.#bytes[this.#position] !== 0xc0) return false;
    this.#fieldsLeft--;
    this.#position++;
    return true;
  }

  /** The field stays where it is, so that the rest of the message can be skipped. */
  #mismatch(wanted: string): Error {
    this.#fieldsLeft++;
    return this.badField(`a field is not ${wanted}`);
  }

  #skipRest(): void {
    for (; this.#fieldsLeft > 0; this.#fieldsLeft--) {
      this.#position = afterValue(this.#bytes, this.#position, 0);
    }
  }
}
