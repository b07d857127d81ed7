import { type DiskErrorCode, type ErrorDetails, KvsError, type Outcome } from "@kvs/env";

/** What each code tells its reader: what happened, and what to do. */
const MESSAGES: Readonly<Record<DiskErrorCode, string>> = {
  DISK_NOT_FOUND: "there is no file or directory of this name; check the path",
  DISK_EXISTS: "the name is taken; choose another or open without `exclusive`",
  DISK_DENIED: "the file system refuses this on such an object; check what the path names",
  DISK_FULL: "no space is left; free some and repeat",
  DISK_IO: "the device failed; the range may be lost, restore it from a copy",
  DISK_SYNC_FAILED: "a sync failed, nobody knows what is stored; close, and recover from the log",
  DISK_READ_ONLY: "the file was opened read-only; open it for writing",
  DISK_TOO_MANY_FILES: "the process has too many open files; close some and repeat",
  DISK_LOCKED: "another process holds this lock; stop it first",
  DISK_NOT_EMPTY: "the directory is not empty; remove what is in it first",
  DISK_CLOSED: "the file was closed; open it again",
};

const RETRYABLE: readonly DiskErrorCode[] = ["DISK_FULL", "DISK_TOO_MANY_FILES"];

/** An operating error of the simulated disk. */
export function diskError(
  code: DiskErrorCode,
  path: string,
  outcome: Outcome = "none",
  details: ErrorDetails = {},
): KvsError<DiskErrorCode> {
  return new KvsError(code, `${path}: ${MESSAGES[code]}`, {
    outcome,
    retryable: RETRYABLE.includes(code),
    details: { path, ...details },
  });
}
