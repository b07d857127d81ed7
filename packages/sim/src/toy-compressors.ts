import { type Compressor, type Compressors, KvsError } from "@kvs/env";
import { hashBytes, hashText } from "./trace-hash.ts";

/** Bytes of the checksum in front of the runs. */
const CHECKSUM_BYTES = 4;
/** The longest run or literal one token stands for. */
const RUN_BYTES_MAX = 128;
/** Shorter runs cost as much as they save. */
const RUN_BYTES_MIN = 4;
/** A token for a run of n bytes is n and this. */
const RUN_TOKEN = 125;

/**
 * Run-length coding under the names of the real methods: deterministic, a few lines, and with a
 * checksum, so that every changed byte is noticed. It compresses repetitions only.
 *
 *     packed  = checksum:u32-le token*
 *     token   = n:0..127 byte{n+1}     a literal of n + 1 bytes
 *             | n:128..253 byte        a run of n - 125 bytes
 */
export const toyCompressors: Compressors = { zstd: runLength("zstd"), fast: runLength("fast") };

function runLength(name: string): Compressor {
  const salt = hashText(name); // so that one method refuses what the other made
  return {
    name,
    compress: (plain) => pack(plain, salt),
    decompress: (packed, plainBytes) => unpack(packed, plainBytes, salt),
  };
}

function pack(plain: Uint8Array, salt: number): Uint8Array {
  // Worst case: one token byte for each full literal.
  const packed = new Uint8Array(
    CHECKSUM_BYTES + plain.length + Math.ceil(plain.length / RUN_BYTES_MAX) + 1,
  );
  let to = CHECKSUM_BYTES;
  let literalFrom = 0;
  const endLiteral = (end: number): void => {
    while (literalFrom < end) {
      const count = Math.min(RUN_BYTES_MAX, end - literalFrom);
      packed[to++] = count - 1;
      packed.set(plain.subarray(literalFrom, literalFrom + count), to);
      to += count;
      literalFrom += count;
    }
  };
  let at = 0;
  while (at < plain.length) {
    const run = runAt(plain, at);
    if (run >= RUN_BYTES_MIN) {
      endLiteral(at);
      packed[to++] = run + RUN_TOKEN;
      packed[to++] = plain[at]!;
      literalFrom = at + run;
    }
    at += run;
  }
  endLiteral(plain.length);
  new DataView(packed.buffer).setUint32(0, hashBytes(plain, salt), true);
  return packed.slice(0, to);
}

/** How many equal bytes begin at `at`, up to what one token can say. */
function runAt(plain: Uint8Array, at: number): number {
  const end = Math.min(plain.length, at + RUN_BYTES_MAX);
  let next = at + 1;
  while (next < end && plain[next] === plain[at]) next++;
  return next - at;
}

function unpack(packed: Uint8Array, plainBytes: number, salt: number): Uint8Array {
  if (packed.length < CHECKSUM_BYTES) throw damaged();
  const plain = new Uint8Array(plainBytes);
  let to = 0;
  let at = CHECKSUM_BYTES;
  while (at < packed.length) {
    const token = packed[at++]!;
    const isRun = token > 127;
    const count = isRun ? token - RUN_TOKEN : token + 1;
    const needed = isRun ? 1 : count;
    if (at + needed > packed.length || to + count > plainBytes) throw damaged();
    if (isRun) plain.fill(packed[at]!, to, to + count);
    else plain.set(packed.subarray(at, at + count), to);
    at += needed;
    to += count;
  }
  const view = new DataView(packed.buffer, packed.byteOffset);
  if (to !== plainBytes || view.getUint32(0, true) !== hashBytes(plain, salt)) throw damaged();
  return plain;
}

function damaged(): KvsError<"CODEC_COMPRESSED"> {
  return new KvsError("CODEC_COMPRESSED", "compressed bytes are damaged: read another copy", {
    outcome: "none",
  });
}
