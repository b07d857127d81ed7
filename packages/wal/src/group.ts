import { toLsn, type Lsn } from "./lsn.ts";

/** A group is written in one piece: enough to keep a disk busy, little enough to wait for. */
export const GROUP_BYTES_MAX: number = 4 << 20;

/** A stretch of the log, ready to be written. */
export interface Group {
  readonly bytes: Uint8Array;
  /** Position of `bytes[0]`. */
  readonly imageStart: number;
  /** Bytes of the image; `bytes` may be longer. */
  readonly imageBytes: number;
  /** Where it ends: durable once it is written. */
  readonly lsn: Lsn;
}

/** What is left of a group when the log ends at `position`, which lies behind its start. */
export function cutGroup(group: Group, position: number): Group {
  const imageBytes = Math.min(group.imageBytes, position - group.imageStart);
  return { ...group, imageBytes, lsn: toLsn(Math.min(group.lsn, position)) };
}
