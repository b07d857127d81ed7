import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { ByteWriter, encodeUtf8 } from "@kvs/codec";
import { OP_INSERT, PageOps } from "@kvs/btree";
import { expect, test } from "vitest";
import { BatchReader, MAIN_TREE, checkBatch, encodeBatch } from "../src/batch-format.ts";
import {
  MINI_COMMITS,
  MINI_IN_BATCH,
  NO_START,
  UNDO_NONE,
  readMiniHead,
} from "../src/engine-record.ts";

async function exampleOf(document: string): Promise<Uint8Array> {
  const path = join(import.meta.dirname, "../../../docs/formats", document);
  const text = await readFile(path, "utf8");
  const [, bytes] = /^```example\n(.*?)^```$/ms.exec(text) ?? [];
  return Uint8Array.from(bytes!.trim().split(/\s+/), (byte) => Number.parseInt(byte, 16));
}

test("the example of docs/formats/batch.md is the batch that it says", async () => {
  const example = await exampleOf("batch.md");
  const writer = new ByteWriter();
  encodeBatch(writer, [
    { type: "put", tree: MAIN_TREE, key: encodeUtf8("a"), value: encodeUtf8("1") },
    { type: "delete", tree: MAIN_TREE, key: encodeUtf8("b") },
  ]);

  expect(writer.toBytes()).toEqual(example);
  expect(() => checkBatch(example, (tree) => tree === MAIN_TREE)).not.toThrow();
  const reader = new BatchReader();
  reader.reset(example);
  expect([reader.next(), reader.next(), reader.next()]).toEqual([true, true, false]);
});

test("the example of docs/formats/engine-log.md is the record that it says", async () => {
  const example = await exampleOf("engine-log.md");
  const head = readMiniHead(example);

  expect(head.flags).toBe(MINI_IN_BATCH | MINI_COMMITS);
  expect([head.undo, head.timestamp, head.previousStart]).toEqual([UNDO_NONE, 4_096_000, NO_START]);
  expect(example[head.opsFrom]).toBe(OP_INSERT);
  expect(PageOps.pageOf(example, head.opsFrom)).toBe(4);
  expect(PageOps.endOf(example, head.opsFrom)).toBe(example.length);
});
