import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";

/** Linux forgets clean pages of files, and names, when this is written here: proc(5). */
const DROP_CACHES = "/proc/sys/vm/drop_caches";
const EVERYTHING = "3";

/**
 * Makes the kernel forget what it knows of the disk's content, so that the next read is one of the
 * disk: of all that is not mapped by a process.
 *
 * @returns Whether it could: it takes Linux and the user root.
 */
export function dropPageCache(): boolean {
  try {
    execFileSync("sync");
    writeFileSync(DROP_CACHES, EVERYTHING);
    return true;
  } catch {
    return false;
  }
}

/** What a row that wants an empty page cache says about it. */
export function noteOnPageCache(isDropped: boolean): string {
  return isDropped
    ? "page cache emptied before each sample"
    : "page cache could not be emptied (that takes root on Linux): files may be in memory";
}
