import { AssertionFailure, createRandom } from "@kvs/env";
import { expect, test } from "vitest";

import {
  SEGMENT_HEADER_BYTES,
  decodeSegmentHeader,
  isMarked,
  encodeSegmentHeader,
} from "../src/segment-format.ts";

const HEADER = {
  segmentBytes: 64 << 20,
  logId: Uint8Array.of(1, 2, 3, 4, 250, 251, 252, 253),
  base: 2 ** 53 - 2 ** 30,
  previousLsn: 2 ** 53 - 2 ** 30 - 7,
  epoch: 0xffff_fffe,
};

function encoded(): Uint8Array {
  const bytes = new Uint8Array(SEGMENT_HEADER_BYTES);
  encodeSegmentHeader(bytes, 0, HEADER);
  return bytes;
}

test("a segment header decodes as it was encoded", () => {
  expect(decodeSegmentHeader(encoded())).toEqual({ ...HEADER, version: 1 });
  const longer = new Uint8Array(100).fill(7);
  encodeSegmentHeader(longer, 20, HEADER);
  expect(decodeSegmentHeader(longer, 20)).toEqual({ ...HEADER, version: 1 });
  expect(longer[19]).toBe(7);
  expect(longer[84]).toBe(7);
});

test("a segment header with any bit flipped, cut short or of zeros is none", () => {
  const bytes = encoded();
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    bytes[bit >>> 3]! ^= 1 << (bit & 7);
    // One bit of the mark is no mark, and does no harm.
    const isMark = bit >= 52 * 8 && bit < 60 * 8;
    expect(decodeSegmentHeader(bytes)).toEqual(isMark ? { ...HEADER, version: 1 } : undefined);
    expect(isMarked(bytes, 52)).toBe(false);
    bytes[bit >>> 3]! ^= 1 << (bit & 7);
  }
  for (let size = 0; size < bytes.length; size++) {
    expect(decodeSegmentHeader(bytes.subarray(0, size))).toBeUndefined();
  }
  expect(decodeSegmentHeader(new Uint8Array(64))).toBeUndefined();
  const random = createRandom(1);
  for (let at = 0; at < 1000; at++) {
    expect(decodeSegmentHeader(random.fill(new Uint8Array(64)))).toBeUndefined();
  }
});

test("epoch 0 and short log ids are bugs", () => {
  const bytes = new Uint8Array(64);
  expect(() => encodeSegmentHeader(bytes, 0, { ...HEADER, epoch: 0 })).toThrow(AssertionFailure);
  const logId = new Uint8Array(7);
  expect(() => encodeSegmentHeader(bytes, 0, { ...HEADER, logId })).toThrow(AssertionFailure);
});
