/**
 * Both compressors, by node:zlib. What they write:
 *
 *   offset  size  field      integers are little-endian
 *        0     4  checksum   CRC-32 of the plain text, then of the stream's length as 4 bytes
 *        4        stream     zstd: one frame of RFC 8878
 *                            fast: one DEFLATE stream of RFC 1951 for a plain text of fewer than
 *                            16 KiB, else one frame of RFC 8878
 *
 * The reader knows which stream it is from the length of the plain text, which it is given. The
 * length under the checksum exposes a stream that was cut or lengthened: Node 22 takes a cut zstd
 * frame for a whole one, and no version minds bytes after the end of a DEFLATE stream.
 *
 * Why these two: docs/decisions/0011-fast-compressor.md.
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
const CHECKSUM_BYTES = 4;
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
  zstd: compressor("zstd", (plain) => zstdFrame(plain, ZSTD_LEVEL), fromZstdFrame),
  fast: compressor(
    "fast",
    (plain) => (isSmall(plain.length) ? deflated(plain) : zstdFrame(plain, ZSTD_FAST_LEVEL)),
    (stream, plainBytes) =>
      isSmall(plainBytes) ? inflated(stream, plainBytes) : fromZstdFrame(stream, plainBytes),
  ),
};

function compressor(
  name: string,
  pack: (plain: Uint8Array) => Uint8Array,
  unpack: (stream: Uint8Array, plainBytes: number) => Uint8Array,
): Compressor {
  return {
    name,
    compress(plain: Uint8Array): Uint8Array {
      const stream = pack(plain);
      const packed = new Uint8Array(CHECKSUM_BYTES + stream.length);
      packed.set(stream, CHECKSUM_BYTES);
      new DataView(packed.buffer).setUint32(0, checksum(plain, stream.length), true);
      return packed;
    },
    decompress(packed: Uint8Array, plainBytes: number): Uint8Array {
      assert(Number.isSafeInteger(plainBytes) && plainBytes >= 0, "a length is an integer >= 0");
      if (packed.length < CHECKSUM_BYTES) throw damaged(name, packed, plainBytes);
      const view = new DataView(packed.buffer, packed.byteOffset, CHECKSUM_BYTES);
      const stream = packed.subarray(CHECKSUM_BYTES);
      let plain: Uint8Array;
      try {
        plain = unpack(stream, plainBytes);
      } catch (cause) {
        throw damaged(name, packed, plainBytes, cause);
      }
      const isWhole = plain.length === plainBytes;
      if (!isWhole || checksum(plain, stream.length) !== view.getUint32(0, true)) {
        throw damaged(name, packed, plainBytes);
      }
      // The same bytes without Node's `Buffer`, whose `slice` shares where this one's copies.
      return new Uint8Array(plain.buffer, plain.byteOffset, plain.length);
    },
  };
}

function checksum(plain: Uint8Array, streamBytes: number): number {
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, streamBytes, true);
  return crc32(length, crc32(plain));
}

function isSmall(plainBytes: number): boolean {
  return plainBytes < SMALL_BELOW_BYTES;
}

function zstdFrame(plain: Uint8Array, level: number): Uint8Array {
  return zstdCompressSync(plain, {
    chunkSize: chunkBytes(plain.length),
    params: { [constants.ZSTD_c_compressionLevel]: level },
  });
}

function fromZstdFrame(frame: Uint8Array, plainBytes: number): Uint8Array {
  return zstdDecompressSync(frame, restoreOptions(plainBytes));
}

function deflated(plain: Uint8Array): Uint8Array {
  return deflateRawSync(plain, {
    level: 1,
    windowBits: SMALL_WINDOW_BITS,
    memLevel: SMALL_MEMORY_LEVEL,
    chunkSize: chunkBytes(plain.length),
  });
}

function inflated(stream: Uint8Array, plainBytes: number): Uint8Array {
  return inflateRawSync(stream, restoreOptions(plainBytes));
}

/** Bounds the output: one byte more than asked for is an error of node:zlib. */
function restoreOptions(plainBytes: number): { maxOutputLength: number; chunkSize: number } {
  return { maxOutputLength: Math.max(1, plainBytes), chunkSize: chunkBytes(plainBytes) };
}

/** One piece for most outputs, with room to spare: a piece filled to the brim asks for another. */
function chunkBytes(length: number): number {
  return Math.min(length + CHUNK_MIN_BYTES, CHUNK_MAX_BYTES);
}

function damaged(
  name: string,
  packed: Uint8Array,
  plainBytes: number,
  cause?: unknown,
): KvsError<"CODEC_COMPRESSED"> {
  return new KvsError(
    "CODEC_COMPRESSED",
    `${packed.length} bytes packed by "${name}" do not restore to ${plainBytes} bytes; ` +
      "they are damaged, or were packed otherwise: read them from another copy",
    {
      outcome: "none",
      details: { method: name, packedBytes: packed.length, plainBytes },
      ...(cause !== undefined && { cause }),
    },
  );
}
