import { noTestHooks } from "@kvs/env";
import { toyCompressors } from "@kvs/sim";
import { expect, test } from "vitest";

import { RecordOpener } from "../src/record-opener.ts";
import { noSabotage } from "../src/sabotage.ts";
import { findTail } from "../src/tail-repair.ts";
import { WalReader } from "../src/wal-reader.ts";
import { payloadOf } from "./fixture.ts";
import { MemoryLog } from "./memory-log.ts";

const CHUNK_BYTES = 16 << 10;
const LARGEST_BYTES = 100_000;

/** A log of some 4 MB that notes which memory it is read into. */
class WatchedLog extends MemoryLog {
  readonly buffers: Set<ArrayBufferLike> = new Set();
  readCount = 0;

  override read(base: number, target: Uint8Array, offset: number): Promise<number> {
    this.buffers.add(target.buffer);
    this.readCount++;
    return super.read(base, target, offset);
  }

  get bufferBytes(): number {
    let bytes = 0;
    for (const { byteLength } of this.buffers) bytes += byteLength;
    return bytes;
  }
}

test("a scan's memory is one chunk, or the largest fragment, however long the log is", async () => {
  const log = new WatchedLog({ segmentBytes: 128 << 10 });
  let appended = 0;
  for (let index = 0; log.buffer.lsn < 4_000_000; index++) {
    const length = index % 97 === 50 ? LARGEST_BYTES : 700 + (index % 1000);
    log.buffer.append(1, payloadOf(index, length), 0, length);
    appended++;
    if (index % 20 === 0) log.flush();
  }
  log.flush();
  const opener = new RecordOpener({
    source: log,
    compressors: toyCompressors,
    keys: undefined,
    maxRecordBytes: LARGEST_BYTES,
    sabotage: noSabotage,
  });
  const limit = (): number => log.buffer.lsn;
  const reader = new WalReader({ source: log, from: 64, chunkBytes: CHUNK_BYTES, opener, limit });

  let read = 0;
  let batchBytesMax = 0;
  for await (const batch of reader) {
    let bytes = 0;
    for (const { payload } of batch) bytes += payload.length;
    batchBytesMax = Math.max(batchBytesMax, bytes);
    read += batch.length;
  }
  expect(read).toBe(appended);
  expect(reader.position).toBe(log.buffer.lsn);
  expect(log.readCount).toBeGreaterThan(200);
  // The chunk grows when a fragment is longer; what it was before is let go.
  expect(log.longestRead).toBeLessThanOrEqual(Math.max(CHUNK_BYTES, LARGEST_BYTES + 32));
  expect(log.bufferBytes).toBeLessThan(5 * (CHUNK_BYTES + LARGEST_BYTES));
  expect(batchBytesMax).toBeLessThanOrEqual(CHUNK_BYTES + LARGEST_BYTES);
});

test("the end of a log is found in a chunk's memory, too", async () => {
  const log = new WatchedLog({ segmentBytes: 4 << 20 });
  for (let index = 0; index < 1000; index++) log.buffer.append(1, payloadOf(index, 3000), 0, 3000);
  log.flush();
  const { lsn } = await findTail(log, noTestHooks);
  expect(lsn).toBe(log.buffer.lsn);
  expect(log.longestRead).toBeLessThanOrEqual(1 << 20);
});
