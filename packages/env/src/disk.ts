/**
 * Files, as a database needs them. Both environments pass one conformance suite (`@kvs/sim`).
 *
 * What a crash (power cut, or the kernel's death) keeps:
 *
 * 1. Bytes of a file are durable once `datasync` or `writeDurableAt` was answered for them, with
 *    the file length that makes them reachable. A write that was not synced may survive whole, in
 *    part (any set of 512-byte sectors), as zeros or garbage in the range written, or not at all,
 *    and in any order against other such writes, also of other files.
 * 2. A name (made by `open` with `create`, `rename`, `unlink`, `makeDirectory`) is durable once
 *    `syncDirectory` was answered for the directory that holds it. Before that, any set of the
 *    pending changes may survive. A rename over an existing name is atomic: the old file or the
 *    new one, never neither.
 * 3. The death of the process alone loses nothing that was answered.
 *
 * What an error means:
 *
 * 4. After a failed sync nobody knows what the disk holds, and the next sync would lie. The `File`
 *    is unusable from then on: every call but `close` answers `DISK_SYNC_FAILED`.
 * 5. After a failed or short write the range written holds any mixture of old and new bytes.
 * 6. Errors are `KvsError` with a code of {@link DiskErrorCode}; `details.path` names the file.
 *
 * Buffers given to a call belong to the disk until its promise settles: it may read or fill them at
 * any moment up to then. Calls on one file may overlap and take effect in any order, unless the
 * caller waits.
 *
 * Paths use "/" and are relative to the environment's root or absolute. Names are case-sensitive.
 */
export interface Disk {
  /**
   * Opens a file.
   *
   * @throws {KvsError} `DISK_NOT_FOUND`; `DISK_EXISTS` with `create: "exclusive"`; `DISK_DENIED`;
   *   `DISK_TOO_MANY_FILES`; `DISK_FULL`; `DISK_IO`.
   */
  open(path: string, options?: OpenOptions): Promise<File>;
  /** Gives the file a new name, replacing what had it. Durable after `syncDirectory` of both. */
  rename(from: string, to: string): Promise<void>;
  /** Removes a name. The bytes stay readable through files still open. */
  unlink(path: string): Promise<void>;
  /** Names in a directory, without the path, sorted by code unit. */
  list(directory: string): Promise<string[]>;
  /** Makes a directory and the missing ones above it; an existing one is fine. */
  makeDirectory(path: string): Promise<void>;
  /** Removes an empty directory. */
  removeDirectory(path: string): Promise<void>;
  /** What has this name, or `undefined`. */
  stat(path: string): Promise<FileStat | undefined>;
  /** Forces the names in a directory to stable storage. A failure is final, as with `datasync`. */
  syncDirectory(path: string): Promise<void>;
  /**
   * Takes an exclusive lock that lives as long as this process, or until released. A lock whose
   * owner died is taken over at once, also if the owner's process id is in use again.
   *
   * @param path The lock's file; made if absent, left in place when released.
   * @throws {KvsError} `DISK_LOCKED`, with `details.owner` (its process id) where known.
   */
  lock(path: string): Promise<FileLock>;
  /** Bytes that can still be written below this path, and in all, as far as known. */
  space(path: string): Promise<DiskSpace>;
}

export interface OpenOptions {
  /** `false` (default): must exist; `true`: made if absent; `"exclusive"`: must not exist. */
  readonly create?: boolean | "exclusive";
  /** Refuse writes. Default: false. */
  readonly readOnly?: boolean;
}

export interface FileStat {
  readonly type: "file" | "directory";
  readonly sizeBytes: number;
}

export interface DiskSpace {
  readonly freeBytes: number;
  readonly totalBytes: number;
}

export interface FileLock {
  /** Gives the lock up. A second call does nothing. */
  release(): Promise<void>;
}

