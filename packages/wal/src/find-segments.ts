/**
 * Which segments a log's directory holds, whatever its files are called.
 *
 * Names can be stale: when a sync of the directory fails, a process that is started again sees names
 * that the disk does not have, writes into those files, and after a power cut they have their old
 * names again, `segment.new` included. So what a file *is* follows from its header, which is written
 * with its records:
 *
 * - A sound header with a base at or above the name's: the segment of that base has begun here. (A
 *   file only ever moves forward: a name below the header's base is one that the file had before.)
 * - No such header: a spare, prepared for the base of its name. A recycled one has the header of an
 *   older place.
 * - Marked as dropped: a stray. Its removal, or its renaming, was decided, and did not last.
 *
 * The segments must then follow one another without a gap. Two exceptions: of two files that have
 * begun at one base, the one of the older epoch is a stray, or a second name of the same file; and
 * spares behind a gap are strays if
 * there is another stray for each base that is missing, for it is the file that had that name.
 *
 * Source: Pillai et al., "All File Systems Are Not Created Equal" (OSDI 2014), on names that outlive
 * or precede their files.
 */
import { type Environment, type File, isKvsError, readFullyAt } from "@kvs/env";

import { compareBytes } from "@kvs/codec";
import { FRAGMENT_HEADER_BYTES } from "./record-format.ts";
import { type Sabotage } from "./sabotage.ts";
import {
  FORMAT_VERSION,
  SEGMENT_HEADER_BYTES,
  type SegmentHeader,
  decodeSegmentHeader,
  emptyDroppedHeader,
  isMarked,
  MARK_OFFSET,
  isSameLog,
} from "./segment-format.ts";
import {
  NEW_SEGMENT_NAME,
  RENEWING_SUFFIX,
  parseSegmentName,
  pathIn,
  segmentName,
} from "./segment-name.ts";
import { damaged, isNoSpace, unsupported } from "./wal-error.ts";

/** A file that holds, or will hold, a segment. */
export interface FoundSegment {
  readonly base: number;
  readonly path: string;
  readonly file: File;
  /** `undefined`: it has not begun. */
  readonly header: SegmentHeader | undefined;
}

export interface FoundSegments {
  /** In order of their bases, without gaps; the first has begun. */
  readonly segments: readonly FoundSegment[];
  /** Files that mean nothing any more. */
  readonly strays: readonly string[];
}

/** A file of the directory, with what its header and its name say. */
interface Candidate extends FoundSegment {
  readonly isStray: boolean;
}

/**
 * Opens the files of a log and finds out what they are. Changes nothing.
 *
 * @returns `undefined` if there is no log. The files are the caller's to close.
 * @throws {KvsError} `WAL_DAMAGED` if files are missing, of a wrong length, or of several logs;
 *   `WAL_UNSUPPORTED`; errors of the disk.
 */
export async function findSegments(
  environment: Environment,
  directory: string,
  readOnly: boolean,
  sabotage: Sabotage,
): Promise<FoundSegments | undefined> {
  const { disk } = environment;
  if ((await disk.stat(directory)) === undefined) return undefined;
  const candidates: Candidate[] = [];
  try {
    for (const name of await disk.list(directory)) {
      const nameBase = parseSegmentName(name);
      const isNew = name === NEW_SEGMENT_NAME && !sabotage.opensByName;
      if (nameBase === undefined && !isNew) continue;
      const file = await disk.open(pathIn(directory, name), { readOnly });
      candidates.push(
        await identify({ file, path: pathIn(directory, name), nameBase: nameBase ?? -1, sabotage }),
      );
    }
    const found = arrange(candidates, directory);
    for (const { segments, strays } of found === undefined ? [] : [found]) {
      await checkLengths(segments);
      if (strays.length > 0) environment.hooks.probe("wal.stray-files");
    }
    await closeOthers(candidates, found);
    return found;
  } catch (error) {
    for (const { file } of candidates) await file.close();
    throw error;
  }
}

interface Opened {
  readonly file: File;
  readonly path: string;
  /** -1: the file has the name of one that is being made. */
  readonly nameBase: number;
  readonly sabotage: Sabotage;
}

async function identify({ file, path, nameBase, sabotage }: Opened): Promise<Candidate> {
  try {
    const bytes = new Uint8Array(SEGMENT_HEADER_BYTES + FRAGMENT_HEADER_BYTES);
    await readFullyAt(file, bytes, 0);
    const header = decodeSegmentHeader(bytes);
    if (header !== undefined && header.version !== FORMAT_VERSION) {
      throw unsupported(path, header.version);
    }
    return { path, file, ...classify(bytes, header, nameBase, sabotage) };
  } catch (error) {
    await file.close();
    throw error;
  }
}

function classify(
  bytes: Uint8Array,
  header: SegmentHeader | undefined,
  nameBase: number,
  sabotage: Sabotage,
): Pick<Candidate, "base" | "header" | "isStray"> {
  const asFound = { base: nameBase, header: undefined };
  if (header === undefined) {
    const isGone =
      compareBytes(bytes.subarray(0, SEGMENT_HEADER_BYTES), emptyDroppedHeader()) === 0;
    return { ...asFound, isStray: nameBase < 0 || isGone };
  }
  const isDropped = isMarked(bytes, MARK_OFFSET) && !sabotage.opensByName;
  const isOwn = nameBase < 0 ? hasRecord(bytes) : header.base >= nameBase;
  const isBegun = sabotage.opensByName ? header.base === nameBase : isOwn;
  if (isBegun && !isDropped) return { base: header.base, header, isStray: false };
  // A spare that was recycled has the marked header of an older place; one that has its own name
  // should be gone.
  return { ...asFound, isStray: nameBase < 0 || (isDropped && header.base >= nameBase) };
}

