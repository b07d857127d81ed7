import { AssertionFailure } from "@kvs/env";
import { expect, test } from "vitest";

import { parentOf, parseSegmentName, pathIn, segmentName } from "../src/segment-name.ts";

// REL-W19
test("REL-W19: names of segments sort as their bases, up to 2^53", () => {
  const bases = [0, 4096, 2 ** 31, 2 ** 32, 2 ** 53 - 1];
  const names = bases.map(segmentName);
  expect(names.toSorted()).toEqual(names);
  expect(names.map(parseSegmentName)).toEqual(bases);
  expect(names[1]).toBe("00000000000000004096.wal");
  expect(() => segmentName(2 ** 53)).toThrow(AssertionFailure);
  expect(() => segmentName(-1)).toThrow(AssertionFailure);
});

test("other names are not those of segments", () => {
  for (const name of ["", "repair", "1.wal", "0000000000000000409x.wal", "segment.new"]) {
    expect(parseSegmentName(name)).toBeUndefined();
  }
  expect(parseSegmentName("99999999999999999999.wal")).toBeUndefined();
  expect(parseSegmentName("00000000000000004096.wal.bak")).toBeUndefined();
});

test("paths and parents", () => {
  expect(pathIn("a/b", "c")).toBe("a/b/c");
  expect(pathIn("/", "c")).toBe("/c");
  expect(pathIn("", "c")).toBe("c");
  expect(parentOf("a/b/c")).toBe("a/b");
  expect(parentOf("a/b/")).toBe("a");
  expect(parentOf("a")).toBe(".");
  expect(parentOf("/a")).toBe("/");
  expect(parentOf("/")).toBe("/");
});
