import { createRandom, isKvsError } from "@kvs/env";
import { expect, test } from "vitest";
import { toyCompressors } from "../src/toy-compressors.ts";

/** Runs of all lengths, with single bytes between them. */
function drawText(seed: number): Uint8Array {
  const random = createRandom(seed);
  const bytes: number[] = [];
  while (bytes.length < 1000 && !random.chance(0.02)) {
    const run = random.chance(0.5) ? 1 + random.below(300) : 1 + random.below(5);
    const value = random.below(256);
    for (let count = 0; count < run; count++) bytes.push(value);
  }
  return new Uint8Array(bytes);
}

test("everything comes back as it was", () => {
  for (const compressor of [toyCompressors.zstd, toyCompressors.fast]) {
    for (let seed = 0; seed < 300; seed++) {
      const plain = drawText(seed);
      const packed = compressor.compress(plain);
      expect(compressor.decompress(packed, plain.length)).toEqual(plain);
    }
  }
});

test("repetitions shrink, and noise grows by a hundredth", () => {
  const { zstd } = toyCompressors;
  expect(zstd.compress(new Uint8Array(10_000)).length).toBeLessThan(200);
  const noise = Uint8Array.from({ length: 10_000 }, (_, at) => (at * 167) & 255);
  expect(zstd.compress(noise).length).toBeLessThan(10_110);
});

test("a changed byte, a missing end, a wrong length and the other method's bytes are refused", () => {
  const plain = drawText(1);
  const { zstd, fast } = toyCompressors;
  const packed = zstd.compress(plain);
  const refused = (call: () => unknown): void => {
    let error: unknown;
    try {
      call();
    } catch (thrown) {
      error = thrown;
    }
    expect(isKvsError(error, "CODEC_COMPRESSED")).toBe(true);
  };

  for (let at = 0; at < packed.length; at++) {
    const changed = packed.slice();
    changed[at]! ^= 0x41;
    refused(() => zstd.decompress(changed, plain.length));
    refused(() => zstd.decompress(packed.slice(0, at), plain.length));
  }
  refused(() => zstd.decompress(packed, plain.length + 1));
  refused(() => zstd.decompress(packed, plain.length - 1));
  refused(() => fast.decompress(packed, plain.length));
});
