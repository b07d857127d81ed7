/**
 * The intent of a change to bytes that may be durable already: written down first, so that a crash
 * in its middle is finished by the next open.
 *
 *   offset  size  field       integers are little-endian
 *        0     8  magic       "KVS-FIX\n"
 *        8     4  version     1
 *       12     4  flags       bit 0: everything after `from + length` goes
 *       16     8  logId
 *       24     8  from        position of the first byte of the content
 *       32     8  length      of the content
 *       40     8  mark        8 times 0xDD once the intent was carried out; else zero
 *       48    12  reserved    zero
 *       60     4  checksum    CRC-32 of bytes [0, 40), of [48, 60) and of the content
 *       64     …  content     what the log shall hold from `from` on
 *
 * Two uses. A cut (`truncateAfter`) has no content. The other is for the last group of a log that is
 * opened: nothing on disk proves that it is durable, and after a failed sync the system may show
 * bytes that the disk does not hold, and call the next sync of them a success. Written once more
 * they are durable for certain; but a torn rewrite could destroy them, so they are kept here
 * meanwhile.
 *
 * An intent that was carried out must not be carried out again when the log has gone on: it would
 * cut or overwrite what came after. Removing its name is not enough, for a directory whose sync
 * fails may show a name again. So it is marked first, in the file itself. Any other bytes in the
 * place of the mark are none: a torn write of it harms nothing.
 *
 * Steps: write `repair.new`, sync it, rename to `repair`, sync the directory │ write the content to
 * its place, durably; zero what goes; remove the segments behind │ mark, unlink, sync the directory. A
 * crash before the first bar leaves the log as it was; one after it is finished by `applyRepair`,
 * any number of times, before anything is appended.
 *
 * Source: Rebello et al., "Can Applications Recover from fsync Failures?" (USENIX ATC 2020).
 */
import { type Environment, type File, assert, readFullyAt, writeFullyAt } from "@kvs/env";
import { crc32 } from "@kvs/codec";

import { MARK, SEGMENT_HEADER_BYTES, isMarked, isSameLog } from "./segment-format.ts";
import { NEW_REPAIR_NAME, REPAIR_NAME, pathIn } from "./segment-name.ts";
import { type SegmentSet } from "./segment-set.ts";
import { getUint64, putUint64 } from "./uint64.ts";
import { damaged } from "./wal-error.ts";

const HEADER_BYTES = 64;
const MAGIC: readonly number[] = [0x4b, 0x56, 0x53, 0x2d, 0x46, 0x49, 0x58, 0x0a];
const VERSION = 1;
const CUT_FLAG = 1;
const MARK_OFFSET = 40;
const CHECKSUM_OFFSET = 60;

export interface Repair {
  /** Position of `content[0]`. */
  readonly from: number;
  readonly content: Uint8Array;
  /** Whether everything after the content goes. */
  readonly isCut: boolean;
}

/** Makes the intent durable. A failure before leaves nothing that would be applied. */
export async function writeRepair(
  environment: Environment,
  segments: SegmentSet,
  repair: Repair,
): Promise<void> {
  const { disk } = environment;
  const path = pathIn(segments.directory, NEW_REPAIR_NAME);
  const file = await disk.open(path, { create: true });
  try {
    await file.truncate(0); // an earlier attempt may have left more
    await writeFullyAt(file, encodeRepair(repair, segments.identity.logId), 0);
    await file.datasync();
  } catch (error) {
    await file.close();
    await disk.unlink(path).catch(() => undefined);
    throw error;
  }
  await file.close();
  await disk.rename(path, pathIn(segments.directory, REPAIR_NAME));
  await disk.syncDirectory(segments.directory);
}

/**
 * Finishes the repair that a crash interrupted, if there is one.
 *
 * @throws {KvsError} `WAL_DAMAGED` if the intent is not what was written; errors of the disk.
 */
export async function finishRepair(environment: Environment, segments: SegmentSet): Promise<void> {
  const path = pathIn(segments.directory, REPAIR_NAME);
  if ((await environment.disk.stat(path)) === undefined) return;
  const file = await environment.disk.open(path, { readOnly: true });
  let repair: ReturnType<typeof decodeRepair>;
  try {
    const bytes = new Uint8Array(await file.size());
    const count = await readFullyAt(file, bytes, 0);
    repair = decodeRepair(bytes.subarray(0, count), segments.identity.logId);
  } finally {
    await file.close();
  }
  if (repair === "done") {
    environment.hooks.probe("wal.repair-marked");
    await forgetRepair(environment, segments);
    return;
  }
  if (repair === undefined || !isWithin(segments, repair)) {
    throw damaged(`${path} is damaged`, { path, offset: 0 });
  }
  environment.hooks.probe("wal.repair-finished");
  await applyRepair(environment, segments, repair);
}

