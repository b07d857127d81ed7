import { ByteWriter } from "@kvs/codec";
import { createRandom, isKvsError } from "@kvs/env";
import { expect, test } from "vitest";

import {
  MINI_IN_BATCH,
  UNDO_NONE,
  UNDO_PAGES,
  UNDO_ROW,
  readBeginCheckpoint,
  readMiniHead,
  readTimestamp,
  writeBeginCheckpoint,
} from "../src/engine-record.ts";
import { bytes, codeIs } from "./fixture.ts";

const TIMESTAMP = 2 ** 53 - 5;
const START = 2 ** 40 + 3;

function rowHead(): Uint8Array {
  const writer = new ByteWriter();
  writer.u8(MINI_IN_BATCH);
  writer.u8(UNDO_ROW);
  writer.u64(TIMESTAMP);
  writer.u64(START);
  writer.varint(300);
  writer.varint(3);
  writer.bytes(bytes("key"));
  writer.bytes(bytes("ops"));
  return writer.toBytes();
}

function pagesHead(): Uint8Array {
  const writer = new ByteWriter();
  writer.u8(MINI_IN_BATCH);
  writer.u8(UNDO_PAGES);
  writer.u64(TIMESTAMP);
  writer.u64(START);
  writer.varint(2);
  for (const part of [7, 1, 70_000, 200]) writer.varint(part);
  writer.bytes(bytes("ops"));
  return writer.toBytes();
}

test("the head of a record says whose it is, how it is undone, and where its ops begin", () => {
  const row = readMiniHead(rowHead());
  expect(row).toMatchObject({
    undo: UNDO_ROW,
    timestamp: TIMESTAMP,
    previousStart: START,
    tree: 300,
  });
  expect(rowHead().slice(row.keyFrom, row.keyTo)).toEqual(bytes("key"));
  expect(rowHead().slice(row.opsFrom)).toEqual(bytes("ops"));

  const pages = readMiniHead(pagesHead());
  expect(pages.runs).toEqual([
    { first: 7, count: 1 },
    { first: 70_000, count: 200 },
  ]);
  expect(pagesHead().slice(pages.opsFrom)).toEqual(bytes("ops"));

  const upkeep = readMiniHead(new Uint8Array([0, UNDO_NONE, 9]));
  expect(upkeep).toMatchObject({ flags: 0, undo: UNDO_NONE, timestamp: 0, opsFrom: 2 });
});

test("a record of a kind, or with flags, that nobody wrote is refused", () => {
  expect(() => readMiniHead(new Uint8Array([0, 3]))).toThrow(codeIs("TXN_DAMAGED_LOG"));
  expect(() => readMiniHead(new Uint8Array([4, 0]))).toThrow(codeIs("TXN_DAMAGED_LOG"));
});

test("a checkpoint names the batches under way", () => {
  const writer = new ByteWriter();
  const active = [{ timestamp: TIMESTAMP, firstStart: 64, lastStart: START }];
  writeBeginCheckpoint(writer, active);
  expect(readBeginCheckpoint(writer.toBytes())).toEqual(active);
  writer.reset();
  writeBeginCheckpoint(writer, []);
  expect(readBeginCheckpoint(writer.toBytes())).toEqual([]);
});

test("hostile bytes are records or refused by a code", () => {
  const random = createRandom(2);
  const readers = [readMiniHead, readBeginCheckpoint, readTimestamp];
  const readAll = (record: Uint8Array): void => {
    for (const read of readers) {
      try {
        read(record);
      } catch (error) {
        if (!isKvsError(error, "TXN_DAMAGED_LOG")) throw error;
      }
    }
  };
  for (const sound of [rowHead(), pagesHead()]) {
    for (let length = 0; length < sound.length; length++) readAll(sound.slice(0, length));
    for (let bit = 0; bit < sound.length * 8; bit++) {
      const flipped = sound.slice();
      flipped[bit >>> 3]! ^= 1 << (bit & 7);
      readAll(flipped);
    }
  }
  for (let round = 0; round < 3000; round++) readAll(random.fill(new Uint8Array(random.below(50))));
  expect(() => readTimestamp(new Uint8Array(7))).toThrow(codeIs("TXN_DAMAGED_LOG"));
});
