/**
 * A copy of a store as a stream: frames, one after the other.
 *
 *   offset  size  field      integers are little-endian
 *        0     4  checksum   CRC-32 of bytes [4, 24 + length), begun with the checksum before
 *        4     4  length     bytes of payload after this header
 *        8     1  kind       1 begin, 2 pages, 3 log, 4 keys, 5 end
 *        9     3  reserved   zero
 *       12     4  sequence   0 for the first frame, one more for each
 *       16     8  position   pages: number of the first; log: position of the first byte; else 0
 *
 * 1. The first checksum begins with 0. Since each continues the one before, no frame can be left out,
 *    doubled, moved or taken from another copy unnoticed.
 * 2. Frames come in the order of their kinds; `begin` and `end` once, `keys` at most once. A copy
 *    without `end` is not whole.
 * 3. Pages and log are the bytes of the store's files, sealed as they are there. A page that is not
 *    in the copy is free, or is made whole by the log.
 *
 * Format: docs/formats/hot-copy.md.
 */
import { ByteReader, ByteWriter, crc32 } from "@kvs/codec";
import { assert, isKvsError } from "@kvs/env";
import { txnError } from "./txn-error.ts";

export type FrameKind =
  | typeof FRAME_BEGIN
  | typeof FRAME_PAGES
  | typeof FRAME_LOG
  | typeof FRAME_KEYS
  | typeof FRAME_END;
export const FRAME_BEGIN = 1;
export const FRAME_PAGES = 2;
export const FRAME_LOG = 3;
export const FRAME_KEYS = 4;
export const FRAME_END = 5;

export const FRAME_HEADER_BYTES = 24;
/** The longest payload: a reader holds no more than one. */
const FRAME_BYTES_MAX: number = 1 << 20;
const VERSION = 1;
const MAGIC: readonly number[] = [0x4b, 0x56, 0x53, 0x43, 0x4f, 0x50, 0x59, 0x0a];

/** A frame that was read. */
export interface CopyFrame {
  readonly kind: FrameKind;
  readonly position: number;
  /** Valid until the next frame is asked for. */
  readonly payload: Uint8Array;
}

/** What a copy begins with. */
export interface CopyBegin {
  readonly storeId: readonly [high: number, low: number];
  readonly fileId: number;
  readonly segmentBytes: number;
  /** Where the log of the copy begins: base of a segment. */
  readonly logStart: number;
  /** Milliseconds since 1970. */
  readonly createdMs: number;
}

/** What a copy ends with. */
export interface CopyEnd {
  /** Length of the page file. */
  readonly pageCount: number;
  /** Pages in the copy. */
  readonly copiedPages: number;
  /** Where the log of the copy ends. */
  readonly logEnd: number;
}

/** Puts headers before payloads. */
export class FrameSealer {
  #sequence = 0;
  #checksum = 0;

