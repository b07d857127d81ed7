import { ByteWriter, compareBytes } from "@kvs/codec";
import { createRandom } from "@kvs/env";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import {
  decodeDocumentRow,
  decodeValueRow,
  encodeValueRow,
  expiryKey,
  keyOfRow,
  readExpiryKey,
  rowKey,
  rowRange,
  writeDocumentHead,
} from "../../src/database/rows.ts";

const space = fc.integer({ min: 0, max: 2 ** 32 - 2 });
const key = fc.uint8Array({ maxLength: 40 });
const time = fc.integer({ min: 0, max: 2 ** 52 });

test("a row key keeps its key, and orders by space, then by key", () => {
  fc.assert(
    fc.property(space, key, space, key, (space1, key1, space2, key2) => {
      const [row1, row2] = [rowKey(space1, key1), rowKey(space2, key2)];
      expect([...keyOfRow(row1)]).toEqual([...key1]);
      const expected = space1 === space2 ? compareBytes(key1, key2) : space1 - space2;
      expect(Math.sign(compareBytes(row1, row2))).toBe(Math.sign(expected));
    }),
  );
});

test("a range holds exactly the keys between its bounds, and none of another space", () => {
  const bound = fc.option(key, { nil: undefined });
  fc.assert(
    fc.property(space, bound, bound, key, (number, from, to, each) => {
      const { gte, lt } = rowRange(number, from, to);
      expect(compareBytes(gte, lt)).toBeLessThanOrEqual(0);
      const isIn = (row: Uint8Array): boolean =>
        compareBytes(gte, row) <= 0 && compareBytes(row, lt) < 0;
      const isMeant =
        (from === undefined || compareBytes(from, each) <= 0) &&
        (to === undefined || compareBytes(each, to) < 0);
      expect(isIn(rowKey(number, each))).toBe(isMeant);
      expect(isIn(rowKey(number + 1, each))).toBe(false);
    }),
  );
});

test("a bound longer than any key is cut, and means the same", () => {
  const long = new Uint8Array(5000).fill(7);
  const { gte, lt } = rowRange(16, long, undefined);
  expect(gte.length).toBeLessThanOrEqual(1056);
  expect(compareBytes(gte, rowKey(16, long.subarray(0, 1024)))).toBeGreaterThan(0);
  expect(compareBytes(gte, rowKey(16, Uint8Array.of(7, 8)))).toBeLessThan(0);
  expect(compareBytes(lt, rowKey(17, new Uint8Array()))).toBe(0);
});

test("a value row comes back, with its expiry", () => {
  fc.assert(
    fc.property(key, fc.option(time, { nil: undefined }), (value, expiresAtMs) => {
      const row = decodeValueRow(encodeValueRow(value, expiresAtMs));
      expect(row.expiresAtMs).toBe(expiresAtMs);
      expect([...row.value]).toEqual([...value]);
    }),
  );
});

test("a document row comes back, with its version", () => {
  fc.assert(
    fc.property(key, time, (data, version) => {
      const writer = new ByteWriter({ initialBytes: 16 });
      writeDocumentHead(writer, version);
      writer.bytes(data);
      const row = decodeDocumentRow(writer.toBytes());
      expect(row.version).toBe(version);
      expect([...row.data]).toEqual([...data]);
    }),
  );
});

test("expiry keys order by time, and keep time and row", () => {
  fc.assert(
    fc.property(time, time, key, (time1, time2, row) => {
      const read = readExpiryKey(expiryKey(time1, row));
      expect(read.expiresAtMs).toBe(time1);
      expect([...read.row]).toEqual([...row]);
      const order = compareBytes(expiryKey(time1, row), expiryKey(time2, row));
      expect(Math.sign(order)).toBe(Math.sign(time1 - time2));
    }),
  );
});

test("hostile rows give a row or a typed error", () => {
  const random = createRandom(7);
  for (let round = 0; round < 5000; round++) {
    const bytes = random.fill(new Uint8Array(random.below(24)));
    if (bytes.length > 0 && round % 2 === 0) bytes[0] = round % 3;
    for (const read of [decodeValueRow, decodeDocumentRow, readExpiryKey]) {
      try {
        read(bytes);
      } catch (error) {
        expect(error).toMatchObject({ code: "QUERY_DAMAGED_ROW", outcome: "none" });
      }
    }
  }
  for (const bytes of [[], [2], [1], [1, 0, 0, 0]]) {
    expect(() => decodeValueRow(Uint8Array.from(bytes))).toThrow(/QUERY_DAMAGED_ROW/);
  }
  for (const bytes of [[], [1, 1], [0], [0, 255]]) {
    expect(() => decodeDocumentRow(Uint8Array.from(bytes))).toThrow(/QUERY_DAMAGED_ROW/);
  }
  expect(() => readExpiryKey(new Uint8Array(11))).toThrow(/QUERY_DAMAGED_ROW/);
});
