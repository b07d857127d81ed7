import { isKvsError } from "@kvs/env";
import { expect, test } from "vitest";
import { FrameReader } from "../src/frame-reader.ts";
import { FrameWriter } from "../src/frame-writer.ts";
import { fromHex } from "./hex.ts";

test("fields that nobody reads are skipped", () => {
  const writer = new FrameWriter();
  for (const id of [1, 2]) {
    writer.beginRequest(4, id, 10, 5);
    writer.text("x");
    writer.array(2);
    writer.uint(1);
    writer.bytes(new Uint8Array(70));
    writer.nil();
    writer.uint(id);
    writer.end();
  }
  const reader = new FrameReader(writer.take());

  expect(reader.next()).toBe(true);
  expect(reader.uint()).toBe(5);
  expect(reader.next()).toBe(true);
  expect([reader.id, reader.remaining]).toEqual([2, 0]);
  expect([reader.messageBytes, reader.uint(), reader.messageBytes]).toEqual([7, 5, 12]);
  expect(reader.next()).toBe(false);
});

test("a field of another type fails its message and no other", () => {
  const writer = new FrameWriter();
  for (const id of [1, 2]) {
    writer.beginResponse(2, id);
    writer.text("text");
    writer.uint(id);
    writer.end();
  }
  const reader = new FrameReader(writer.take());
  reader.next();

  for (const read of [
    () => reader.uint(),
    () => reader.bytes(),
    () => reader.bool(),
    () => reader.array(),
    () => reader.uintIfAny(),
    () => reader.boolIfAny(),
  ]) {
    expect(read).toThrow("PROTOCOL_BAD_REQUEST");
  }
  expect(reader.text()).toBe("text");
  reader.next();
  expect(() => reader.skip()).not.toThrow();
  expect(() => reader.text()).toThrow("message 2: a field is not a text");
});

test("a field that is missing is absent or an error, as the reader asks", () => {
  const writer = new FrameWriter();
  writer.beginResponse(0, 1);
  writer.end();
  const reader = new FrameReader(writer.take());
  reader.next();

  expect([reader.uintIfAny(), reader.bytesIfAny(), reader.boolIfAny()]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
  expect(() => reader.uint()).toThrow("message 1: an unsigned integer is missing, at offset 10");
});

test("every form of an integer, a text and bytes is read", () => {
  const hex = [
    "91 9c 01 00",
    "7f cc 80 cd 01 00 ce 00 01 00 00 cf 00 1f ff ff ff ff ff ff",
    "a1 61 d9 01 62 da 00 01 63 c4 01 01 c5 00 01 02",
  ].join(" ");
  const reader = new FrameReader(fromHex(hex));
  reader.next();

  const integers = [reader.uint(), reader.uint(), reader.uint(), reader.uint(), reader.uint()];
  expect(integers).toEqual([127, 128, 256, 65_536, Number.MAX_SAFE_INTEGER]);
  expect([reader.text(), reader.text(), reader.text()]).toEqual(["a", "b", "c"]);
  expect([reader.bytes(), reader.bytes()]).toEqual([new Uint8Array([1]), new Uint8Array([2])]);
});

test("an integer of 2^53 or more is refused", () => {
  const reader = new FrameReader(fromHex("91 93 01 00 cf 00 20 00 00 00 00 00 00"));
  reader.next();

  expect(() => reader.uint()).toThrow("not an integer below 2^53");
});

test("a text that is not UTF-8 is an error of its message", () => {
  const reader = new FrameReader(fromHex("92 93 01 00 a1 ff 93 02 00 a1 61"));
  reader.next();

  expect(() => reader.text()).toThrow("CODEC_INVALID_UTF8");
  reader.next();
  expect(reader.text()).toBe("a");
});

test("an error of a message has outcome none", () => {
  const reader = new FrameReader(fromHex("91 92 01 00"));
  reader.next();

  let thrown: unknown;
  try {
    reader.bytes();
  } catch (error) {
    thrown = error;
  }
  expect(isKvsError(thrown, "PROTOCOL_BAD_REQUEST") && thrown.outcome).toBe("none");
});
