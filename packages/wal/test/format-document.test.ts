import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";

import { hexdump } from "@kvs/codec";
import { type DataKeys, KEY_BYTES, createRandom } from "@kvs/env";
import { createNodeEnvironment } from "@kvs/node";
import { FragmentOpener, FragmentSealer } from "../src/fragment-seal.ts";
import { FRAGMENT_HEADER_BYTES } from "../src/record-format.ts";
import { noSabotage } from "../src/sabotage.ts";
import { decodeSegmentHeader } from "../src/segment-format.ts";
import { MemoryLog } from "./memory-log.ts";

const nodeCiphers = createNodeEnvironment({ root: import.meta.dirname }).ciphers;

/** The bytes of an example in docs/formats/wal.md: a listing that begins at some offset. */
async function exampleBytes(example = 0): Promise<Uint8Array> {
  const path = join(import.meta.dirname, "..", "..", "..", "docs", "formats", "wal.md");
  const text = await readFile(path, "utf8");
  const block = [...text.matchAll(/^```bytes\n(.*?)^```$/gms)][example]![1]!;
  const first = Number.parseInt(block.slice(0, 8), 16);
  const bytes: number[] = [];
  for (const line of block.trimEnd().split("\n")) {
    const [, offset, hex] = /^([0-9a-f]{8}) {2}((?:[0-9a-f]{2} ?)+)/.exec(line)!;
    expect(Number.parseInt(offset!, 16)).toBe(first + bytes.length);
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

/** Keys and nonces as the document says. */
function sealedLog(): MemoryLog {
  const cipher = nodeCiphers.aes256Gcm(Uint8Array.from({ length: KEY_BYTES }, (_, at) => at));
  const keys: DataKeys = { currentId: 3, cipherOf: () => cipher };
  const random = createRandom(1);
  const nonces = { ...random, fill: (target: Uint8Array) => target.fill(0x11) };
  return new MemoryLog({
    segmentBytes: 512,
    packing: (identity) => ({ sealer: new FragmentSealer(keys, nonces, identity, noSabotage) }),
  });
}

test("the sealed example of the format's document is what the code writes, and opens", async () => {
  const log = sealedLog();
  log.buffer.append(1, new TextEncoder().encode("hello"), 0, 5);
  log.flush();
  const written = log.segments.get(0)!.subarray(64, log.buffer.lsn);
  const example = await exampleBytes(1);
  expect(hexdump(example)).toBe(hexdump(written));

  const cipher = nodeCiphers.aes256Gcm(Uint8Array.from({ length: KEY_BYTES }, (_, at) => at));
  const keys: DataKeys = { currentId: 3, cipherOf: () => cipher };
  const opener = new FragmentOpener(keys, log.identity, noSabotage);
  const header = { epoch: 2, kind: 1, flags: 7, syncedDistance: 0 };
  const content = opener.open(header, 64, example.slice(32));
  expect(content).toEqual(new TextEncoder().encode("hello"));
});