/** A segment begins with its first records; only that of a log being made has none yet. */
function hasRecord(bytes: Uint8Array): boolean {
  return bytes.subarray(SEGMENT_HEADER_BYTES).some((byte) => byte !== 0);
}

/** @throws {KvsError} `WAL_DAMAGED`. */
function arrange(candidates: readonly Candidate[], directory: string): FoundSegments | undefined {
  const { segments, strays } = chooseRivals(candidates);
  const head = segments[0];
  if (head === undefined) return undefined;
  if (head.header === undefined) throw headDamaged(head.path);
  const { segmentBytes, logId } = head.header;
  for (const { header, path } of segments) {
    if (header !== undefined && !isSameLog(header.logId, logId)) {
      throw damaged(`${path} belongs to another log`, { path, offset: 16 });
    }
  }
  const gap = segments.findIndex(({ base }, at) => base !== head.base + at * segmentBytes);
  if (gap < 0) return { segments, strays };
  const behind = segments.slice(gap);
  const expected = head.base + gap * segmentBytes;
  const missing = (behind[0]!.base - expected) / segmentBytes;
  if (behind.some(({ header }) => header !== undefined) || missing > strays.length) {
    throw segmentMissing(pathIn(directory, segmentName(expected)), expected, behind[0]!);
  }
  return { segments: segments.slice(0, gap), strays: [...strays, ...behind.map((it) => it.path)] };
}

/** One file for each base, in order. */
function chooseRivals(candidates: readonly Candidate[]): {
  readonly segments: readonly Candidate[];
  readonly strays: readonly string[];
} {
  const kept = new Map<number, Candidate>();
  const strays: string[] = [];
  for (const candidate of candidates.toSorted((one, other) => one.base - other.base)) {
    if (candidate.isStray) strays.push(candidate.path);
    else {
      const rival = kept.get(candidate.base);
      const winner = rival === undefined ? candidate : newerOf(rival, candidate);
      if (rival !== undefined) strays.push((winner === rival ? candidate : rival).path);
      kept.set(candidate.base, winner);
    }
  }
  return { segments: [...kept.values()], strays };
}

/**
 * Which of two files for one base is in use. Two of one epoch are one file under two names: what
 * begins a segment anew has a newer epoch.
 */
function newerOf(one: Candidate, other: Candidate): Candidate {
  if (one.header === undefined) return other;
  if (other.header === undefined) return one;
  if (one.header.epoch === other.header.epoch) {
    return one.path.endsWith(segmentName(one.base)) ? one : other;
  }
  return one.header.epoch > other.header.epoch ? one : other;
}

async function checkLengths(segments: readonly FoundSegment[]): Promise<void> {
  const expected = segments[0]!.header!.segmentBytes;
  for (const { file, path } of segments) {
    const found = await file.size();
    if (found === expected) continue;
    const details = { path, offset: found, expected, found };
    throw damaged(`${path} is ${found} bytes long instead of ${expected}`, details);
  }
}

async function closeOthers(
  candidates: readonly Candidate[],
  found: FoundSegments | undefined,
): Promise<void> {
  const kept = new Set(found?.segments.map(({ file }) => file));
  for (const { file } of candidates) if (!kept.has(file)) await file.close();
}

/**
 * Gives every file the name of its segment for certain, and removes strays: durable when this returns.
 * A crash in between leaves what `findSegments` understands.
 *
 * Also names that seem right are renewed: if an earlier process failed to sync the directory, the
 * system may show a name that the disk will never get, unless it is changed once more.
 */
export async function repairNames(
  environment: Environment,
  directory: string,
  found: FoundSegments,
): Promise<readonly FoundSegment[]> {
  const { disk } = environment;
  const names = found.segments.map(({ base }) => pathIn(directory, segmentName(base)));
  // The last one first, and one at a time: a name that is needed may belong to a file that itself
  // belongs further on, and has to have left it for good.
  for (const [at, { path }] of [...found.segments.entries()].toReversed()) {
    if (path === names[at]) continue;
    environment.hooks.probe("wal.stale-name");
    await disk.rename(path, names[at]!);
    await disk.syncDirectory(directory);
  }
  for (const path of found.strays) {
    // A stray with the name of a segment was replaced just now.
    if (!names.includes(path)) await unlinkIfThere(environment, path);
  }
  for (const [at, name] of names.entries()) names[at] = await renewName(environment, name);
  await disk.syncDirectory(directory);
  return found.segments.map((segment, at) => ({ ...segment, path: names[at]! }));
}

/** @returns The name that the file has then. */
async function renewName(environment: Environment, name: string): Promise<string> {
  const { disk } = environment;
  const between = name + RENEWING_SUFFIX;
  let renewed = name;
  try {
    await disk.rename(name, between);
    renewed = between;
    await disk.rename(between, name);
    return name;
  } catch (error) {
    // A full disk must not keep a log from opening. Only a sync that failed before would matter.
    if (!isNoSpace(error)) throw error;
    environment.trace.event("warn", "wal", "no space to renew the name of a segment");
    return renewed;
  }
}

async function unlinkIfThere(environment: Environment, path: string): Promise<void> {
  try {
    await environment.disk.unlink(path);
  } catch (error) {
    if (!isKvsError(error, "DISK_NOT_FOUND")) throw error;
  }
}

/** The head has begun, whatever happened: it holds what is durable, or the header of a new log. */
function headDamaged(path: string): Error {
  return damaged(`the log's first segment ${path} has no sound header`, { path, offset: 0 });
}

function segmentMissing(path: string, expected: number, next: FoundSegment): Error {
  const details = { path, offset: 0, expected, found: next.base };
  return damaged(`${path} is missing, but ${next.path} is there`, details);
}
