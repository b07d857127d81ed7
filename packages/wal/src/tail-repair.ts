/**
 * Where a log ends, after a crash: what recovery may cut, and what it must refuse to cut.
 *
 * The walk ends at the first bytes that are no fragment of the log, at position B. Either the write
 * that should have put one there never became durable: a torn tail, nothing of it was acknowledged,
 * and it may go. Or it had been durable, and the bytes have changed since: damage in the middle.
 * The rest of the log tells which, for groups are written one after the other, and within a group
 * one segment after the other:
 *
 * 1. A fragment behind B that proves by `start - syncedDistance > B` that B had been durable.
 * 2. A segment header behind B with `previousLsn > B`: what it follows was durable before it.
 *
 * Either is damage. Both count only from an epoch at least as new as the last sound fragment's: the
 * remains of a tail that was cut before are older. Without a proof the tail is torn. Nothing can
 * prove the last group itself: damage there looks like a torn write, unless the caller knows better
 * (`readFrom`).
 *
 * Fragments behind B are found byte by byte, for nothing tells where they begin.
 *
 * Source: Alagappan et al., "Protocol-Aware Recovery for Consensus-Based Storage" (FAST 2018), §3,
 * on telling a torn tail from a damaged middle.
 */
import { type TestHooks, assert } from "@kvs/env";
import { crc32 } from "@kvs/codec";

import {
  CHUNK_BYTES,
  type CursorOptions,
  LogCursor,
  type Rejection,
  type SegmentSource,
} from "./log-cursor.ts";
import { type Lsn, toLsn } from "./lsn.ts";
import {
  FIRST_FRAGMENT,
  FLAGS_MAX,
  FRAGMENT_HEADER_BYTES,
  type FragmentHeader,
  emptyHeader,
  readFragmentHeader,
  storedChecksum,
} from "./record-format.ts";
import { type Sabotage, readSabotage } from "./sabotage.ts";
import { SEGMENT_HEADER_BYTES, decodeSegmentHeader, isSameLog } from "./segment-format.ts";
import { FRAGMENT_MIN_BYTES } from "./geometry.ts";
import { damaged } from "./wal-error.ts";

/** The end of a log. */
export interface Tail {
  /** End of the last whole record. */
  readonly lsn: Lsn;
  /** What the last fragment proves durable: at most `lsn`. */
  readonly provenLsn: Lsn;
  /** The highest epoch of any sound fragment, also behind the end: the next must be higher. */
  readonly epoch: number;
  /** Whether there is anything behind `lsn` that must go: part of a record, sound fragments. */
  readonly isTorn: boolean;
  /** Why the walk ended. */
  readonly rejection: Rejection;
}

/** A log's files, as far as its end concerns. */
export interface TailSource extends SegmentSource {
  readonly headBase: number;
  readonly lastBase: number;
  /** The newest segment that seems to have begun. */
  lastBegunBase(): number;
}

/**
 * Finds the end of the log. Reads the last segment, and whatever its last record reaches back to.
 *
 * @throws {KvsError} `WAL_DAMAGED` if what ends the log there had been durable; errors of the disk.
 */
export async function findTail(source: TailSource, hooks: TestHooks): Promise<Tail> {
  const sabotage = readSabotage(hooks);
  const from = await findWalkStart(source, sabotage);
  const mayBeginInside = from === source.headBase + SEGMENT_HEADER_BYTES;
  const cursor = new LogCursor({ source, from, sabotage, mayBeginInside });
  const { rejection, provenLsn } = await walkToEnd(cursor, source, from);
  const search = new Lookahead(source, cursor.position, cursor.epoch);
  const proof = await search.run();
  if (proof !== undefined) {
    hooks.probe("wal.damage-proven");
    throw damagedAt(source, rejection, proof);
  }
  const isTorn = cursor.isInsideRecord || search.foundAny || rejection.reason !== "zeros";
  if (isTorn) hooks.probe("wal.torn-tail");
  assert(cursor.recordLsn <= cursor.position, "whole records end where fragments do");
  return {
    lsn: cursor.recordLsn,
    provenLsn: toLsn(Math.min(provenLsn, cursor.recordLsn)),
    epoch: Math.max(cursor.epoch, search.highestEpoch),
    isTorn,
    rejection,
  };
}

