import { KEY_BYTES_MAX } from "@kvs/txn";
import { expect, test } from "vitest";
import { fromTarget, toByteRange } from "../src/byte-range.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

test("of two bounds on one side the inclusive one counts", () => {
  const gt = bytes("a");
  const gte = bytes("b");
  const lt = bytes("y");
  const lte = bytes("x");
  expect(toByteRange({ gt, gte, lt, lte })).toEqual({ reverse: false, gte, lte });
  expect(toByteRange({ gt, lt, reverse: true })).toEqual({ reverse: true, gt, lt });
  expect(toByteRange({})).toEqual({ reverse: false });
});

test("a bound that is longer than any key lies just above the longest key it begins with", () => {
  const long = new Uint8Array(KEY_BYTES_MAX + 1).fill(7);
  const longest = long.subarray(0, KEY_BYTES_MAX);
  expect(toByteRange({ gte: long, lt: long })).toEqual({
    reverse: false,
    gt: longest,
    lte: longest,
  });
  expect(toByteRange({ gt: long, lte: long })).toEqual({
    reverse: false,
    gt: longest,
    lte: longest,
  });
});

test("a target begins anew within the range, in its direction; outside there is nothing", () => {
  const range = toByteRange({ gte: bytes("b"), lt: bytes("d") });
  expect(fromTarget(range, bytes("c"))).toEqual({
    reverse: false,
    gte: bytes("c"),
    lt: bytes("d"),
  });
  expect(fromTarget(range, bytes("b"))).toBeDefined();
  expect(fromTarget(range, bytes("d"))).toBeUndefined();
  expect(fromTarget(range, bytes("a"))).toBeUndefined();

  const backwards = toByteRange({ gt: bytes("b"), lte: bytes("d"), reverse: true });
  const from = fromTarget(backwards, bytes("c"));
  expect(from).toEqual({ reverse: true, gt: bytes("b"), lte: bytes("c") });
  expect(fromTarget(backwards, bytes("d"))).toBeDefined();
  expect(fromTarget(backwards, bytes("b"))).toBeUndefined();
  expect(fromTarget(backwards, bytes("e"))).toBeUndefined();
});