/** Whether the log has the segments that the intent is about. */
function isWithin(segments: SegmentSet, repair: Repair): boolean {
  const { geometry } = segments;
  const end = repair.from + repair.content.length;
  return segments.has(geometry.baseBefore(end)) && repair.from >= segments.headBase;
}

/** Does what was written down, and forgets it. */
export async function applyRepair(
  environment: Environment,
  segments: SegmentSet,
  repair: Repair,
): Promise<void> {
  const { geometry } = segments;
  const end = repair.from + repair.content.length;
  for (let position = repair.from; position < end;) {
    const base = geometry.baseOf(position);
    const pieceEnd = Math.min(end, base + geometry.segmentBytes);
    const piece = repair.content.subarray(position - repair.from, pieceEnd - repair.from);
    await segments.fileOf(base).writeDurableAt(piece, position - base);
    position = pieceEnd;
  }
  if (repair.isCut) await removeAfter(segments, end);
  await forgetRepair(environment, segments);
}

async function forgetRepair(environment: Environment, segments: SegmentSet): Promise<void> {
  const { disk } = environment;
  const path = pathIn(segments.directory, REPAIR_NAME);
  const file = await disk.open(path);
  try {
    await file.writeDurableAt(MARK, MARK_OFFSET);
  } finally {
    await file.close();
  }
  await disk.unlink(path);
  await disk.syncDirectory(segments.directory);
}

async function removeAfter(segments: SegmentSet, lsn: number): Promise<void> {
  const base = segments.geometry.baseBefore(lsn);
  const file: File = segments.fileOf(base);
  const from = Math.max(SEGMENT_HEADER_BYTES, lsn - base);
  if (from < segments.geometry.segmentBytes) {
    await file.allocate(from, segments.geometry.segmentBytes);
  }
  await segments.dropAfter(base);
}

/** The bytes of a repair file. */
export function encodeRepair(repair: Repair, logId: Uint8Array): Uint8Array {
  const { content } = repair;
  const bytes = new Uint8Array(HEADER_BYTES + content.length);
  const view = new DataView(bytes.buffer);
  bytes.set(MAGIC);
  view.setUint32(8, VERSION, true);
  view.setUint32(12, repair.isCut ? CUT_FLAG : 0, true);
  bytes.set(logId, 16);
  putUint64(view, 24, repair.from);
  putUint64(view, 32, content.length);
  bytes.set(content, HEADER_BYTES);
  view.setUint32(CHECKSUM_OFFSET, checksumOf(bytes), true);
  return bytes;
}

/** Decodes a repair file; `undefined` if it is damaged, or of another log. */
export function decodeRepair(bytes: Uint8Array, logId: Uint8Array): Repair | "done" | undefined {
  if (bytes.length < HEADER_BYTES) return undefined;
  for (const [at, byte] of MAGIC.entries()) if (bytes[at] !== byte) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const from = getUint64(view, 24);
  if (view.getUint32(8, true) !== VERSION || from === undefined) return undefined;
  if (getUint64(view, 32) !== bytes.length - HEADER_BYTES) return undefined;
  if (view.getUint32(CHECKSUM_OFFSET, true) !== checksumOf(bytes)) return undefined;
  if (!isSameLog(bytes.subarray(16, 24), logId)) return undefined;
  if (isMarked(bytes, MARK_OFFSET)) return "done";
  const isCut = (view.getUint32(12, true) & CUT_FLAG) !== 0;
  assert(bytes.length >= HEADER_BYTES, "the content follows the header");
  return { from, content: bytes.subarray(HEADER_BYTES), isCut };
}

function checksumOf(bytes: Uint8Array): number {
  const first = crc32(bytes.subarray(0, MARK_OFFSET));
  const second = crc32(bytes.subarray(MARK_OFFSET + MARK.length, CHECKSUM_OFFSET), first);
  return crc32(bytes.subarray(HEADER_BYTES), second);
}
