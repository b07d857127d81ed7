/**
 * An exclusive lock on a name, kept by the kernel and therefore never stale.
 *
 * Node has no call that locks a file. It has SQLite, and SQLite locks byte ranges (`fcntl`, or
 * `LockFileEx` on Windows) for its own transactions: `BEGIN IMMEDIATE` on an empty database takes
 * one such lock, on the byte 0x40000001, and writes nothing. So the lock's file stays empty, and
 *
 * 1. one attempt is one system call: of any number of contenders exactly one succeeds;
 * 2. the kernel gives the lock up when its owner ends, however that happens, before anyone who waits
 *    for that process learns of its end;
 * 3. it belongs to the inode, not to a process id: neither a reused id nor two containers whose ids
 *    mean different things on a shared volume can deceive it.
 *
 * A process id written into a file, the usual way, has none of the three: its owner cannot be told
 * from a later process without start times and boot ids, across containers not at all, and taking
 * over is a race. An abstract socket has 1 and 2, but ends at the network namespace.
 *
 * What to know: POSIX drops such a lock as soon as its process closes any other descriptor of the
 * file, so nothing here opens the file but SQLite, and `NodeDisk.open` refuses a name it has locked.
 * Network file systems without locks refuse (`DISK_IO`); NFS needs its lock service.
 *
 * Source: https://www.sqlite.org/lockingv3.html; fcntl(2), "Advisory record locking".
 */
import { type DiskErrorCode, type FileLock, KvsError } from "@kvs/env";
import { readFile, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { type DatabaseSync } from "node:sqlite";
import { diskError, fromSystemError } from "./disk-error.ts";

/** The byte that SQLite locks for a writer; `/proc/locks` shows it as the start of the range. */
const RESERVED_BYTE = 0x4000_0001;

/** Result codes of SQLite: https://www.sqlite.org/rescode.html. */
const SQLITE_BUSY = 5;
const SQLITE_CANTOPEN = 14;
const DISK_CODES: ReadonlyMap<number | undefined, DiskErrorCode> = new Map([
  [3, "DISK_DENIED"], // PERM
  [8, "DISK_READ_ONLY"], // READONLY
  [13, "DISK_FULL"], // FULL
  [23, "DISK_DENIED"], // AUTH
]);

/**
 * Locks the file at `path`, or fails at once.
 *
 * @param path As the system knows it: absolute, or relative to the current directory.
 * @throws {KvsError} `DISK_LOCKED`, `DISK_NOT_FOUND`, `DISK_DENIED`, `DISK_READ_ONLY`, `DISK_FULL`,
 *   `DISK_IO`.
 */
export async function lockFile(path: string): Promise<FileLock> {
  // Loaded late: programs that lock nothing need no SQLite (and no notice that it is young).
  const { DatabaseSync } = await import("node:sqlite");
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path);
    database.exec("BEGIN IMMEDIATE");
    return new HeldLock(database);
  } catch (error) {
    database?.close();
    throw await lockError(error, path);
  }
}

/** Holds the lock as long as its transaction is open. */
class HeldLock implements FileLock {
  #database: DatabaseSync | undefined;

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  release(): Promise<void> {
    const database = this.#database;
    this.#database = undefined;
    database?.exec("ROLLBACK");
    database?.close();
    return Promise.resolve();
  }
}

/** @param owner The owner's process id, where known. */
export function lockedError(path: string, owner: number | undefined): KvsError<"DISK_LOCKED"> {
  const who = owner === undefined ? "another process" : `process ${owner}`;
  return new KvsError(
    "DISK_LOCKED",
    `"${path}" is locked by ${who}; stop it, or use another directory`,
    { outcome: "none", details: owner === undefined ? { path } : { path, owner } },
  );
}

async function lockError(error: unknown, path: string): Promise<KvsError> {
  const code = sqliteCode(error);
  if (code === SQLITE_BUSY) return lockedError(path, await ownerOf(path));
  if (code === SQLITE_CANTOPEN) return cannotOpen(error, path);
  return diskError(DISK_CODES.get(code) ?? "DISK_IO", { operation: "lock", path }, error);
}

/** SQLite does not say why; the directory does. */
async function cannotOpen(error: unknown, path: string): Promise<KvsError> {
  const fault = { operation: "lock", path };
  try {
    await stat(dirname(path));
  } catch (missing) {
    return fromSystemError(missing, fault);
  }
  return diskError("DISK_DENIED", fault, error);
}

/** The primary result code of an error of node:sqlite. */
function sqliteCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !("errcode" in error)) return undefined;
  return typeof error.errcode === "number" ? error.errcode & 0xff : undefined;
}

/** The process that holds the lock, where the kernel tells (Linux) and the id means something here. */
async function ownerOf(path: string): Promise<number | undefined> {
  try {
    const [{ ino }, table] = await Promise.all([stat(path), readFile("/proc/locks", "utf8")]);
    return ownerIn(table, ino);
  } catch {
    return undefined; // no such table here, or the file went away: the name of the owner is a courtesy
  }
}

/**
 * Finds the owner of SQLite's write lock on an inode in the text of `/proc/locks`:
 *
 *     1: POSIX  ADVISORY  WRITE 7404 fe:00:2146466 1073741825 1073741825
 */
export function ownerIn(table: string, inode: number): number | undefined {
  for (const line of table.split("\n")) {
    const [, kind, , access, process, place, from] = line.trim().split(/\s+/);
    const isOurs = kind === "POSIX" && access === "WRITE" && place?.endsWith(`:${inode}`) === true;
    if (isOurs && Number(from) === RESERVED_BYTE && Number(process) > 0) return Number(process);
  }
  return undefined;
}
