import { type Compressor, assert, isKvsError } from "@kvs/env";
import { damagedValue } from "./btree-error.ts";
import { TREE_VALUE_BYTES_MAX, overflowPages } from "./overflow-value.ts";

/**
 * A long value may be kept compressed: cut into blocks of 128 KiB, each of which is
 *
 *   4   bytes of the block as it follows (bit 31: it stands there as it is)
 *   …   the block, compressed
 *
 * The last block is shorter. The row's descriptor has the plain length. A value is compressed only if
 * that takes an eighth of its bytes away, and a page.
 *
 * Format: docs/formats/btree-page.md.
 */
export interface ValuePacking {
  readonly compressor: Compressor;
  /** Sabotage: what a row says of its value's plain length is believed. */
  readonly trustsPlainLength?: boolean;
}

/** Plain bytes of a block: half a millisecond to compress. */
const BLOCK_BYTES: number = 128 << 10;
const BLOCK_HEAD_BYTES = 4;
const AS_IT_IS = 0x8000_0000;
/** A block of more bytes than its plain text was not written by a packer. */
const LENGTH_MASK = 0x7fff_ffff;
/** What has to be gained: an eighth. */
const GAIN_DIVISOR = 8;

/** Compresses a value block by block. */
export class ValuePacker {
  readonly #compressor: Compressor;
  readonly #plain: Uint8Array;
  /** As long as the packed value may be, heads included. */
  readonly #packed: Uint8Array;
  #read = 0;
  #written = 0;
  #isDone = false;

  constructor(compressor: Compressor, plain: Uint8Array) {
    this.#compressor = compressor;
    this.#plain = plain;
    this.#packed = new Uint8Array(plain.length - Math.floor(plain.length / GAIN_DIVISOR));
  }

  /** Whether there is nothing more to compress, or no use in it. */
  get isDone(): boolean {
    return this.#isDone;
  }

  /** Packs the next block. Returns how many plain bytes that were. */
  step(): number {
    assert(!this.#isDone, "there is a block left to pack");
    const block = this.#plain.subarray(this.#read, this.#read + BLOCK_BYTES);
    const packed = this.#compressor.compress(block);
    const isShorter = packed.length < block.length;
    const content = isShorter ? packed : block;
    this.#read += block.length;
    const end = this.#written + BLOCK_HEAD_BYTES + content.length;
    if (end > this.#packed.length) {
      this.#written = this.#packed.length; // no gain
      this.#isDone = true;
      return block.length;
    }
    putUint32(this.#packed, this.#written, isShorter ? packed.length : AS_IT_IS + block.length);
    this.#packed.set(content, this.#written + BLOCK_HEAD_BYTES);
    this.#written = end;
    this.#isDone = this.#read === this.#plain.length;
    return block.length;
  }

  /** The packed value; `undefined` if the plain one is no worse. */
  result(): Uint8Array | undefined {
    assert(this.#isDone, "a value is packed whole");
    const hasGained = this.#read === this.#plain.length && this.#written < this.#packed.length;
    if (!hasGained || overflowPages(this.#written) >= overflowPages(this.#plain.length)) {
      return undefined;
    }
    return this.#packed.subarray(0, this.#written);
  }
}

/**
 * Restores a packed value.
 *
 * @param packed As its pages hold it; its checksum was right.
 * @param plainLength What the row says; nothing longer is allocated, and nothing before it is
 *   plausible.
 * @throws {KvsError} `BTREE_DAMAGED_VALUE` if these are not what was packed.
 */
export function unpackValue(
  packed: Uint8Array,
  plainLength: number,
  packing: ValuePacking | undefined,
): Uint8Array {
  if (packing === undefined) throw damagedValue("it is compressed, and nothing here compresses");
  const { compressor, trustsPlainLength = false } = packing;
  if (!trustsPlainLength) checkPlainLength(packed, plainLength);
  const plain = new Uint8Array(plainLength);
  let read = 0;
  for (let at = 0; at < plainLength && read < packed.length; at += BLOCK_BYTES) {
    const block = plain.subarray(at, at + BLOCK_BYTES);
    const head = getUint32(packed, read);
    const length = head & LENGTH_MASK;
    const content = packed.subarray(read + BLOCK_HEAD_BYTES, read + BLOCK_HEAD_BYTES + length);
    if (content.length < length) throw damagedValue("a compressed block that is cut off");
    block.set(head >= AS_IT_IS ? content : decompress(compressor, content, block.length));
    read += BLOCK_HEAD_BYTES + length;
  }
  if (!trustsPlainLength && read !== packed.length) throw wrongLength(plainLength);
  return plain;
}

/** Looks at the heads of the blocks alone. */
function checkPlainLength(packed: Uint8Array, plainLength: number): void {
  if (plainLength > TREE_VALUE_BYTES_MAX) throw wrongLength(plainLength);
  let left = plainLength;
  let read = 0;
  while (left > 0) {
    if (read + BLOCK_HEAD_BYTES > packed.length) throw wrongLength(plainLength);
    const head = getUint32(packed, read);
    const plain = Math.min(left, BLOCK_BYTES);
    if (head >= AS_IT_IS && (head & LENGTH_MASK) !== plain) throw wrongLength(plainLength);
    read += BLOCK_HEAD_BYTES + (head & LENGTH_MASK);
    left -= plain;
  }
  if (read !== packed.length) throw wrongLength(plainLength);
}

function decompress(compressor: Compressor, packed: Uint8Array, length: number): Uint8Array {
  try {
    return compressor.decompress(packed, length);
  } catch (error) {
    if (!isKvsError(error, "CODEC_COMPRESSED")) throw error;
    throw damagedValue("a compressed block that does not restore");
  }
}

function wrongLength(plainLength: number): Error {
  return damagedValue("a plain length that its blocks do not have", { plainLength });
}

function putUint32(bytes: Uint8Array, at: number, value: number): void {
  new DataView(bytes.buffer, bytes.byteOffset + at, BLOCK_HEAD_BYTES).setUint32(0, value, true);
}

/** The head of a block; 0 behind the end, where none is. */
function getUint32(bytes: Uint8Array, at: number): number {
  if (at + BLOCK_HEAD_BYTES > bytes.length) return 0;
  return new DataView(bytes.buffer, bytes.byteOffset + at, BLOCK_HEAD_BYTES).getUint32(0, true);
}
