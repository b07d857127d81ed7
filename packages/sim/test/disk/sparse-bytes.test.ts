import { createRandom } from "@kvs/env";
import { expect, test } from "vitest";

import { BLOCK_BYTES, SparseBytes } from "../../src/disk/sparse-bytes.ts";

const LENGTH = 5 * BLOCK_BYTES;

function contentOf(bytes: SparseBytes): Uint8Array {
  const content = new Uint8Array(LENGTH).fill(0xaa);
  bytes.read(content, 0);
  return content;
}

/** A plain array beside a sparse one; every change is done to both. */
class Pair {
  readonly sparse: SparseBytes;
  readonly plain: Uint8Array;
  size: number;

  constructor(sparse = new SparseBytes(), plain = new Uint8Array(LENGTH), size = 0) {
    this.sparse = sparse;
    this.plain = plain;
    this.size = size;
  }

  clone(): Pair {
    return new Pair(this.sparse.clone(), this.plain.slice(), this.size);
  }

  write(source: Uint8Array, position: number): void {
    if (source.length > 0) this.size = Math.max(this.size, position + source.length);
    this.sparse.write(source, position);
    this.plain.set(source, position);
  }

  zero(from: number, to: number, takesSpace: boolean): void {
    this.sparse.zero(from, to, takesSpace);
    this.plain.fill(0, from, to);
    if (from < to) this.size = Math.max(this.size, to);
  }

  resize(size: number): void {
    this.sparse.resize(size);
    if (size < this.size) this.plain.fill(0, size);
    this.size = size;
  }

  copyRange(source: Pair, from: number, to: number): void {
    this.sparse.copyRange(source.sparse, from, to);
    this.plain.set(source.plain.subarray(from, to), from);
    if (from < to) this.size = Math.max(this.size, to);
  }

  check(): void {
    expect(this.sparse.size).toBe(this.size);
    expect(contentOf(this.sparse)).toEqual(this.plain);
  }
}

test("any changes of any clones read like those of plain arrays", () => {
  for (let seed = 0; seed < 80; seed++) {
    const random = createRandom(seed);
    const pairs = [new Pair()];
    const range = (): [number, number] => {
      const grain = random.chance(0.5) ? BLOCK_BYTES : 1;
      const ends = [0, 0].map(() => Math.min(LENGTH, random.below(LENGTH / grain + 1) * grain));
      return [Math.min(...ends), Math.max(...ends)];
    };
    for (let step = 0; step < 40; step++) {
      const pair = pairs[random.below(pairs.length)]!;
      const [from, to] = range();
      const kind = random.below(5);
      if (kind === 0) pair.write(random.fill(new Uint8Array(to - from)), from);
      else if (kind === 1) pair.zero(from, to, random.chance(0.5));
      else if (kind === 2) pair.resize(to);
      else if (kind === 3) pair.copyRange(pairs[random.below(pairs.length)]!, from, to);
      else if (pairs.length < 6) pairs.push(pair.clone());
    }
    for (const pair of pairs) pair.check();
  }
});

test("a hole costs nothing, wherever it is", () => {
  const bytes = new SparseBytes();
  bytes.write(Uint8Array.of(1, 2, 3), 2 ** 45);
  bytes.zero(0, 2 ** 44);
  bytes.resize(2 ** 52);
  bytes.resize(2 ** 45 + 2);

  const read = new Uint8Array(4);
  bytes.read(read, 2 ** 45 - 1);

  expect([...read]).toEqual([0, 1, 2, 0]);
  expect(bytes.size).toBe(2 ** 45 + 2);
  expect(bytes.blockCount).toBe(1);
});

test("allocated zeros count as space and stay zeros for everybody", () => {
  const one = new SparseBytes();
  const other = new SparseBytes();
  one.zero(100, 100 + 3 * BLOCK_BYTES, true);
  other.zero(0, BLOCK_BYTES, true);

  one.write(new Uint8Array(BLOCK_BYTES).fill(7), BLOCK_BYTES);

  expect(one.blockCount).toBe(4);
  const read = new Uint8Array(BLOCK_BYTES);
  other.read(read, 0);
  expect(read.every((byte) => byte === 0)).toBe(true);
});

test("what fits is cut at the block that may not be added", () => {
  const bytes = new SparseBytes();
  bytes.write(new Uint8Array(BLOCK_BYTES), BLOCK_BYTES);

  expect(bytes.missingBlocks(0, 3 * BLOCK_BYTES)).toBe(2);
  expect(bytes.fits(10, 3 * BLOCK_BYTES - 10, 2)).toBe(3 * BLOCK_BYTES - 10);
  expect(bytes.fits(10, 3 * BLOCK_BYTES - 10, 1)).toBe(2 * BLOCK_BYTES - 10);
  expect(bytes.fits(10, 100, 0)).toBe(0);
  expect(bytes.fits(BLOCK_BYTES + 10, 100, 0)).toBe(100);
});
