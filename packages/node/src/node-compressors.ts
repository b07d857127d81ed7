/**
 * Both compressors, by node:zlib.
 *
 * What `zstd` writes is one frame of RFC 8878, with its own checksum. What `fast` writes:
 *
 *   plain text of fewer than 16 KiB    4 bytes  CRC-32 of the plain text, little-endian
 *                                      rest     one DEFLATE stream (RFC 1951), level 1
 *   otherwise                          a frame as `zstd` writes, at level 1
 *
 * The reader knows which from the length of the plain text, which it is given.
 * Why this pair: docs/decisions/0011-fast-compressor.md.
 */
import { type Compressor, type Compressors, KvsError, assert } from "@kvs/env";
import {
  constants,
  crc32,
  deflateRawSync,
  inflateRawSync,
  zstdCompressSync,
  zstdDecompressSync,
} from "node:zlib";

/** From here on zstd's setup, some 20 µs, is less than DEFLATE's slower work. */
const SMALL_BELOW_BYTES = 16 * 1024;
const CRC_BYTES = 4;
/** A window of 4 KiB: setting up a larger one costs more than it gains on small inputs. */
const SMALL_WINDOW_BITS = 12;
const SMALL_MEMORY_LEVEL = 5;
/** The least that node:zlib takes as the size of its output pieces. */
const CHUNK_MIN_BYTES = 64;

/** Output is collected in pieces of at most this many bytes: a false length allocates no more. */
const CHUNK_MAX_BYTES = 128 * 1024;
const ZSTD_LEVEL = 3;
const ZSTD_FAST_LEVEL = 1;

/** zstd at its usual level; DEFLATE or zstd at their quickest. Both verify what they restore. */
export const nodeCompressors: Compressors = {
  zstd: compressor(
    "zstd",
    (plain) => zstdFrame(plain, ZSTD_LEVEL),
    (packed, plainBytes) => fromZstdFrame(packed, plainBytes),
  ),
  fast: compressor(
    "fast",
    (plain) => (isSmall(plain.length) ? deflated(plain) : zstdFrame(plain, ZSTD_FAST_LEVEL)),
    (packed, plainBytes) =>
      isSmall(plainBytes) ? inflated(packed, plainBytes) : fromZstdFrame(packed, plainBytes),
  ),
};

/** Restores the plain text, or `undefined` if the bytes show damage; node:zlib may throw as well. */
type Restore = (packed: Uint8Array, plainBytes: number) => Uint8Array | undefined;

function compressor(
  name: string,
  compress: (plain: Uint8Array) => Uint8Array,
  restore: Restore,
): Compressor {
  return {
    name,
    compress,
    decompress(packed: Uint8Array, plainBytes: number): Uint8Array {
      assert(Number.isSafeInteger(plainBytes) && plainBytes >= 0, "a length is an integer >= 0");
      let plain: Uint8Array | undefined;
      try {
        plain = restore(packed, plainBytes);
      } catch (cause) {
        throw damaged(name, packed, plainBytes, cause);
      }
      if (plain?.length !== plainBytes) throw damaged(name, packed, plainBytes, undefined);
      return plain;
    },
  };
}

function isSmall(plainBytes: number): boolean {
  return plainBytes < SMALL_BELOW_BYTES;
}

function zstdFrame(plain: Uint8Array, level: number): Uint8Array {
  const packed = zstdCompressSync(plain, {
    chunkSize: chunkBytes(plain.length),
    params: {
      [constants.ZSTD_c_compressionLevel]: level,
      [constants.ZSTD_c_checksumFlag]: 1,
    },
  });
  return bare(packed);
}

function fromZstdFrame(packed: Uint8Array, plainBytes: number): Uint8Array | undefined {
  const result: unknown = zstdDecompressSync(packed, restoreOptions(plainBytes));
  const { buffer, engine } = result as InfoResult;
  return engine.bytesWritten === packed.length ? bare(buffer) : undefined;
}

function deflated(plain: Uint8Array): Uint8Array {
  const stream = deflateRawSync(plain, {
    level: 1,
    windowBits: SMALL_WINDOW_BITS,
    memLevel: SMALL_MEMORY_LEVEL,
    chunkSize: chunkBytes(plain.length),
  });
  const packed = new Uint8Array(CRC_BYTES + stream.length);
  packed.set(stream, CRC_BYTES);
  new DataView(packed.buffer).setUint32(0, crc32(plain), true);
  return packed;
}

function inflated(packed: Uint8Array, plainBytes: number): Uint8Array | undefined {
  if (packed.length < CRC_BYTES) return undefined;
  const stream = packed.subarray(CRC_BYTES);
  const result: unknown = inflateRawSync(stream, restoreOptions(plainBytes));
  const { buffer, engine } = result as InfoResult;
  if (engine.bytesWritten !== stream.length) return undefined; // bytes after the stream's end
  const expected = new DataView(packed.buffer, packed.byteOffset, CRC_BYTES).getUint32(0, true);
  return crc32(buffer) === expected ? bare(buffer) : undefined;
}

/** What node:zlib returns with `info: true`; its types do not know. */
interface InfoResult {
  readonly buffer: Uint8Array;
  /** `bytesWritten`: how many bytes of the input were used. */
  readonly engine: { readonly bytesWritten: number };
}

function restoreOptions(plainBytes: number): {
  [key in "maxOutputLength" | "chunkSize"]: number;
} & {
  info: true;
} {
  return {
    maxOutputLength: Math.max(1, plainBytes),
    chunkSize: chunkBytes(plainBytes),
    info: true,
  };
}

/** One piece for most outputs, with room to spare: a piece filled to the brim asks for another. */
function chunkBytes(length: number): number {
  return Math.min(length + CHUNK_MIN_BYTES, CHUNK_MAX_BYTES);
}

/** The same bytes without Node's `Buffer`, whose `slice` shares where a `Uint8Array`'s copies. */
function bare(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}

function damaged(
  name: string,
  packed: Uint8Array,
  plainBytes: number,
  cause: unknown,
): KvsError<"CODEC_COMPRESSED"> {
  return new KvsError(
    "CODEC_COMPRESSED",
    `${packed.length} bytes packed by "${name}" do not restore to ${plainBytes} bytes; ` +
      "they are damaged, or were packed otherwise: read them from another copy",
    { outcome: "none", details: { method: name, packedBytes: packed.length, plainBytes }, cause },
  );
}