/** Damage at the place that `rejection` tells. */
export function damagedAt(
  source: SegmentSource,
  rejection: Rejection,
  proof: number | undefined,
): Error {
  const { base, position, reason, expected, found } = rejection;
  const path = source.pathOf(base);
  const offset = position - base;
  const known = proof === undefined ? "" : `, though it was durable: position ${proof} proves it`;
  const what = `the log is damaged in ${path} at offset ${offset} (${reason})${known}`;
  const details = { path, offset, position, reason, expected: expected ?? "a sound fragment" };
  return damaged(what, { ...details, found: found ?? reason });
}

/** Checks that a record begins at `position`, so that one ends there. @throws {KvsError} of the disk. */
export async function assertRecordEnd(source: SegmentSource, position: number): Promise<void> {
  const step = await nextStep(new LogCursor({ source, from: position, chunkBytes: 4096 }));
  const isEnd = step.type === "fragment" && (step.flags & FIRST_FRAGMENT) !== 0;
  assert(isEnd, "a cut is at the end of a record");
}

/**
 * The newest segment whose first fragment begins a record: what lies before it was durable before
 * that segment was begun. Else the head.
 */
async function findWalkStart(source: TailSource, sabotage: Sabotage): Promise<number> {
  const options: Omit<CursorOptions, "from"> = { source, sabotage, chunkBytes: 4096 };
  let base = source.lastBegunBase();
  while (base > source.headBase) {
    const from = base + SEGMENT_HEADER_BYTES;
    const cursor = new LogCursor({ ...options, from });
    const step = await nextStep(cursor);
    if (step.type === "fragment") return from; // one that continues a record is not taken here
    base -= source.geometry.segmentBytes;
  }
  return base + SEGMENT_HEADER_BYTES;
}

async function nextStep(
  cursor: LogCursor,
): Promise<Exclude<ReturnType<LogCursor["step"]>, undefined>> {
  for (;;) {
    const step = cursor.step();
    if (step !== undefined) return step;
    await cursor.fill();
  }
}

async function walkToEnd(
  cursor: LogCursor,
  source: TailSource,
  from: number,
): Promise<{ readonly rejection: Rejection; readonly provenLsn: number }> {
  // A segment's header is as new as its first records, but for the head's.
  const base = from - SEGMENT_HEADER_BYTES;
  let provenLsn = base === source.headBase ? from : base;
  for (;;) {
    const step = await nextStep(cursor);
    if (step.type === "rejection") return { rejection: step, provenLsn };
    provenLsn = Math.max(provenLsn, step.start - step.syncedDistance);
  }
}

/** The search behind the end for sound fragments. */
class Lookahead {
  readonly #source: TailSource;
  readonly #end: number;
  readonly #epoch: number;
  readonly #chunk: Uint8Array;
  readonly #view: DataView;
  /** The header being looked at. */
  readonly #header: FragmentHeader = emptyHeader();
  /** Of any sound fragment or header found. */
  highestEpoch = 0;
  foundAny = false;

  /** @param end End of the last fragment taken. @param epoch Its epoch. */
  constructor(source: TailSource, end: number, epoch: number) {
    this.#source = source;
    this.#end = end;
    this.#epoch = epoch;
    this.#chunk = new Uint8Array(Math.min(CHUNK_BYTES, source.geometry.segmentBytes));
    this.#view = new DataView(this.#chunk.buffer);
  }

