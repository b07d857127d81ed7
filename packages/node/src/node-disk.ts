import {
  type Disk,
  type DiskErrorCode,
  type DiskSpace,
  type File,
  type FileLock,
  type FileStat,
  type KvsError,
  type OpenOptions,
  type Outcome,
  type Trace,
} from "@kvs/env";
import { constants } from "node:fs";
import * as fs from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { diskError, errnoOf, fromSystemError } from "./disk-error.ts";
import { lockFile, lockedError } from "./file-lock.ts";
import { openNodeFile } from "./node-file.ts";

/** A database's files are its user's own; who wants to share them changes the mode afterwards. */
const FILE_MODE = 0o600;
const DIRECTORY_MODE = 0o700;

/**
 * The host's file system, below a root for relative paths.
 *
 * Sound on Linux with a local file system, which is where it is tested. On macOS a sync reaches the
 * platter (Node uses F_FULLFSYNC). On Windows directories cannot be synced, so a new name may be
 * lost in a power cut.
 */
export class NodeDisk implements Disk {
  readonly #root: string;
  readonly #trace: Trace;
  /**
   * Locks that are held or being taken, by resolved path. The locks themselves are kept, so that one
   * whose user forgot it is not collected, and thereby given up.
   */
  readonly #locks = new Map<string, FileLock | undefined>();
  /** Directories whose sync failed: never synced again. Bounded by what such an engine does next. */
  readonly #poisoned = new Map<string, KvsError<DiskErrorCode>>();

  constructor(root: string, trace: Trace) {
    this.#root = resolve(root);
    this.#trace = trace;
  }

  async open(path: string, options: OpenOptions = {}): Promise<File> {
    const place = this.#resolve(path);
    if (this.#locks.has(place)) {
      // Closing a second descriptor would give the lock up: see file-lock.ts.
      throw lockedError(path, process.pid);
    }
    const readOnly = options.readOnly ?? false;
    let flags = readOnly ? constants.O_RDONLY : constants.O_RDWR;
    if (options.create !== undefined && options.create !== false) flags |= constants.O_CREAT;
    if (options.create === "exclusive") flags |= constants.O_EXCL;
    return this.#run("open", path, "none", () =>
      openNodeFile({ place, path, flags, mode: FILE_MODE, readOnly, trace: this.#trace }),
    );
  }

  rename(from: string, to: string): Promise<void> {
    return this.#run("rename", from, "unknown", () =>
      fs.rename(this.#resolve(from), this.#resolve(to)),
    );
  }

  unlink(path: string): Promise<void> {
    return this.#run("unlink", path, "unknown", () => fs.unlink(this.#resolve(path)));
  }

  list(directory: string): Promise<string[]> {
    return this.#run("list", directory, "none", async () => {
      const names = await fs.readdir(this.#resolve(directory));
      return names.toSorted(byCodeUnit);
    });
  }

  makeDirectory(path: string): Promise<void> {
    return this.#run("make directory", path, "unknown", () => makeAll(this.#resolve(path)));
  }

  removeDirectory(path: string): Promise<void> {
    return this.#run("remove directory", path, "unknown", () => fs.rmdir(this.#resolve(path)));
  }

  stat(path: string): Promise<FileStat | undefined> {
    return this.#run("stat", path, "none", async () => {
      try {
        const stats = await fs.stat(this.#resolve(path));
        return { type: stats.isDirectory() ? "directory" : "file", sizeBytes: stats.size };
      } catch (error) {
        const errno = errnoOf(error);
        if (errno === "ENOENT" || errno === "ENOTDIR") return undefined;
        throw error;
      }
    });
  }

  async syncDirectory(path: string): Promise<void> {
    const place = this.#resolve(path);
    const poison = this.#poisoned.get(place);
    const fault = { operation: "sync directory", path };
    if (poison !== undefined) throw diskError("DISK_SYNC_FAILED", fault, poison);
    if (process.platform === "win32") return;
    const handle = await this.#run("open directory", path, "none", () =>
      fs.open(place, constants.O_RDONLY | constants.O_DIRECTORY),
    );
    try {
      await handle.sync();
    } catch (error) {
      const failed = diskError("DISK_SYNC_FAILED", { ...fault, outcome: "unknown" }, error);
      this.#poisoned.set(place, failed);
      this.#trace.event("error", "node.disk", "a directory's sync failed", { path });
      throw failed;
    } finally {
      await handle.close();
    }
  }

  async lock(path: string): Promise<FileLock> {
    const place = this.#resolve(path);
    if (this.#locks.has(place)) throw lockedError(path, process.pid);
    this.#locks.set(place, undefined);
    try {
      const held = await lockFile(place);
      this.#locks.set(place, held);
      return { release: () => this.#release(place, held) };
    } catch (error) {
      this.#locks.delete(place);
      throw error;
    }
  }

  async #release(place: string, held: FileLock): Promise<void> {
    if (this.#locks.get(place) !== held) return; // released before; another may hold it by now
    await held.release();
    this.#locks.delete(place);
  }

  space(path: string): Promise<DiskSpace> {
    return this.#run("stat", path, "none", async () => {
      const stats = await fs.statfs(this.#resolve(path));
      return { freeBytes: stats.bavail * stats.bsize, totalBytes: stats.blocks * stats.bsize };
    });
  }

  #resolve(path: string): string {
    return resolve(this.#root, path);
  }

  /** Runs one operation and names its errors. */
  async #run<T>(
    operation: string,
    path: string,
    outcome: Outcome,
    body: () => Promise<T>,
  ): Promise<T> {
    try {
      return await body();
    } catch (error) {
      if (errnoOf(error) === undefined) throw error; // one of ours, or a bug
      const refused = fromSystemError(error, { operation, path, outcome: "none" });
      // Only a fault of the device leaves in doubt what became of a change of names.
      throw refused.code === "DISK_IO"
        ? fromSystemError(error, { operation, path, outcome })
        : refused;
    }
  }
}

/**
 * Makes a directory and those above it. Node's own recursive mode never ends where the system
 * answers ENOENT for a directory whose parent exists, as /proc does.
 */
async function makeAll(place: string): Promise<void> {
  try {
    await makeOne(place);
  } catch (error) {
    const parent = dirname(place);
    if (errnoOf(error) !== "ENOENT" || parent === place) throw error;
    await makeAll(parent);
    await makeOne(place);
  }
}

async function makeOne(place: string): Promise<void> {
  try {
    await fs.mkdir(place, { mode: DIRECTORY_MODE });
  } catch (error) {
    if (errnoOf(error) !== "EEXIST" || !(await fs.stat(place)).isDirectory()) throw error;
  }
}

function byCodeUnit(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
