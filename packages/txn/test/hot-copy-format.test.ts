import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { ByteWriter } from "@kvs/codec";
import { createRandom } from "@kvs/env";
import { expect, test } from "vitest";

import {
  FRAME_BEGIN,
  FRAME_END,
  FRAME_LOG,
  FrameSealer,
  decodeBegin,
  decodeEnd,
  encodeBegin,
  encodeEnd,
  readFrames,
} from "../src/hot-copy-format.ts";
import { inPieces } from "./copy-fixture.ts";
import { codeIs } from "./fixture.ts";

const BEGIN = {
  storeId: [0x01020304, 0x05060708],
  fileId: 0x0a0b0c0d,
  segmentBytes: 16_384,
  logStart: 0,
  createdMs: 1000,
} as const;

test("the example of docs/formats/hot-copy.md is the frame that it says", async () => {
  const path = join(import.meta.dirname, "../../../docs/formats/hot-copy.md");
  const [, hex] = /^```example\n(.*?)^```$/ms.exec(await readFile(path, "utf8")) ?? [];
  const example = Uint8Array.from(hex!.trim().split(/\s+/), (byte) => Number.parseInt(byte, 16));

  expect(new FrameSealer().frame(FRAME_BEGIN, encodeBegin(BEGIN))).toEqual(example);
  for await (const { kind, payload } of readFrames(inPieces(example, 7))) {
    expect([kind, decodeBegin(payload)]).toEqual([FRAME_BEGIN, BEGIN]);
  }
});

test("frames come out as they went in, in pieces of any length", async () => {
  const random = createRandom(1);
  const sealer = new FrameSealer();
  const payloads = [0, 1, 5000, 1 << 20, 3].map((length) => random.fill(new Uint8Array(length)));
  const frames = payloads.map((payload) => sealer.frame(FRAME_LOG, payload));
  const stream = Uint8Array.from(frames.flatMap((frame) => [...frame]));
  for (const length of [1000, 24, 100_000, 3 << 20]) {
    const read: Uint8Array[] = [];
    for await (const { payload } of readFrames(inPieces(stream, length)))
      read.push(payload.slice());
    expect(read).toEqual(payloads);
  }
});

test("a frame of another copy, or at another place, is noticed", async () => {
  const [one, other] = [new FrameSealer(), new FrameSealer()];
  const first = one.frame(FRAME_BEGIN, new Uint8Array(3));
  const others = other.frame(FRAME_BEGIN, new Uint8Array(4));
  const second = other.frame(FRAME_LOG, new Uint8Array(5));
  const read = async (...frames: readonly Uint8Array[]): Promise<number> => {
    let count = 0;
    const stream = Uint8Array.from(frames.flatMap((frame) => [...frame]));
    for await (const { payload } of readFrames(inPieces(stream))) count += payload.length;
    return count;
  };
  expect(await read(others, second)).toBe(9);
  const isDamaged = codeIs("TXN_DAMAGED_COPY");
  await expect(read(first, second)).rejects.toThrow(isDamaged);
  await expect(read(second)).rejects.toThrow(isDamaged);
  await expect(read(others, others)).rejects.toThrow(isDamaged);
});

test("payloads that make no sense are damage, a later version is told as such", () => {
  const isDamaged = codeIs("TXN_DAMAGED_COPY");
  const begin = encodeBegin(BEGIN);
  expect(() => decodeBegin(begin.subarray(0, 20))).toThrow(isDamaged);
  expect(() => decodeBegin(begin.with(0, 1))).toThrow(isDamaged);
  expect(() => decodeBegin(begin.with(8, 2))).toThrow(codeIs("TXN_UNKNOWN_VERSION"));
  const end = { pageCount: 9, copiedPages: 7, logEnd: 2 ** 50 };
  expect(decodeEnd(encodeEnd(end))).toEqual(end);
  expect(() => decodeEnd(new Uint8Array(25))).toThrow(isDamaged);
  expect(FRAME_END).toBeGreaterThan(FRAME_LOG);
});

test("a frame that lies about its length is refused before anything is allocated", async () => {
  const writer = new ByteWriter();
  writer.u32(0);
  writer.u32(0xffff_ffff);
  writer.zeros(16);
  const read = async (): Promise<void> => {
    for await (const _ of readFrames(inPieces(writer.toBytes())));
  };
  await expect(read()).rejects.toThrow(codeIs("TXN_DAMAGED_COPY"));
});
