import { AssertionFailure } from "@kvs/env";
import { expect, test } from "vitest";

import {
  bytesOf,
  countOf,
  type EntryBatch,
  ENTRY_OVERHEAD_BYTES,
  lastIndexOf,
  limitBatch,
  packPayloads,
  payloadAt,
  sliceBatch,
} from "../src/core/entry.ts";

function batchOf(...texts: readonly string[]): EntryBatch {
  const payloads = texts.map((text) => Uint8Array.from(text, (char) => char.charCodeAt(0)));
  return { kind: "command", term: 1, firstIndex: 10, ...packPayloads(payloads) };
}

function textsOf(batch: EntryBatch): string[] {
  const texts: string[] = [];
  for (let index = batch.firstIndex; index <= lastIndexOf(batch); index++) {
    texts.push(String.fromCharCode(...payloadAt(batch, index)));
  }
  return texts;
}

test("payloads come out as they were packed, empty ones too", () => {
  const batch = batchOf("a", "", "bcd");

  expect(textsOf(batch)).toEqual(["a", "", "bcd"]);
  expect(countOf(batch)).toBe(3);
  expect(lastIndexOf(batch)).toBe(12);
  expect(bytesOf(batch)).toBe(4 + 3 * ENTRY_OVERHEAD_BYTES);
});

test("a single payload is not copied", () => {
  const payload = Uint8Array.of(1, 2);

  expect(packPayloads([payload]).data).toBe(payload);
});

test("a slice is a view of the same bytes, also a slice of a slice", () => {
  const batch = batchOf("a", "bb", "ccc", "d");
  const slice = sliceBatch(batch, 11, 14);

  expect(textsOf(slice)).toEqual(["bb", "ccc", "d"]);
  expect(slice.data).toBe(batch.data);
  expect(textsOf(sliceBatch(slice, 12, 13))).toEqual(["ccc"]);
  expect(sliceBatch(batch, 10, 14)).toBe(batch);
  expect(() => sliceBatch(batch, 9, 11)).toThrow(AssertionFailure);
});

test("a limit takes as many entries as fit, and at least one", () => {
  const batch = batchOf("aaaa", "bbbb", "cccc");
  const each = 4 + ENTRY_OVERHEAD_BYTES;

  expect(countOf(limitBatch(batch, 1))).toBe(1);
  expect(countOf(limitBatch(batch, 2 * each - 1))).toBe(1);
  expect(countOf(limitBatch(batch, 2 * each))).toBe(2);
  expect(limitBatch(batch, 3 * each)).toBe(batch);
});
