import { type ErrorDetails, KvsError, isKvsError } from "@kvs/env";
import { PAGE_BYTES } from "./page-header.ts";

/**
 * Codes of the pager.
 *
 * - `PAGER_CORRUPT_PAGE`: a page on disk is not what was written there; restore it from a copy.
 * - `PAGER_NOT_AUTHENTIC`: a page is intact, but is not what was sealed under its key for its place; treat it as forged.
 * - `PAGER_KEY_UNKNOWN`: a page is sealed with a key that the caller does not have; open with the keys of this store.
 * - `PAGER_LOST_WRITE`: the disk has an older state of a page than was written; restore it from a copy.
 * - `PAGER_NO_HEADER`: neither copy of a page file's header is intact; restore the file from a copy.
 * - `PAGER_UNKNOWN_VERSION`: a page file has a format that this program does not know; use a newer one.
 * - `PAGER_WRITE_FAILED`: a page could not be written or synced, and nothing will be from now on.
 * - `PAGER_FILE_FULL`: the page file has as many pages as a page id can count.
 * - `PAGER_CLOSED`: the pager was closed before the call, or while it waited.
 */
export type PagerErrorCode =
  | "PAGER_CORRUPT_PAGE"
  | "PAGER_NOT_AUTHENTIC"
  | "PAGER_KEY_UNKNOWN"
  | "PAGER_LOST_WRITE"
  | "PAGER_NO_HEADER"
  | "PAGER_UNKNOWN_VERSION"
  | "PAGER_WRITE_FAILED"
  | "PAGER_FILE_FULL"
  | "PAGER_CLOSED";

/**
 * How a page gave itself away.
 *
 * `short`: the file ends before the page does. `checksum`: the bytes changed. The others passed the
 * checksum: `type` or `flags` are none that a page in this place has; `lsn` is none that a log can
 * have; `page-id` or `file-id`: it belongs elsewhere, so a write or a read went astray; `log-end`: the
 * log ends before what the page holds, so the log lost its end.
 */
export type CorruptionReason =
  | "checksum"
  | "type"
  | "flags"
  | "lsn"
  | "page-id"
  | "file-id"
  | "short"
  | "log-end";

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

/** @param keyId 0 if the page is plain, and must not be. */
export function notAuthentic(path: string, page: number, keyId: number): KvsError<PagerErrorCode> {
  const what = keyId === 0 ? "is not sealed" : `is not what was sealed with key ${keyId}`;
  const message = `page ${page} of ${path} ${what}; somebody may have changed it: restore a copy`;
  const details = { path, page, offset: page * PAGE_BYTES, keyId };
  return new KvsError("PAGER_NOT_AUTHENTIC", message, { outcome: "none", details });
}

export function keyUnknown(path: string, page: number, keyId: number): KvsError<PagerErrorCode> {
  const message = `page ${page} of ${path} needs key ${keyId}, which is not known; give its keys`;
  const details = { path, page, keyId };
  return new KvsError("PAGER_KEY_UNKNOWN", message, { outcome: "none", details });
}

export function lostWrite(
  path: string,
  page: number,
  expected: number,
  found: number,
): KvsError<PagerErrorCode> {
  const message =
    `page ${page} of ${path} was written with LSN ${expected}, and the disk has LSN ${found}; ` +
    "a write was lost: check the disk, and restore the page from a copy";
  const details = { path, page, offset: page * PAGE_BYTES, expected, found };
  return new KvsError("PAGER_LOST_WRITE", message, { outcome: "none", details });
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