  /**
   * Writes the header of a frame whose payload is already in place behind it.
   *
   * @param bytes The frame, header included.
   */
  seal(bytes: Uint8Array, kind: FrameKind, position: number): void {
    const length = bytes.length - FRAME_HEADER_BYTES;
    assert(length >= 0 && length <= FRAME_BYTES_MAX, "a frame has at most 1 MiB of payload");
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    view.setUint32(4, length, true);
    view.setUint32(8, kind, true);
    view.setUint32(12, this.#sequence++, true);
    view.setBigUint64(16, BigInt(position), true);
    this.#checksum = crc32(bytes.subarray(4), this.#checksum);
    view.setUint32(0, this.#checksum, true);
  }

  /** A frame of its own with this payload. */
  frame(kind: FrameKind, payload: Uint8Array): Uint8Array {
    const bytes = new Uint8Array(FRAME_HEADER_BYTES + payload.length);
    bytes.set(payload, FRAME_HEADER_BYTES);
    this.seal(bytes, kind, 0);
    return bytes;
  }
}

/**
 * Takes a stream of bytes, in whatever pieces, apart into frames, and checks each.
 *
 * @throws {KvsError} `TXN_DAMAGED_COPY` at a frame that is damaged, out of place or cut off; what
 *   the source throws.
 */
export async function* readFrames(source: AsyncIterable<Uint8Array>): AsyncGenerator<CopyFrame> {
  const gathered = new Gathered();
  let sequence = 0;
  let checksum = 0;
  for await (const piece of source) {
    gathered.add(piece);
    for (;;) {
      const header = gathered.peek(FRAME_HEADER_BYTES);
      if (header === undefined) break;
      const { length, kind, position } = headerOf(header, sequence);
      const bytes = gathered.peek(FRAME_HEADER_BYTES + length);
      if (bytes === undefined) break;
      checksum = crc32(bytes.subarray(4), checksum);
      const stored = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
      if (stored !== checksum) throw damagedCopy(`frame ${sequence} has a wrong checksum`);
      yield { kind, position, payload: bytes.subarray(FRAME_HEADER_BYTES) };
      gathered.drop(bytes.length);
      sequence++;
    }
  }
  if (gathered.length > 0) throw damagedCopy(`it is cut off in frame ${sequence}`);
}

export function encodeBegin(begin: CopyBegin): Uint8Array {
  const writer = new ByteWriter();
  writer.bytes(Uint8Array.from(MAGIC));
  writer.u32(VERSION);
  writer.u32(begin.storeId[1]);
  writer.u32(begin.storeId[0]);
  writer.u32(begin.fileId);
  writer.u32(begin.segmentBytes);
  writer.u64(begin.logStart);
  writer.u64(begin.createdMs);
  return writer.toBytes();
}

/** @throws {KvsError} `TXN_DAMAGED_COPY`, `TXN_UNKNOWN_VERSION`. */
export function decodeBegin(payload: Uint8Array): CopyBegin {
  if (MAGIC.some((byte, at) => payload[at] !== byte)) throw damagedCopy("it is no copy of a store");
  return decoding(payload, MAGIC.length, (reader) => {
    const version = reader.u32();
    if (version !== VERSION) throw unknownVersion(version);
    const low = reader.u32();
    const high = reader.u32();
    return {
      storeId: [high, low],
      fileId: reader.u32(),
      segmentBytes: reader.u32(),
      logStart: reader.u64(),
      createdMs: reader.u64(),
    };
  });
}

export function encodeEnd(end: CopyEnd): Uint8Array {
  const writer = new ByteWriter();
  writer.u64(end.pageCount);
  writer.u64(end.copiedPages);
  writer.u64(end.logEnd);
  return writer.toBytes();
}

/** @throws {KvsError} `TXN_DAMAGED_COPY`. */
export function decodeEnd(payload: Uint8Array): CopyEnd {
  return decoding(payload, 0, (reader) => ({
    pageCount: reader.u64(),
    copiedPages: reader.u64(),
    logEnd: reader.u64(),
  }));
}

/** Says that a copy cannot be used. */
export function damagedCopy(what: string): Error {
  const message = `the copy of the store is damaged: ${what}; use another copy`;
  return txnError("TXN_DAMAGED_COPY", message);
}

function unknownVersion(version: number): Error {
  const message = `the copy has version ${version}, and this program knows ${VERSION}; use a newer one`;
  return txnError("TXN_UNKNOWN_VERSION", message, { details: { version } });
}

function decoding<T>(payload: Uint8Array, from: number, decode: (reader: ByteReader) => T): T {
  const reader = new ByteReader(payload, from);
  try {
    const decoded = decode(reader);
    reader.expectEnd();
    return decoded;
  } catch (error) {
    if (!isKvsError(error) || !error.code.startsWith("CODEC_")) throw error;
    throw damagedCopy("a frame of it makes no sense");
  }
}

function headerOf(
  bytes: Uint8Array,
  sequence: number,
): { readonly length: number; readonly kind: FrameKind; readonly position: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, FRAME_HEADER_BYTES);
  const length = view.getUint32(4, true);
  const kind = view.getUint32(8, true);
  const position = Number(view.getBigUint64(16, true));
  const isKind = kind >= FRAME_BEGIN && kind <= FRAME_END;
  const isSane = length <= FRAME_BYTES_MAX && isKind && Number.isSafeInteger(position);
  if (isSane && view.getUint32(12, true) === sequence) {
    return { length, kind: kind as FrameKind, position };
  }
  if (sequence === 0) throw damagedCopy("it is no copy of a store");
  throw damagedCopy(`frame ${sequence} has a bad header`);
}

/** Bytes that arrived and are not used yet: less than a frame, and a piece. */
class Gathered {
  #bytes: Uint8Array = new Uint8Array(FRAME_HEADER_BYTES + FRAME_BYTES_MAX);
  #from = 0;
  #to = 0;

  get length(): number {
    return this.#to - this.#from;
  }

  add(piece: Uint8Array): void {
    if (this.#to + piece.length > this.#bytes.length) this.#makeRoom(piece.length);
    this.#bytes.set(piece, this.#to);
    this.#to += piece.length;
  }

  peek(count: number): Uint8Array | undefined {
    if (this.length < count) return undefined;
    return this.#bytes.subarray(this.#from, this.#from + count);
  }

  drop(count: number): void {
    this.#from += count;
    if (this.#from === this.#to) {
      this.#from = 0;
      this.#to = 0;
    }
  }

  #makeRoom(bytes: number): void {
    const rest = this.#bytes.subarray(this.#from, this.#to);
    const wanted = rest.length + bytes;
    const target = wanted <= this.#bytes.length ? this.#bytes : new Uint8Array(2 * wanted);
    target.set(rest);
    this.#bytes = target;
    this.#to = rest.length;
    this.#from = 0;
  }
}
