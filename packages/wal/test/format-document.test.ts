import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";

import { hexdump } from "@kvs/codec";
import { FRAGMENT_HEADER_BYTES } from "../src/record-format.ts";
import { decodeSegmentHeader } from "../src/segment-format.ts";
import { MemoryLog } from "./memory-log.ts";

/** The bytes of the example in docs/formats/wal.md. */
async function exampleBytes(): Promise<Uint8Array> {
  const path = join(import.meta.dirname, "..", "..", "..", "docs", "formats", "wal.md");
  const text = await readFile(path, "utf8");
  const block = /^```bytes\n(.*?)^```$/ms.exec(text)![1]!;
  const bytes: number[] = [];
  for (const line of block.trimEnd().split("\n")) {
    const [, offset, hex] = /^([0-9a-f]{8}) {2}((?:[0-9a-f]{2} ?)+)/.exec(line)!;
    expect(Number.parseInt(offset!, 16)).toBe(bytes.length);
    bytes.push(
      ...hex!
        .trim()
        .split(" ")
        .map((byte) => Number.parseInt(byte, 16)),
    );
  }
  return Uint8Array.from(bytes);
}

function exampleLog(): MemoryLog {
  const log = new MemoryLog({ segmentBytes: 512 });
  const text = (value: string): Uint8Array => new TextEncoder().encode(value);
  log.buffer.append(1, text("hello"), 0, 5);
  log.flush();
  log.buffer.append(7, text("!"), 0, 1);
  log.flush();
  return log;
}

test("the example of the format's document is what the code writes", async () => {
  const log = exampleLog();
  const written = log.segments.get(0)!.subarray(0, log.buffer.lsn);
  expect(hexdump(await exampleBytes())).toBe(hexdump(written));
});

test("the example of the format's document reads as it says", async () => {
  const bytes = await exampleBytes();
  expect(decodeSegmentHeader(bytes)).toEqual({
    version: 1,
    segmentBytes: 512,
    logId: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8),
    base: 0,
    previousLsn: 64,
    epoch: 1,
  });
  const log = new MemoryLog({ segmentBytes: 512 });
  log.segments.get(0)!.set(bytes);
  const { fragments, rejection } = await log.walk();
  const end = 64 + 2 * FRAGMENT_HEADER_BYTES + 6;
  expect(fragments).toEqual([
    fragment({ start: 64, lsn: 101, kind: 1, payload: new TextEncoder().encode("hello") }),
    fragment({ start: 101, lsn: end, kind: 7, payload: new TextEncoder().encode("!") }),
  ]);
  expect(rejection).toMatchObject({ position: end, reason: "zeros" });
});

function fragment(fields: object): object {
  return { type: "fragment", flags: 3, epoch: 2, syncedDistance: 0, ...fields };
}
