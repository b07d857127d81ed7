import { type Compressor, createRandom } from "@kvs/env";
import { createNodeEnvironment } from "@kvs/node";
import { expect, test } from "vitest";
import { ValuePacker, type ValuePacking, unpackValue } from "../src/overflow-packing.ts";
import { OverflowReader } from "../src/overflow-reader.ts";
import { OverflowWriter } from "../src/overflow-writer.ts";
import { type OverflowValue, readOverflow, writeOverflow } from "../src/overflow-value.ts";
import { ByteWriter } from "@kvs/codec";
import { MemoryPages } from "./memory-pages.ts";
import { utf8 } from "./test-tree.ts";

const { zstd } = createNodeEnvironment().compressors;
const PACKING: ValuePacking = { compressor: zstd };
const BLOCK = 128 << 10;
const isDamaged = expect.objectContaining({ code: "BTREE_DAMAGED_VALUE" });

/** Text that compresses well, each stretch of it different. */
function prose(length: number): Uint8Array {
  const words = Array.from({ length: Math.ceil(length / 12) }, (_, at) => `word ${at % 997} and `);
  return utf8(words.join("")).slice(0, length);
}

function noise(length: number): Uint8Array {
  return createRandom(length).fill(new Uint8Array(length));
}

function packed(plain: Uint8Array): Uint8Array | undefined {
  const packer = new ValuePacker(zstd, plain);
  while (!packer.isDone) packer.step();
  return packer.result();
}

// REL-P4
test("values of every length at the edges of pages and blocks come back", () => {
  for (const length of [4033, 8064, 9000, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK, 1_000_000]) {
    const plain = prose(length);
    const result = packed(plain)!;
    expect(result.length).toBeLessThan(length / 2);
    expect(unpackValue(result, length, PACKING)).toEqual(plain);
  }
});

test("a value of blocks that compress and blocks that do not is kept in one", () => {
  const plain = new Uint8Array(4 * BLOCK + 5);
  plain.set(prose(BLOCK), 0);
  plain.set(noise(BLOCK), BLOCK);
  plain.set(prose(2 * BLOCK), 2 * BLOCK);
  const result = packed(plain)!;
  expect(result.length).toBeGreaterThan(BLOCK);
  expect(unpackValue(result, plain.length, PACKING)).toEqual(plain);
});

test("a value is left as it is if an eighth is not gained, or no page", () => {
  expect(packed(noise(20_000))).toBeUndefined();
  const mostly = noise(100_000);
  mostly.fill(0, 0, 11_000);
  expect(packed(mostly)).toBeUndefined();
  mostly.fill(0, 0, 14_000);
  expect(packed(mostly)?.length).toBeLessThan(87_500);
  expect(packed(prose(4032))).toBeUndefined();
  const endsBadly = new Uint8Array(9 * BLOCK);
  endsBadly.set(noise(8 * BLOCK), BLOCK);
  expect(packed(endsBadly)).toBeUndefined();
});

/** Heads of blocks, as a forger would write them. */
function forged(...heads: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(heads.length * 4);
  for (const [at, head] of heads.entries())
    new DataView(bytes.buffer).setUint32(4 * at, head, true);
  return bytes;
}

// REL-S6
test("btree.trust-plain-length: a length that the blocks do not have is damage, before it is allocated", () => {
  const plain = prose(300_000);
  const result = packed(plain)!;
  const lies = [1, 299_999, 300_001, 262_144, 64 << 20, (64 << 20) + 1, 0xffff_ffff];
  const mutant = { ...PACKING, trustsPlainLength: true };
  const believed = new Set<boolean>();
  for (const lie of lies) {
    expect(() => unpackValue(result, lie, PACKING)).toThrow(isDamaged);
    if (lie > 64 << 20) continue;
    try {
      believed.add(unpackValue(result, lie, mutant).length === lie);
    } catch {
      believed.add(false);
    }
  }
  expect(believed.has(true)).toBe(true); // without the check a lie goes through
});

test("bytes that no packer wrote are damage", () => {
  const result = packed(prose(20_000))!;
  expect(() => unpackValue(result, 20_000, undefined)).toThrow(isDamaged);
  for (const bytes of [
    forged(),
    forged(4),
    forged(0x8000_0001),
    forged(0x7fff_ffff),
    new Uint8Array(3),
    result.subarray(0, result.length - 1),
    result.with(30, result[30]! ^ 1),
    result.with(4, result[4]! ^ 1),
  ]) {
    expect(() => unpackValue(bytes, 20_000, PACKING)).toThrow(isDamaged);
  }
});

test("what goes wrong in a compressor beyond damage is passed on", () => {
  const broken: Compressor = {
    ...zstd,
    decompress: () => {
      throw new Error("out of memory");
    },
  };
  const result = packed(prose(20_000))!;
  expect(() => unpackValue(result, 20_000, { compressor: broken })).toThrow("out of memory");
});

function write(pages: MemoryPages, plain: Uint8Array, packing?: ValuePacking): OverflowValue {
  const writer = new OverflowWriter(pages, packing);
  writer.begin(plain);
  while (!writer.step());
  const descriptor = new ByteWriter();
  writeOverflow(descriptor, writer.finish());
  return readOverflow(descriptor.buffer, 0, descriptor.position);
}

test("a compressed value takes fewer pages, and its row says so", () => {
  const pages = new MemoryPages({});
  const plain = prose(400_000);

  const value = write(pages, plain, PACKING);

  expect(value.plainLength).toBe(400_000);
  expect(value.length).toBeLessThan(100_000);
  expect(new OverflowReader(pages, value, PACKING).read()).toEqual(plain);
  expect(new OverflowReader(pages, value, undefined).readStored().length).toBe(value.length);
  expect(() => new OverflowReader(pages, value, undefined).read()).toThrow(isDamaged);
});

test("what was written without compression is read with it", () => {
  const pages = new MemoryPages({});
  const plain = prose(50_000);
  const value = write(pages, plain);
  expect([value.plainLength, value.length]).toEqual([0, 50_000]);
  expect(new OverflowReader(pages, value, PACKING).read()).toEqual(plain);
  expect(write(pages, noise(9000), PACKING).plainLength).toBe(0);
  expect(write(pages, prose(3000), PACKING).plainLength).toBe(0); // one page in any case
});

test("a descriptor that says it is compressed, of nothing, is damage", () => {
  const pages = new MemoryPages({});
  const writer = new ByteWriter();
  writeOverflow(writer, write(pages, prose(50_000), PACKING));
  writer.patchU32(12, 0);
  expect(() => readOverflow(writer.buffer, 0, writer.position)).toThrow(isDamaged);
});
