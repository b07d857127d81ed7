import { decodeDocument, decodeKey } from "@kvs/codec";
import { forEachSeed } from "@kvs/sim";
import { expect, test } from "vitest";
import { FrameReader } from "../src/frame-reader.ts";
import { FrameWriter } from "../src/frame-writer.ts";
import { FRAME_MESSAGES_MAX } from "../src/limits.ts";

test("what is written is read", () => {
  forEachSeed({ seeds: 300, size: 40 }, ({ random, size }) => {
    const writer = new FrameWriter();
    const wanted: unknown[] = [];
    const messages = 1 + random.below(size);
    for (let id = 1; id <= messages; id++) {
      const number = Math.floor(random.nextFloat() * 2 ** random.below(54));
      const bytes = random.fill(new Uint8Array(random.below(400)));
      const text = "é".repeat(random.below(60));
      writer.beginRequest(4, id, 13, number % 2 ** 32);
      writer.uint(number);
      writer.bytes(bytes);
      writer.text(text);
      writer.bool(random.chance(0.5));
      writer.end();
      wanted.push([id, number % 2 ** 32, number, bytes, text]);
    }

    const reader = new FrameReader(writer.take());
    const read: unknown[] = [];
    while (reader.next()) {
      read.push([reader.id, reader.uint(), reader.uint(), reader.bytes(), reader.text()]);
    }
    expect(read).toEqual(wanted);
  });
});

test("a message that fails halfway is taken back", () => {
  const writer = new FrameWriter();
  writer.beginRequest(1, 1, 10, 1);
  writer.key("kept");
  writer.end();
  writer.beginRequest(2, 2, 11, 1);
  writer.key("lost");
  expect(() => writer.document("\ud800")).toThrow("CODEC_UNSUPPORTED");
  writer.abort();
  writer.abort(); // a second time it has nothing to take back
  writer.beginRequest(1, 3, 10, 1);
  writer.key("kept too");
  writer.end();

  const reader = new FrameReader(writer.take());
  const keys: unknown[] = [];
  while (reader.next()) {
    reader.skip();
    keys.push(decodeKey(reader.bytes()));
  }
  expect(keys).toEqual(["kept", "kept too"]);
});

test("a request can be copied into another frame, with another deadline", () => {
  const first = new FrameWriter();
  first.beginRequest(1, 5, 10, 1000);
  first.document({ a: 1 });
  first.end();
  const { messageFrom, sizeBytes } = first;
  const second = new FrameWriter();
  second.copyRequest(first.take(), messageFrom, sizeBytes, 77);

  const reader = new FrameReader(second.take());
  reader.next();
  expect([reader.id, reader.code, reader.uint()]).toEqual([5, 10, 77]);
  expect(decodeDocument(reader.bytes())).toEqual({ a: 1 });
});

test("a writer is empty after take, and full at the limit of messages", () => {
  const writer = new FrameWriter();
  for (let id = 1; id <= FRAME_MESSAGES_MAX; id++) {
    expect(writer.isFull).toBe(false);
    writer.beginResponse(0, id);
    writer.end();
  }
  expect(writer.isFull).toBe(true);
  expect(new FrameReader(writer.take()).remaining).toBe(FRAME_MESSAGES_MAX);
  expect([writer.count, writer.isFull, writer.sizeBytes]).toEqual([0, false, 3]);
});

test("nil stands for what is absent", () => {
  const writer = new FrameWriter();
  writer.beginResponse(4, 1);
  writer.uintIfAny(undefined);
  writer.uintIfAny(3);
  writer.bytesIfAny(undefined);
  writer.bytesIfAny(new Uint8Array([9]));
  writer.end();

  const reader = new FrameReader(writer.take());
  reader.next();
  expect([reader.uintIfAny(), reader.uintIfAny()]).toEqual([undefined, 3]);
  expect([reader.bytesIfAny(), reader.bytesIfAny()]).toEqual([undefined, new Uint8Array([9])]);
});

test("bugs of the caller are assertions", () => {
  const writer = new FrameWriter();

  expect(() => writer.take()).toThrow("a frame has at least one message");
  expect(() => writer.end()).toThrow("only what was begun is ended");
  writer.beginResponse(1, 1);
  expect(() => writer.beginResponse(1, 2)).toThrow("a message ends before the next begins");
  expect(() => writer.uint(-1)).toThrow("an integer of a message is in [0, 2^53)");
  expect(() => writer.uint(0.5)).toThrow("an integer of a message is in [0, 2^53)");
});
