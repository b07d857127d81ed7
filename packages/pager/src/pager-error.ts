import { type ErrorDetails, KvsError, isKvsError } from "@kvs/env";

/**
 * Codes of the pager.
 *
 * - `PAGER_CORRUPT_PAGE`: a page on disk is not what was written there; restore it from a copy.
 * - `PAGER_NO_HEADER`: neither copy of a page file's header is intact; restore the file from a copy.
 * - `PAGER_UNKNOWN_VERSION`: a page file has a format that this program does not know; use a newer one.
 * - `PAGER_WRITE_FAILED`: a page could not be written or synced, and nothing will be from now on.
 * - `PAGER_FILE_FULL`: the page file has as many pages as a page id can count.
 * - `PAGER_CLOSED`: the pager was closed before the call, or while it waited.
 */
export type PagerErrorCode =
  | "PAGER_CORRUPT_PAGE"
  | "PAGER_NO_HEADER"
  | "PAGER_UNKNOWN_VERSION"
  | "PAGER_WRITE_FAILED"
  | "PAGER_FILE_FULL"
  | "PAGER_CLOSED";

/**
 * How a page gave itself away.
 *
 * `short`: the file ends before the page does. `checksum`: the bytes changed. The others passed the
 * checksum: `type` is none that exists; `page-id` or `file-id`: it belongs elsewhere, so a write or
 * a read went astray.
 */
export type CorruptionReason = "checksum" | "type" | "page-id" | "file-id" | "short";

/** What is wrong with a page, in numbers. */
export interface PageFault {
  readonly reason: CorruptionReason;
  readonly expected: number;
  readonly found: number;
}

export function corruptPage(
  path: string,
  page: number,
  offset: number,
  fault: PageFault,
): KvsError<PagerErrorCode> {
  const { reason, expected, found } = fault;
  const message = `page ${page} of ${path} is damaged (${reason}); restore it from a copy`;
  const details = { path, page, offset, expected, found, reason };
  return new KvsError("PAGER_CORRUPT_PAGE", message, { outcome: "none", details });
}

export function noHeader(path: string): KvsError<PagerErrorCode> {
  const message = `neither header of ${path} is intact; restore the file from a copy`;
  return new KvsError("PAGER_NO_HEADER", message, { outcome: "none", details: { path } });
}

export function unknownVersion(
  path: string,
  found: number,
  known: number,
): KvsError<PagerErrorCode> {
  const message = `${path} has format ${found}, this program knows ${known}; use a newer program`;
  const details = { path, found, known };
  return new KvsError("PAGER_UNKNOWN_VERSION", message, { outcome: "none", details });
}

/** The end of a pager in this process. The log still has everything. */
export function writeFailed(path: string, cause: unknown): KvsError<PagerErrorCode> {
  const message =
    `a page of ${path} could not be written, and nothing more will be; ` +
    "end the process, check the disk, and recover from the log";
  const details: ErrorDetails = isKvsError(cause) ? { path, reported: cause.code } : { path };
  return new KvsError("PAGER_WRITE_FAILED", message, { outcome: "unknown", details, cause });
}

export function fileFull(path: string, pages: number): KvsError<PagerErrorCode> {
  const message = `${path} has ${pages} pages, and page ids end there; move data to another store`;
  return new KvsError("PAGER_FILE_FULL", message, { outcome: "none", details: { path, pages } });
}

export function closed(path: string): KvsError<PagerErrorCode> {
  const message = `the pager of ${path} is closed; open it again`;
  return new KvsError("PAGER_CLOSED", message, { outcome: "none", details: { path } });
}

/** No room to grow, and nothing happened. */
export function diskFull(path: string, cause: unknown): KvsError<"DISK_FULL"> {
  const message = `${path} cannot grow, no space is left; free some and repeat`;
  const details = { path };
  return new KvsError("DISK_FULL", message, { outcome: "none", retryable: true, details, cause });
}
