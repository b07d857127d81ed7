import { KvsError, type ErrorDetails, isKvsError } from "@kvs/env";

/**
 * Codes of the log.
 *
 * - `WAL_CLOSED`: the log was closed before the call.
 * - `WAL_DAMAGED`: bytes of the log that had been durable are not what was written, or missing; nothing was cut. Restore them from a replica or a backup.
 * - `WAL_DISCARDED`: the record waited for was cut off by `truncateAfter`.
 * - `WAL_DISK_FULL` (retryable): there is no space for the next segment; what was appended stays buffered. Free some and sync again, or cut it off.
 * - `WAL_KEY_UNKNOWN`: a record is sealed with a key that was not given, or was destroyed. Open the log with the keys that it was written with.
 * - `WAL_NOT_AUTHENTIC`: a sealed record is not what was written in its place under that key, though its checksum is right: it was changed or moved on purpose, or the key is a wrong one.
 * - `WAL_POSITIONS_USED_UP`: the positions of this log have come to 2^53; begin a new one.
 * - `WAL_RECORD_TOO_LARGE`: a record is longer than `maxRecordBytes`.
 * - `WAL_SYNC_FAILED`: the log could not be made durable and accepts nothing more. End the process, check the disk, open it again.
 * - `WAL_TRUNCATED`: the records asked for were dropped by `truncateBefore`.
 * - `WAL_UNSUPPORTED`: a newer program wrote the log.
 */
export type WalErrorCode =
  | "WAL_CLOSED"
  | "WAL_RECORD_TOO_LARGE"
  | "WAL_DISK_FULL"
  | "WAL_SYNC_FAILED"
  | "WAL_DAMAGED"
  | "WAL_TRUNCATED"
  | "WAL_DISCARDED"
  | "WAL_KEY_UNKNOWN"
  | "WAL_NOT_AUTHENTIC"
  | "WAL_POSITIONS_USED_UP"
  | "WAL_UNSUPPORTED";

/** The log was closed before the call. */
export function closed(): KvsError<WalErrorCode> {
  const message = "the log is closed; open it again";
  return new KvsError("WAL_CLOSED", message, { outcome: "none" });
}

export function recordTooLarge(length: number, max: number): KvsError<WalErrorCode> {
  const message = `a record of ${length} bytes exceeds the limit of ${max}; split it`;
  const details = { bytes: length, maxRecordBytes: max };
  return new KvsError("WAL_RECORD_TOO_LARGE", message, { outcome: "none", details });
}

/**
 * No room, or no file descriptor, for the next segment. The records stay buffered and go with the next `sync`: until they
 * are cut off, they may yet become durable.
 */
export function diskFull(cause: unknown, outcome: "none" | "unknown"): KvsError<WalErrorCode> {
  const message =
    "no space for the next segment of the log; free some and sync again, or cut the records off";
  return new KvsError("WAL_DISK_FULL", message, { outcome, retryable: true, cause });
}

/** The end of a log in this process. What was not durable before may be, or may not. */
export function syncFailed(cause: unknown, outcome: "none" | "unknown"): KvsError<WalErrorCode> {
  const message =
    "the log could not be made durable and accepts nothing more; " +
    "end the process, check the disk, and open the log again";
  const details = isKvsError(cause) ? { ...cause.details, reported: cause.code } : {};
  return new KvsError("WAL_SYNC_FAILED", message, { outcome, cause, details });
}

/** Bytes that were durable are not what was written. Never repaired in silence. */
export function damaged(what: string, details: ErrorDetails): KvsError<WalErrorCode> {
  const message = `${what}; restore the log from a backup or a replica, do not delete it`;
  return new KvsError("WAL_DAMAGED", message, { outcome: "none", details });
}

/** Which sealed fragment an error is about. */
export interface SealedPlace {
  readonly path: string;
  readonly offset: number;
  readonly position: number;
  readonly keyId: number;
}

/** A record can be read only with a key that nobody gave. */
export function keyUnknown(place: SealedPlace): KvsError<WalErrorCode> {
  const message =
    `the record in ${place.path} at offset ${place.offset} is sealed with key ${place.keyId}, ` +
    "which is not known; open the log with the keys that it was written with";
  return new KvsError("WAL_KEY_UNKNOWN", message, { outcome: "none", details: { ...place } });
}

/** The key for new records is not among the keys. */
export function currentKeyUnknown(keyId: number): KvsError<WalErrorCode> {
  const message = `records are to be sealed with key ${keyId}, which is not known; nothing was appended`;
  return new KvsError("WAL_KEY_UNKNOWN", message, { outcome: "none", details: { keyId } });
}

/** A sealed record with a sound checksum is not what was sealed in its place. */
export function notAuthentic(place: SealedPlace): KvsError<WalErrorCode> {
  const message =
    `the record in ${place.path} at offset ${place.offset} is not what was sealed there with key ` +
    `${place.keyId}; look for who may write to the disk, and restore the log from a backup or a replica`;
  return new KvsError("WAL_NOT_AUTHENTIC", message, { outcome: "none", details: { ...place } });
}

/** The records asked for were dropped by `truncateBefore`. */
export function truncated(position: number, head: number): KvsError<WalErrorCode> {
  const message = `position ${position} lies before the log's head ${head}: it was truncated`;
  return new KvsError("WAL_TRUNCATED", message, { outcome: "none", details: { position, head } });
}

/** The record waited for was cut off by `truncateAfter`, or never written before `close`. */
export function discarded(lsn: number, position: number): KvsError<WalErrorCode> {
  const message = `the record at ${lsn} was cut off: the log was truncated after ${position}`;
  return new KvsError("WAL_DISCARDED", message, { outcome: "none", details: { lsn, position } });
}

export function positionsUsedUp(position: number): KvsError<WalErrorCode> {
  const message = "positions end at 2^53: begin a new log from a checkpoint";
  const options = { outcome: "none", details: { position } } as const;
  return new KvsError("WAL_POSITIONS_USED_UP", message, options);
}

export function unsupported(path: string, version: number): KvsError<WalErrorCode> {
  const message = `${path} has format ${version}, which this program does not know; use a newer one`;
  return new KvsError("WAL_UNSUPPORTED", message, { outcome: "none", details: { path, version } });
}

/** Failures that end when space, or a file descriptor, is free again; nothing was made durable. */
export function isNoSpace(error: unknown): boolean {
  return isKvsError(error, "DISK_FULL", "DISK_TOO_MANY_FILES");
}
