import { type DiskErrorCode, KvsError, type Outcome } from "@kvs/env";

/** What the system's error names mean here; any other is `DISK_IO`. */
const CODES: ReadonlyMap<string, DiskErrorCode> = new Map([
  ["ENOENT", "DISK_NOT_FOUND"],
  ["ENOTDIR", "DISK_NOT_FOUND"],
  ["EEXIST", "DISK_EXISTS"],
  ["EACCES", "DISK_DENIED"],
  ["EPERM", "DISK_DENIED"],
  ["EISDIR", "DISK_DENIED"],
  ["ETXTBSY", "DISK_DENIED"],
  ["ENOSPC", "DISK_FULL"],
  ["EDQUOT", "DISK_FULL"],
  ["EFBIG", "DISK_FULL"],
  ["EROFS", "DISK_READ_ONLY"],
  ["EMFILE", "DISK_TOO_MANY_FILES"],
  ["ENFILE", "DISK_TOO_MANY_FILES"],
  ["ENOTEMPTY", "DISK_NOT_EMPTY"],
]);

const ADVICE: Readonly<Record<DiskErrorCode, string>> = {
  DISK_NOT_FOUND: "nothing has this name: check the path",
  DISK_EXISTS: "the name is taken: choose another, or remove what has it",
  DISK_DENIED: "the system refuses it: check owner, permissions and kind of the file",
  DISK_FULL: "no space is left, or a quota or size limit is reached: free space, then try again",
  DISK_IO: "the device or file system failed: look into the kernel's log",
  DISK_SYNC_FAILED: "what was written is perhaps not on disk: close the file, recover from the log",
  DISK_READ_ONLY: "the file or its file system is read-only: open or mount it for writing",
  DISK_TOO_MANY_FILES: "too many files are open: raise the limit (ulimit -n)",
  DISK_LOCKED: "another process uses it: stop that one first",
  DISK_NOT_EMPTY: "the directory still holds names: remove them first",
  DISK_CLOSED: "the file was closed by its user: open it again",
};

const RETRYABLE: readonly DiskErrorCode[] = ["DISK_FULL", "DISK_TOO_MANY_FILES"];

/** Where an error came from. */
export interface DiskFault {
  /** What was tried, as a verb: `open`, `write`. */
  readonly operation: string;
  readonly path: string;
  /** What is known of the effect. Default: "none". */
  readonly outcome?: Outcome;
}

/** Makes the error of one code, with the advice that belongs to it. */
export function diskError(
  code: DiskErrorCode,
  fault: DiskFault,
  cause?: unknown,
): KvsError<DiskErrorCode> {
  const errno = errnoOf(cause);
  const system = errno === undefined ? "" : ` (${errno})`;
  const message = `cannot ${fault.operation} "${fault.path}"${system}; ${ADVICE[code]}`;
  return new KvsError(code, message, {
    outcome: fault.outcome ?? "none",
    retryable: RETRYABLE.includes(code),
    details: {
      path: fault.path,
      operation: fault.operation,
      ...(errno !== undefined && { errno }),
    },
    ...(cause !== undefined && { cause }),
  });
}

/** Turns what node:fs reports into an error of the disk; one that already is stays as it is. */
export function fromSystemError(error: unknown, fault: DiskFault): KvsError<DiskErrorCode> {
  if (error instanceof KvsError) return error as KvsError<DiskErrorCode>;
  const errno = errnoOf(error);
  const code = errno === undefined ? undefined : CODES.get(errno);
  return diskError(code ?? "DISK_IO", fault, error);
}

/** The name of a system's error: `ENOSPC`; `undefined` for all other errors. */
export function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || error instanceof KvsError || !("code" in error)) {
    return undefined;
  }
  return typeof error.code === "string" ? error.code : undefined;
}
