import { createRandom, isKvsError } from "@kvs/env";
import { forEachSeed } from "@kvs/sim";
import { expect, test } from "vitest";
import { FrameReader } from "../src/frame-reader.ts";
import { FrameWriter } from "../src/frame-writer.ts";
import { checkFrame } from "../src/frame-scan.ts";
import { FRAME_MESSAGES_MAX } from "../src/limits.ts";
import { RequestCode } from "../src/wire-code.ts";
import { fromHex } from "./hex.ts";

/** A frame with every kind of field. */
function sampleFrame(): Uint8Array {
  const writer = new FrameWriter();
  writer.beginRequest(2, 7, RequestCode.PUT, 10_000);
  writer.key(["user", 1, new Uint8Array([0, 1, 2])]);
  writer.document({ name: "Ada", tags: ["x", null, 2n ** 60n], at: new Date(0), f: -1.5 });
  writer.end();
  writer.beginRequest(5, 8, RequestCode.UPDATE, 99);
  writer.text("a collection");
  writer.text("id".repeat(200));
  writer.nil();
  writer.bool(true);
  writer.uint(2 ** 52 + 3);
  writer.end();
  writer.beginResponse(1, 9);
  writer.array(2);
  writer.bytes(new Uint8Array(300));
  writer.uint(300);
  writer.end();
  return writer.take();
}

/** Whether the frame is accepted; the only other answer is `PROTOCOL_MALFORMED`. */
function isAccepted(frame: Uint8Array): boolean {
  try {
    checkFrame(frame);
    return true;
  } catch (error) {
    expect(isKvsError(error, "PROTOCOL_MALFORMED"), String(error)).toBe(true);
    return false;
  }
}

/** Reads whatever there is, as any type: nothing but `KvsError` may come out. */
function readAnything(frame: Uint8Array, seed: number): void {
  const random = createRandom(seed);
  const reader = new FrameReader(frame);
  while (reader.next()) {
    for (let field = 0; field < 8; field++) {
      try {
        const reads = [
          () => reader.uint(),
          () => reader.bytes(),
          () => reader.text(),
          () => reader.bool(),
          () => reader.array(),
          () => reader.skip(),
          () => reader.uintIfAny(),
          () => reader.bytesIfAny(),
          () => reader.boolIfAny(),
        ];
        reads[random.below(reads.length)]!();
      } catch (error) {
        expect(isKvsError(error, "PROTOCOL_BAD_REQUEST", "CODEC_INVALID_UTF8"), String(error)).toBe(
          true,
        );
        break;
      }
    }
  }
  expect(reader.remaining).toBe(0);
}

test("a frame is accepted whole, and refused when it is cut at any byte", () => {
  const frame = sampleFrame();

  expect(checkFrame(frame)).toBe(3);
  for (let length = 0; length < frame.length; length++) {
    expect(isAccepted(frame.subarray(0, length)), `${length} bytes`).toBe(false);
  }
});

test("a frame with a byte too many is refused", () => {
  const longer = new Uint8Array([...sampleFrame(), 0xc0]);

  expect(isAccepted(longer)).toBe(false);
});

test("flipped bits never surprise, neither the check nor the reader", () => {
  const frame = sampleFrame();
  let accepted = 0;
  for (let bit = 0; bit < frame.length * 8; bit++) {
    const flipped = frame.slice();
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    if (!isAccepted(flipped)) continue;
    accepted++;
    readAnything(flipped, bit);
  }
  expect(accepted).toBeGreaterThan(frame.length); // most bits are content
});

test("random bytes never surprise", () => {
  forEachSeed({ seeds: 2000 }, ({ random, seed }) => {
    const bytes = random.fill(new Uint8Array(random.below(200)));
    if (bytes.length > 0 && random.chance(0.9)) bytes[0] = 0x90 | (bytes[0]! & 0x0f);
    if (bytes.length > 1 && random.chance(0.9)) bytes[1] = 0x92 | (bytes[1]! & 0x0f);
    if (isAccepted(bytes)) readAnything(bytes, seed);
  });
});

test.each([
  ["no array", "c0"],
  ["a map", "81 01 92 01 01"],
  ["a message that is no array", "91 01"],
  ["a message of one field", "91 91 01"],
  ["an id that is a text", "91 92 a1 61 01"],
  ["a code that is negative", "91 92 01 ff"],
  ["an id of 2^53", "91 92 cf 00 20 00 00 00 00 00 00 01"],
  ["a byte that msgpack never uses", "91 93 01 01 c1"],
  ["an array that promises 2^32 - 1 values", "91 93 01 01 dd ff ff ff ff"],
  ["a map that promises 2^32 - 1 members", "91 93 01 01 df ff ff ff ff 01"],
  ["bytes that promise 4 GiB", "91 93 01 01 c6 ff ff ff ff 00"],
  ["a text that promises 4 GiB", "91 93 01 01 db ff ff ff ff 00"],
  ["an extension that promises 4 GiB", "91 93 01 01 c9 ff ff ff ff 00"],
])("%s is refused", (_what, hex) => {
  expect(isAccepted(fromHex(hex))).toBe(false);
});

test.each([
  [
    "maps, floats and negative integers",
    "91 97 01 01 81 a1 61 c2 cb 00 00 00 00 00 00 00 00 ff d0 80 ca 00 00 00 00",
  ],
  [
    "extensions of every form",
    "91 9a 01 01 d4 01 00 d5 01 00 00 d6 ff 00 00 00 00 d7 01 00 00 00 00 00 00 00 00 c7 01 05 00 c8 00 00 05 c9 00 00 00 00 05 c0",
  ],
  [
    "integers of every width",
    "91 97 cc 01 cd 00 01 ce 00 00 00 01 cf 00 00 00 00 00 00 00 01 d1 00 00 d2 00 00 00 00 d3 00 00 00 00 00 00 00 00",
  ],
])("%s in later fields are skipped", (_what, hex) => {
  const reader = new FrameReader(fromHex(hex));

  expect(reader.next()).toBe(true);
  expect([reader.id, reader.code]).toEqual([1, 1]);
  expect(reader.next()).toBe(false);
});

test("nesting is refused where it passes the limit, whatever the depth", () => {
  const nested = (depth: number): Uint8Array =>
    new Uint8Array([0x91, 0x93, 1, 1, ...Array.from({ length: depth }, () => 0x91), 0xc0]);

  expect(isAccepted(nested(14))).toBe(true);
  expect(isAccepted(nested(15))).toBe(false);
  expect(isAccepted(nested(100_000))).toBe(false);
});

test("more messages than the limit are refused before they are walked", () => {
  const frame = new Uint8Array([0xdd, 0, 0, (FRAME_MESSAGES_MAX + 1) >> 8, 1]);

  expect(() => checkFrame(frame)).toThrow("4097 messages");
});
