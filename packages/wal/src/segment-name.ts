import { assert } from "@kvs/env";

/**
 * Names of the files in a log's directory.
 *
 *     00000000000067108864.wal   the segment whose first byte has this position
 *     00000000000067108864.wal.named   the same, for the moment in which its name is renewed
 *     segment.new                a segment being zero-filled; renamed when it is whole
 *     repair, repair.new         an intent of recovery or of a cut (see repair-file.ts)
 *
 * Twenty digits hold every 64-bit position, so names sort as their bases do.
 */
const BASE_DIGITS = 20;
const NAME_PATTERN = /^(\d{20})\.wal(?:\.named)?$/;

/** Behind the name of a segment: its name is being renewed. */
export const RENEWING_SUFFIX = ".named";

/** Where a segment is zero-filled before it gets its name. */
export const NEW_SEGMENT_NAME = "segment.new";
/** The intent of a repair. */
export const REPAIR_NAME = "repair";
/** Where that intent is written before it gets its name. */
export const NEW_REPAIR_NAME = "repair.new";

/** The file name of the segment that begins at position `base`. */
export function segmentName(base: number): string {
  assert(Number.isSafeInteger(base) && base >= 0, "a segment begins at a position");
  return `${String(base).padStart(BASE_DIGITS, "0")}.wal`;
}

/** The base that a file name tells, or `undefined` if it is not the name of a segment. */
export function parseSegmentName(name: string): number | undefined {
  const match = NAME_PATTERN.exec(name);
  if (match === null) return undefined;
  const base = Number(match[1]);
  return Number.isSafeInteger(base) ? base : undefined;
}

/** `name` in `directory`. */
export function pathIn(directory: string, name: string): string {
  return directory === "" || directory.endsWith("/") ? directory + name : `${directory}/${name}`;
}

/** The directory that holds `path`; "." for a bare name, "/" for a name at the root. */
export function parentOf(path: string): string {
  let end = path.length;
  while (end > 1 && path.endsWith("/", end)) end--;
  const slash = path.lastIndexOf("/", end - 1);
  if (slash < 0) return ".";
  return slash === 0 ? "/" : path.slice(0, slash);
}