  /** @returns A position that proves that the end had been durable, if there is one. */
  async run(): Promise<number | undefined> {
    const { geometry, lastBase } = this.#source;
    const start = geometry.startAfter(this.#end);
    for (let base = geometry.baseOf(start); base <= lastBase; base += geometry.segmentBytes) {
      const proof = await this.#searchSegment(base, Math.max(start, base));
      if (proof !== undefined) return proof;
    }
    return undefined;
  }

  async #searchSegment(base: number, from: number): Promise<number | undefined> {
    const end = base + this.#source.geometry.segmentBytes;
    let position = from;
    while (end - position >= FRAGMENT_MIN_BYTES) {
      const count = Math.min(this.#chunk.length, end - position);
      const read = await this.#source.read(base, this.#chunk.subarray(0, count), position - base);
      this.#chunk.fill(0, read, count);
      if (position === base && this.#provesByHeader(base)) return base;
      let offset = this.#nextCandidate(0, count);
      for (; offset >= 0; offset = this.#nextCandidate(offset + 1, count)) {
        const found = await this.#verify(base, position + offset, position);
        if (found === undefined) continue;
        if (found.proven > this.#end && found.epoch >= this.#epoch) return found.proven;
      }
      position += Math.max(1, count - FRAGMENT_HEADER_BYTES + 1);
    }
    return undefined;
  }

  /** Rule 2. */
  #provesByHeader(base: number): boolean {
    const header = decodeSegmentHeader(this.#chunk);
    if (header === undefined || header.base !== base) return false;
    if (!isSameLog(header.logId, this.#source.identity.logId)) return false;
    this.highestEpoch = Math.max(this.highestEpoch, header.epoch);
    this.foundAny = true;
    return header.epoch >= this.#epoch && header.previousLsn > this.#end;
  }

  /**
   * The first offset from `from` on that looks like a header: a kind, sound flags, reserved bytes of
   * zero. Or -1.
   *
   * A hot loop: it runs over all that is left of the log, some 64 MiB or more. Of the four reserved
   * bytes at the end of a header the last is looked at first: one that is not zero rules out four
   * offsets. Measured: 0.1 s for 64 MiB of old records, 0.02 s for zeros.
   */
  #nextCandidate(from: number, count: number): number {
    const bytes = this.#chunk;
    const last = count - FRAGMENT_HEADER_BYTES;
    if (from === 0 && this.#isZero(count)) return -1;
    let offset = from;
    while (offset <= last) {
      if (bytes[offset + 31] !== 0) offset += 4;
      else if (bytes[offset + 12] === 0 || bytes[offset + 13]! > FLAGS_MAX) offset++;
      else if (bytes[offset + 14] !== 0 || bytes[offset + 15] !== 0) offset++;
      else if (this.#view.getUint32(offset + 28, true) !== 0) offset++;
      else return offset;
    }
    return -1;
  }

  #isZero(count: number): boolean {
    const words = new Uint32Array(this.#chunk.buffer, 0, count >>> 2);
    for (let at = 0; at < words.length; at++) if (words[at] !== 0) return false;
    for (let at = words.length * 4; at < count; at++) if (this.#chunk[at] !== 0) return false;
    return true;
  }

  /** Whether the bytes at `position` are a sound fragment in its place, and what it proves. */
  async #verify(
    base: number,
    position: number,
    chunkStart: number,
  ): Promise<{ readonly proven: number; readonly epoch: number } | undefined> {
    const { segmentBytes } = this.#source.geometry;
    const offset = position - chunkStart;
    const header = this.#header;
    const fault = readFragmentHeader(this.#view, offset, base + segmentBytes - position, header);
    if (fault !== undefined || !this.#isInPlace(header, base, position)) return undefined;
    const expected = storedChecksum(this.#view, offset);
    if ((await this.#checksum(base, position, header.length)) !== expected) return undefined;
    this.foundAny = true;
    this.highestEpoch = Math.max(this.highestEpoch, header.epoch);
    return { proven: position - header.syncedDistance, epoch: header.epoch };
  }

  #isInPlace(header: FragmentHeader, base: number, position: number): boolean {
    if (header.previousLsn === position) return true;
    if (position - base !== SEGMENT_HEADER_BYTES) return false;
    return header.previousLsn <= base && base - header.previousLsn < FRAGMENT_MIN_BYTES;
  }

  /** Reads the fragment anew, piece by piece: it may be longer than the chunk. */
  async #checksum(base: number, position: number, length: number): Promise<number> {
    const from = position - base + 4;
    const to = position - base + FRAGMENT_HEADER_BYTES + length;
    const piece = new Uint8Array(Math.min(to - from, CHUNK_BYTES));
    let checksum = this.#source.identity.seed;
    for (let at = from; at < to; at += piece.length) {
      const part = piece.subarray(0, Math.min(piece.length, to - at));
      const count = await this.#source.read(base, part, at);
      checksum = crc32(part.subarray(0, count), checksum);
    }
    return checksum;
  }
}
