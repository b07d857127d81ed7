import { expect, test } from "vitest";

import { Geometry } from "../src/geometry.ts";

// REL-W19
test("REL-W19: positions fall into segments exactly, near 2^31, 2^32 and 2^53", () => {
  for (const origin of [0, 2 ** 31 - 512, 2 ** 32 - 512, 2 ** 53 - 2 ** 30]) {
    const geometry = new Geometry(origin, 1024);
    const base = origin + 5 * 1024;
    expect(geometry.baseOf(base)).toBe(base);
    expect(geometry.baseOf(base - 1)).toBe(base - 1024);
    expect(geometry.baseOf(base + 1023)).toBe(base);
    expect(geometry.baseBefore(base)).toBe(base - 1024);
    expect(geometry.endAfter(base)).toBe(base);
    expect(geometry.endAfter(base + 1)).toBe(base + 1024);
    expect(geometry.isBase(base)).toBe(true);
    expect(geometry.isBase(base + 1)).toBe(false);
  }
});

test("a fragment begins where the last one ended, unless the rest is too small", () => {
  const geometry = new Geometry(0, 1024);
  expect(geometry.startAfter(64)).toBe(64);
  expect(geometry.startAfter(500)).toBe(500);
  expect(geometry.startAfter(1024 - 65)).toBe(1024 - 65);
  expect(geometry.startAfter(1024 - 64)).toBe(1024 + 64);
  expect(geometry.startAfter(1024)).toBe(1024 + 64);
  expect(geometry.startAfter(1024 + 64)).toBe(1024 + 64);
  expect(geometry.isFirstInSegment(1024 + 64)).toBe(true);
  expect(geometry.isFirstInSegment(1024 + 65)).toBe(false);
});