/** An open file. Positions and lengths are bytes; a position is an integer in [0, 2^53). */
export interface File {
  readonly path: string;
  /** Its length now, with what was written and not yet synced. */
  size(): Promise<number>;
  /**
   * Reads from `position` into `target`.
   *
   * @returns How many bytes were read: at least 1, at most `target.length`, and 0 only at or past
   *   the end of the file. It may be fewer than asked: use {@link readFullyAt}.
   * @throws {KvsError} `DISK_IO`.
   */
  readAt(target: Uint8Array, position: number): Promise<number>;
  /** `readAt`, blocking the event loop: for a cache miss inside synchronous code. */
  readAtSync(target: Uint8Array, position: number): number;
  /**
   * Writes `source` at `position`, growing the file where needed (a gap reads as zeros).
   *
   * @returns How many bytes were written, at least 1; may be fewer than asked: use
   *   {@link writeFullyAt}.
   * @throws {KvsError} `DISK_FULL`, `DISK_IO`, `DISK_READ_ONLY`.
   */
  writeAt(source: Uint8Array, position: number): Promise<number>;
  /**
   * Writes all of `source` at `position`; when answered, these bytes are durable, as if by
   * `writeAt` and `datasync`, but other pending writes need not be. The fastest durable write the
   * environment has. One such call at a time for a file.
   *
   * @throws {KvsError} `DISK_FULL`: nothing is durable, the file stays usable. `DISK_SYNC_FAILED`:
   *   see 4 above.
   */
  writeDurableAt(source: Uint8Array, position: number): Promise<void>;
  /**
   * Forces every write answered before this call, and the length, to stable storage.
   *
   * @throws {KvsError} `DISK_SYNC_FAILED`; never retry.
   */
  datasync(): Promise<void>;
  /** Cuts the file to `sizeBytes`, or lengthens it with zeros. Durable after `datasync`. */
  truncate(sizeBytes: number): Promise<void>;
  /**
   * Writes real zeros from `from` to `to` and makes them durable, so that a later write there
   * changes no metadata and a sync of it is a pure overwrite.
   *
   * @throws {KvsError} `DISK_FULL`: the file keeps an undefined length between the old and `to`.
   */
  allocate(from: number, to: number): Promise<void>;
  /** Waits for calls under way, then closes. Syncs nothing. A second call does nothing. */
  close(): Promise<void>;
}

/**
 * Codes of the disk.
 *
 * - `DISK_NOT_FOUND`: no file or directory has this name.
 * - `DISK_EXISTS`: the name is taken, and it was to be made anew.
 * - `DISK_DENIED`: the system does not let this process do it; check owner and permissions.
 * - `DISK_FULL` (retryable): there is no space left, or a quota is used up; free some.
 * - `DISK_IO`: the device failed to read or write; the bytes are in doubt.
 * - `DISK_SYNC_FAILED`: written bytes may not be durable, and the file is unusable from now on.
 * - `DISK_READ_ONLY`: a write to a file that was opened for reading.
 * - `DISK_TOO_MANY_FILES` (retryable): the process or the system has too many files open.
 * - `DISK_LOCKED`: another process holds the lock.
 * - `DISK_NOT_EMPTY`: the directory to remove still holds names.
 * - `DISK_CLOSED`: the file, or the whole disk, was closed before the call.
 */
export type DiskErrorCode =
  | "DISK_NOT_FOUND"
  | "DISK_EXISTS"
  | "DISK_DENIED"
  | "DISK_FULL"
  | "DISK_IO"
  | "DISK_SYNC_FAILED"
  | "DISK_READ_ONLY"
  | "DISK_TOO_MANY_FILES"
  | "DISK_LOCKED"
  | "DISK_NOT_EMPTY"
  | "DISK_CLOSED";

/**
 * Reads until `target` is full or the file ends.
 *
 * @returns Bytes read; fewer than `target.length` only at the end of the file.
 */
export async function readFullyAt(
  file: File,
  target: Uint8Array,
  position: number,
): Promise<number> {
  let done = 0;
  while (done < target.length) {
    const count = await file.readAt(done === 0 ? target : target.subarray(done), position + done);
    if (count === 0) break;
    done += count;
  }
  return done;
}

/** {@link readFullyAt}, blocking the event loop. */
export function readFullyAtSync(file: File, target: Uint8Array, position: number): number {
  let done = 0;
  while (done < target.length) {
    const count = file.readAtSync(done === 0 ? target : target.subarray(done), position + done);
    if (count === 0) break;
    done += count;
  }
  return done;
}

/** Writes all of `source`, however short the single writes are. */
export async function writeFullyAt(
  file: File,
  source: Uint8Array,
  position: number,
): Promise<void> {
  let done = 0;
  while (done < source.length) {
    done += await file.writeAt(done === 0 ? source : source.subarray(done), position + done);
  }
}
