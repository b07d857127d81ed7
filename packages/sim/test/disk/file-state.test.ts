import { createRandom } from "@kvs/env";
import { expect, test } from "vitest";

import {
  type FileChange,
  FileState,
  PENDING_CHANGES_MAX,
  applyChange,
  splitChange,
} from "../../src/disk/file-state.ts";
import { type SparseBytes } from "../../src/disk/sparse-bytes.ts";
import { filled } from "./toy-disk.ts";

const LENGTH = 40;

function contentOf(bytes: SparseBytes): number[] {
  const content = new Uint8Array(bytes.size);
  bytes.read(content, 0);
  return [...content];
}

/** Random writes, truncations and durable ranges on one small file. */
function randomFile(seed: number): {
  readonly file: FileState;
  readonly certain: Map<number, number>;
} {
  const random = createRandom(seed);
  const file = new FileState(1);
  let certain = new Map<number, number>(); // by position; of others nobody knows
  let sequence = 0;
  for (let step = 0; step < 12; step++) {
    sequence += 1;
    const from = random.below(LENGTH);
    const to = from + 1 + random.below(10);
    const kind = random.below(8);
    if (kind < 3) {
      const bytes = filled(to - from, sequence);
      file.change({ type: "write", sequence, position: from, bytes });
      for (let at = from; at < to; at++) certain.delete(at);
    } else if (kind < 6) {
      file.change({ type: "truncate", sequence, sizeBytes: from });
      for (const at of certain.keys()) if (at >= from) certain.delete(at);
    } else if (kind === 6) {
      file.change({ type: "write", sequence, position: from, bytes: filled(to - from, sequence) });
      file.makeRangeDurable(from, to);
      for (let at = from; at < to; at++) certain.set(at, sequence);
    } else {
      file.sync(sequence);
      certain = new Map(contentOf(file.cache).entries());
    }
  }
  return { file, certain };
}

test("no subset of the pending changes touches what is stored for certain", () => {
  let subsets = 0;
  for (let seed = 0; seed < 400; seed++) {
    const { file, certain } = randomFile(seed);
    for (let mask = 0; mask < 2 ** Math.min(6, file.pending.length); mask++) {
      const image = file.durable.clone();
      for (const [index, change] of file.pending.entries()) {
        if ((mask >>> index) & 1) applyChange(image, change);
      }
      const content = contentOf(image);
      expect([...certain].filter(([at, byte]) => content[at] !== byte)).toEqual([]);
      subsets += 1;
    }
  }
  expect(subsets).toBeGreaterThan(1000);
});

test("what is stored with all that is pending is what readers see", () => {
  for (let seed = 0; seed < 400; seed++) {
    const { file } = randomFile(seed);
    const image = file.durable.clone();
    for (const change of file.pending) applyChange(image, change);

    expect(contentOf(image)).toEqual(contentOf(file.cache));
  }
});

test("a write is cut at sectors, a truncation not at all", () => {
  const bytes = Uint8Array.from({ length: 1200 }, (_, at) => at & 255);
  const write: FileChange = { type: "write", sequence: 1, position: 100, bytes };
  const cut: FileChange = { type: "truncate", sequence: 1, sizeBytes: 5 };

  const pieces = splitChange(write, 512);

  const ranges = pieces.map((piece) => piece.type === "write" && [piece.position, piece.bytes[0]]);
  expect(ranges).toEqual([
    [100, 0],
    [512, 412 & 255],
    [1024, 924 & 255],
  ]);
  expect(splitChange(write, 4096)).toHaveLength(1);
  expect(splitChange(cut, 512)).toEqual([cut]);
});

test("zeroing terabytes has a bounded number of pieces that cover it", () => {
  const change: FileChange = { type: "zero", sequence: 1, from: 77, to: 2 ** 42 + 5 };

  const pieces = splitChange(change, 512);

  expect(pieces.length).toBeLessThanOrEqual(2049);
  let end = 77;
  for (const piece of pieces) {
    if (piece.type !== "zero") throw new Error("pieces are of the same type");
    expect(piece.from).toBe(end);
    end = piece.to;
  }
  expect(end).toBe(2 ** 42 + 5);
});

test("more pending changes than the kernel holds are written back, oldest first", () => {
  const file = new FileState(1);
  for (let sequence = 1; sequence <= PENDING_CHANGES_MAX + 1; sequence++) {
    file.change({ type: "write", sequence, position: sequence, bytes: filled(1, 9) });
  }

  expect(file.pending.length).toBeLessThanOrEqual(PENDING_CHANGES_MAX);
  const first = new Uint8Array(3);
  file.durable.read(first, 0);
  expect([...first]).toEqual([0, 9, 9]);
  expect(file.durable.size).toBeLessThan(file.cache.size);
});

test("a failed sync stores some sectors, loses the rest and forgets that they were dirty", () => {
  const seen = new Set<string>();
  for (let seed = 0; seed < 40; seed++) {
    const file = new FileState(1);
    file.change({ type: "write", sequence: 1, position: 0, bytes: filled(1024, 1) });
    file.change({ type: "write", sequence: 5, position: 2048, bytes: filled(4, 2) });

    file.failSync(4, createRandom(seed), "new");

    const stored = contentOf(file.durable);
    seen.add(`${stored[0] ?? 0}${stored[512] ?? 0}`);
    expect(file.pending.map((change) => change.sequence)).toEqual([5]);
    expect(contentOf(file.cache)[1023]).toBe(1);
    expect(file.syncFailures).toBe(1);
  }
  expect([...seen].toSorted()).toEqual(["00", "01", "10", "11"]);
});

test("after a failed sync readers may see the stored bytes and what was written since", () => {
  const file = new FileState(1);
  file.change({ type: "write", sequence: 1, position: 0, bytes: filled(512 * 20, 1) });
  file.change({ type: "write", sequence: 5, position: 0, bytes: filled(4, 2) });

  file.failSync(4, createRandom(1), "old");

  const expected = contentOf(file.durable);
  expected.splice(0, 4, 2, 2, 2, 2);
  expect(contentOf(file.cache)).toEqual(expected);
  expect(expected).toContain(0);
});

test("a bad range is readable again where it was written", () => {
  const file = new FileState(1);
  file.badRanges = [{ from: 0, to: 100 }];
  file.change({ type: "write", sequence: 1, position: 20, bytes: filled(30, 1) });

  expect(file.badRangeIn(20, 50)).toBeUndefined();
  expect(file.badRangeIn(0, 21)).toEqual({ from: 0, to: 20 });
  expect(file.badRangeIn(49, 60)).toEqual({ from: 50, to: 100 });
});
