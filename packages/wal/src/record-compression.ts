/**
 * How a record is compressed: as a whole, before it is cut into fragments and sealed, and only if
 * that makes it shorter. Bits 3 and 4 of its fragments' flags name the method: 0 none, 1 `fast`,
 * 2 `zstd`. The content is then
 *
 *   offset  size  field        integers are little-endian
 *        0     4  plainLength  bytes of the record's payload
 *        4     …  packed       what the compressor made
 *
 * Lengths are not hidden by sealing, and a compressed length tells something of the content: do not
 * compress where somebody may both choose a part of a record and watch the log's size.
 *
 * Format: docs/formats/wal.md.
 */
import { type Compressor, type Compressors, assert, isKvsError } from "@kvs/env";

import { COMPRESSION_SHIFT } from "./record-format.ts";
import { type CompressionMethod } from "./wal-options.ts";

/** Bytes before the packed ones. */
const LENGTH_BYTES = 4;
/** By the number in the flags. */
const METHODS: readonly (CompressionMethod | undefined)[] = [undefined, "fast", "zstd"];

/** What goes into the log in place of a payload. */
export interface PackedPayload {
  readonly content: Uint8Array;
  /** Flags that tell how to restore it. */
  readonly flags: number;
}

/** Compresses the payloads of new records. */
export class RecordCompressor {
  readonly #compressor: Compressor;
  readonly #flags: number;
  readonly #fromBytes: number;

  /** @param fromBytes Shorter payloads stay as they are. */
  constructor(compressors: Compressors, method: CompressionMethod, fromBytes: number) {
    this.#compressor = compressors[method];
    this.#flags = METHODS.indexOf(method) << COMPRESSION_SHIFT;
    this.#fromBytes = fromBytes;
    assert(this.#flags !== 0, "a method has a number");
  }

  /** @returns `undefined` if the payload is to stay as it is. */
  pack(payload: Uint8Array): PackedPayload | undefined {
    if (payload.length < this.#fromBytes) return undefined;
    const packed = this.#compressor.compress(payload);
    const bytes = LENGTH_BYTES + packed.length;
    if (bytes >= payload.length) return undefined;
    const content = new Uint8Array(bytes);
    new DataView(content.buffer).setUint32(0, payload.length, true);
    content.set(packed, LENGTH_BYTES);
    return { content, flags: this.#flags };
  }
}

/** Whether these flags are of a record that was compressed. */
export function isCompressed(flags: number): boolean {
  return flags >>> COMPRESSION_SHIFT !== 0;
}

/** The payload's length that compressed content tells; `undefined` if there is no room for it. */
export function plainLengthOf(content: Uint8Array): number | undefined {
  if (content.length < LENGTH_BYTES) return undefined;
  return new DataView(content.buffer, content.byteOffset).getUint32(0, true);
}

/**
 * Restores a payload.
 *
 * @param maxBytes Nothing longer is restored, nor is memory taken for it.
 * @returns `undefined` if the content is damaged, or tells a length that it cannot have.
 */
export function unpack(
  compressors: Compressors,
  flags: number,
  content: Uint8Array,
  maxBytes: number,
): Uint8Array | undefined {
  const method = METHODS[flags >>> COMPRESSION_SHIFT];
  assert(method !== undefined, "the flags name a method");
  const plainBytes = plainLengthOf(content);
  if (plainBytes === undefined || plainBytes > maxBytes) return undefined;
  if (plainBytes <= content.length) return undefined; // it would not have been compressed
  try {
    return compressors[method].decompress(content.subarray(LENGTH_BYTES), plainBytes);
  } catch (error) {
    if (isKvsError(error, "CODEC_COMPRESSED")) return undefined;
    throw error;
  }
}
