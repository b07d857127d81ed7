import { createRandom } from "@kvs/env";
import { expect, test } from "vitest";
import { inflateRawSync, zstdDecompressSync } from "node:zlib";
import { nodeCompressors } from "../src/node-compressors.ts";

const compressors = [nodeCompressors.zstd, nodeCompressors.fast];
const damaged = expect.objectContaining({ code: "CODEC_COMPRESSED", retryable: false });
const random = createRandom(2);

/** Text as databases hold it: repetitive, with some noise. */
function text(length: number): Uint8Array {
  const words = ["customer", "invoice", '{"name":"', '","city":"Vienna"},', "0123456789"];
  let joined = "";
  while (joined.length < length) joined += words[random.below(words.length)]! + random.below(1000);
  return new Uint8Array(Buffer.from(joined.slice(0, length)));
}

const lengths = [0, 1, 2, 100, 4096, 16_383, 16_384, 16_385, 150_000];

test.each(compressors)("$name restores what it packed, for every length and texture", (one) => {
  for (const length of lengths) {
    const noise = random.fill(new Uint8Array(length));
    for (const plain of [text(length), noise, new Uint8Array(length)]) {
      const packed = one.compress(plain);
      expect(packed.constructor).toBe(Uint8Array);
      const restored = one.decompress(packed, length);
      expect(restored.constructor).toBe(Uint8Array);
      expect(Buffer.compare(restored, plain)).toBe(0);
    }
  }
});

test.each(compressors)("$name makes repetitive pages smaller", (one) => {
  const page = text(4096);
  expect(one.compress(page).length).toBeLessThan(page.length / 2);
});

test.each(compressors)("$name refuses every truncation", (one) => {
  for (const length of [0, 1, 300, 17_000]) {
    const packed = one.compress(text(length));
    const step = Math.max(1, Math.floor(packed.length / 200));
    for (let end = 0; end < packed.length; end += step) {
      expect(() => one.decompress(packed.subarray(0, end), length)).toThrow(damaged);
    }
    const cut = packed.subarray(0, packed.length - 1);
    expect(() => one.decompress(cut, length)).toThrow(damaged);
  }
});

test.each(compressors)("$name refuses bytes after the end", (one) => {
  for (const length of [0, 300, 17_000]) {
    const packed = one.compress(text(length));
    for (const extra of [[0], [255, 1], Array.from(packed)]) {
      const longer = new Uint8Array([...packed, ...extra]);
      expect(() => one.decompress(longer, length)).toThrow(damaged);
    }
  }
});

test.each(compressors)("$name never hands out other bytes for a flipped bit", (one) => {
  for (const length of [1, 300, 17_000]) {
    const plain = text(length);
    const packed = one.compress(plain);
    const step = Math.max(1, Math.floor((packed.length * 8) / 1000));
    let refused = 0;
    let tried = 0;
    for (let bit = 0; bit < packed.length * 8; bit += step) {
      packed[bit >> 3]! ^= 1 << (bit & 7);
      tried++;
      try {
        expect(Buffer.compare(one.decompress(packed, length), plain)).toBe(0);
      } catch (error) {
        expect(error).toEqual(damaged);
        refused++;
      }
      packed[bit >> 3]! ^= 1 << (bit & 7);
    }
    expect(refused).toBeGreaterThan(tried * 0.8); // few bits say nothing, such as the padding at the end
  }
});

test.each(compressors)("$name refuses another length than that of the text", (one) => {
  for (const length of [1, 300, 17_000]) {
    const packed = one.compress(text(length));
    for (const wrong of [0, length - 1, length + 1, 2 ** 30]) {
      expect(() => one.decompress(packed, wrong)).toThrow(damaged);
    }
  }
});

test.each(compressors)("$name refuses noise", (one) => {
  for (let at = 0; at < 300; at++) {
    const noise = random.fill(new Uint8Array(random.below(200)));
    expect(() => one.decompress(noise, random.below(20_000))).toThrow(damaged);
  }
});

test("after a checksum of four bytes comes a stream that any other tool restores", () => {
  for (const [one, length, restore] of [
    [nodeCompressors.zstd, 5000, zstdDecompressSync],
    [nodeCompressors.fast, 5000, inflateRawSync],
    [nodeCompressors.fast, 20_000, zstdDecompressSync],
  ] as const) {
    const plain = text(length);
    expect(Buffer.compare(restore(one.compress(plain).subarray(4)), plain)).toBe(0);
  }
});

test("what was packed once is restored for ever", () => {
  const known = {
    zstd: "81d4bcb528b52ffd2050550000204b565320010039ea88",
    fast: "7a63188af30e0b56f0a6220600",
  };
  const plain = new Uint8Array(Buffer.from("KVS ".repeat(20)));
  for (const one of compressors) {
    const packed = new Uint8Array(Buffer.from(known[one.name as "zstd" | "fast"], "hex"));
    expect(one.decompress(packed, plain.length)).toEqual(plain);
  }
});
