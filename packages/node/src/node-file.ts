/**
 * One open file, by the callbacks of node:fs: a promise and a closure an operation.
 *
 *   open ──(sync fails)──▶ poisoned ──close──▶ closed
 *     └───────────────close──────────────────────▲
 *
 * 1. A poisoned file answers `DISK_SYNC_FAILED` to every call but `close`: after a failed sync the
 *    kernel marks lost pages as clean, and the next sync would succeed and lie.
 * 2. Durable writes go through a second descriptor of the same inode, opened with O_DSYNC at the
 *    first of them: one trip through the thread pool instead of two
 *    (docs/decisions/0010-durable-writes.md). Where there is no such descriptor (systems without
 *    /proc, and macOS, whose O_DSYNC does not reach the platter) it is a write and a sync.
 * 3. Syncs of a descriptor run one at a time; calls that come meanwhile share the next one. The
 *    kernel reports a lost page once for each descriptor: of two syncs at once only one would fail,
 *    and the other could be answered first, with a lie.
 * 4. The descriptors are closed when the last call under way has ended.
 *
 * Source: Rebello et al., "Can Applications Recover from fsync Failures?" (USENIX ATC 2020).
 */
import {
  type DiskErrorCode,
  type File,
  type KvsError,
  type Outcome,
  type Trace,
  assert,
} from "@kvs/env";
import {
  type Stats,
  close as closeFd,
  constants,
  fdatasync,
  fstat,
  ftruncate,
  open as openFd,
  read,
  readSync,
  write,
} from "node:fs";
import { type DiskFault, diskError, errnoOf, fromSystemError } from "./disk-error.ts";

/** Zeros written at once by `allocate`. */
const ZEROS_BYTES = 1 << 20;

/** How to open a file. */
export interface NodeFileOptions {
  /** Where the system finds it. */
  readonly place: string;
  /** What its user calls it: for errors and traces. */
  readonly path: string;
  /** As for open(2). */
  readonly flags: number;
  readonly mode: number;
  readonly readOnly: boolean;
  readonly trace: Trace;
}

/**
 * Opens a file.
 *
 * @throws What node:fs reports; `KvsError` `DISK_DENIED` for a directory.
 */
export async function openNodeFile(options: NodeFileOptions): Promise<File> {
  const { place, path, flags, mode } = options;
  const fd = await settle<number>((done) => openFd(place, flags, mode, done));
  const stats = await settle<Stats>((done) => fstat(fd, done));
  if (!stats.isDirectory()) return new NodeFile(fd, options);
  await closed(fd);
  throw diskError("DISK_DENIED", { operation: "open", path });
}

/** A file of the host. */
class NodeFile implements File {
  readonly path: string;
  readonly #fd: number;
  readonly #readOnly: boolean;
  readonly #trace: Trace;
  /** The O_DSYNC descriptor; `undefined` before it is needed, -1 where there is none. */
  #durableFd: number | undefined;
  #isWritingDurably = false;
  #syncing: Promise<void> | undefined;
  #nextSync: Promise<void> | undefined;
  #poison: KvsError<DiskErrorCode> | undefined;
  #callCount = 0;
  #whenIdle: (() => void) | undefined;
  #closing: Promise<void> | undefined;

  constructor(fd: number, options: NodeFileOptions) {
    this.path = options.path;
    this.#fd = fd;
    this.#readOnly = options.readOnly;
    this.#trace = options.trace;
  }

  size(): Promise<number> {
    return this.#call("stat", async () => {
      const stats = await settle<Stats>((done) => fstat(this.#fd, done));
      return stats.size;
    });
  }

  readAt(target: Uint8Array, position: number): Promise<number> {
    assert(isPosition(position), "a position is an integer in [0, 2^53)");
    return this.#call("read", () =>
      settle<number>((done) => read(this.#fd, target, 0, target.length, position, done)),
    );
  }

  readAtSync(target: Uint8Array, position: number): number {
    assert(isPosition(position), "a position is an integer in [0, 2^53)");
    this.#check("read");
    try {
      return readSync(this.#fd, target, 0, target.length, position);
    } catch (error) {
      throw fromSystemError(error, this.#fault("read"));
    }
  }

  writeAt(source: Uint8Array, position: number): Promise<number> {
    assert(isPosition(position), "a position is an integer in [0, 2^53)");
    return this.#call("write", () => {
      this.#checkWritable("write");
      return this.#write(this.#fd, source, position);
    });
  }

  writeDurableAt(source: Uint8Array, position: number): Promise<void> {
    assert(isPosition(position), "a position is an integer in [0, 2^53)");
    assert(!this.#isWritingDurably, "one durable write at a time for a file");
    return this.#call("write", async () => {
      this.#checkWritable("write");
      this.#isWritingDurably = true;
      try {
        await this.#writeDurably(source, position);
      } finally {
        this.#isWritingDurably = false;
      }
    });
  }

  datasync(): Promise<void> {
    return this.#call("sync", () => this.#sync());
  }

  truncate(sizeBytes: number): Promise<void> {
    assert(isPosition(sizeBytes), "a length is an integer in [0, 2^53)");
    return this.#call("truncate", () => {
      this.#checkWritable("truncate");
      return settle<void>((done) => ftruncate(this.#fd, sizeBytes, done));
    });
  }

  allocate(from: number, to: number): Promise<void> {
    assert(isPosition(from) && isPosition(to), "a position is an integer in [0, 2^53)");
    assert(from <= to, "what is allocated begins before it ends");
    return this.#call("allocate", async () => {
      this.#checkWritable("allocate");
      const zeros = new Uint8Array(Math.min(ZEROS_BYTES, to - from));
      for (let at = from; at < to;) {
        const rest = Math.min(zeros.length, to - at);
        at += await this.#write(this.#fd, zeros.subarray(0, rest), at);
      }
      await this.#sync();
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (this.#callCount > 0) {
      await new Promise<void>((resolve) => {
        this.#whenIdle = resolve;
      });
    }
    assert(this.#callCount === 0, "no call is under way when the descriptors are closed");
    try {
      if (this.#durableFd !== undefined && this.#durableFd !== NO_FD) await closed(this.#durableFd);
      await closed(this.#fd);
    } catch (error) {
      throw fromSystemError(error, this.#fault("close", "unknown"));
    }
  }

  /** Runs one operation: refuses it on a closed or poisoned file, names its errors, counts it. */
  async #call<T>(operation: string, body: () => Promise<T>): Promise<T> {
    this.#check(operation);
    this.#callCount++;
    try {
      return await body();
    } catch (error) {
      if (errnoOf(error) === undefined) throw error; // one of ours, or a bug
      const outcome = operation === "read" || operation === "stat" ? "none" : "unknown";
      throw fromSystemError(error, this.#fault(operation, outcome));
    } finally {
      this.#callCount--;
      if (this.#callCount === 0) this.#whenIdle?.();
    }
  }

  #check(operation: string): void {
    if (this.#closing !== undefined) throw diskError("DISK_CLOSED", this.#fault(operation));
    if (this.#poison !== undefined) {
      throw diskError("DISK_SYNC_FAILED", this.#fault(operation), this.#poison);
    }
  }

  #checkWritable(operation: string): void {
    if (this.#readOnly) throw diskError("DISK_READ_ONLY", this.#fault(operation));
  }

  /** One write; it may be short, but never empty. */
  async #write(fd: number, source: Uint8Array, position: number): Promise<number> {
    if (source.length === 0) return 0;
    const count = await settle<number>((done) =>
      write(fd, source, 0, source.length, position, done),
    );
    if (count === 0) throw diskError("DISK_IO", this.#fault("write", "unknown"));
    return count;
  }

  async #writeDurably(source: Uint8Array, position: number): Promise<void> {
    this.#durableFd ??= await reopenForDurableWrites(this.#fd);
    const fd = this.#durableFd === NO_FD ? this.#fd : this.#durableFd;
    try {
      let done = 0;
      while (done < source.length) {
        const rest = done === 0 ? source : source.subarray(done);
        done += await this.#write(fd, rest, position + done);
      }
    } catch (error) {
      const known = fromSystemError(error, this.#fault("write"));
      // A full disk fails before anything is sent to it. Had it failed the sync all the same, then
      // the other descriptor, which counts lost pages for itself, would still fail `datasync`.
      throw known.code === "DISK_FULL" ? known : this.#poisonBy("write durably", error);
    }
    if (fd === this.#fd) await this.#sync();
    this.#checkPoison("write");
  }

  /** Joins the next sync that begins from now on; begins one if none is under way. */
  #sync(): Promise<void> {
    if (this.#syncing === undefined && this.#nextSync === undefined) return this.#startSync();
    this.#nextSync ??= this.#afterSync();
    return this.#nextSync;
  }

  async #afterSync(): Promise<void> {
    try {
      await this.#syncing;
    } catch {
      // Told to those who wait for that one; here the poison tells.
    }
    this.#nextSync = undefined; // from now on a caller's writes may come too late for this one
    this.#checkPoison("sync");
    await this.#startSync();
  }

  #startSync(): Promise<void> {
    assert(this.#syncing === undefined, "syncs of one descriptor do not overlap");
    this.#syncing = this.#runSync();
    return this.#syncing;
  }

  async #runSync(): Promise<void> {
    try {
      await settle<void>((done) => fdatasync(this.#fd, done));
    } catch (error) {
      throw this.#poisonBy("sync", error);
    } finally {
      this.#syncing = undefined;
    }
    this.#checkPoison("sync");
  }

  #checkPoison(operation: string): void {
    if (this.#poison === undefined) return;
    throw diskError("DISK_SYNC_FAILED", this.#fault(operation, "unknown"), this.#poison);
  }

  #poisonBy(operation: string, cause: unknown): KvsError<DiskErrorCode> {
    this.#poison ??= diskError("DISK_SYNC_FAILED", this.#fault(operation, "unknown"), cause);
    this.#trace.event("error", "node.file", "a sync failed, the file is closed for good", {
      path: this.path,
      operation,
      errno: errnoOf(cause),
    });
    return this.#poison;
  }

  #fault(operation: string, outcome: Outcome = "none"): DiskFault {
    return { operation, path: this.path, outcome };
  }
}

/** What stands for the missing second descriptor. */
const NO_FD = -1;

/**
 * Opens the inode of `fd` once more, with O_DSYNC. By way of /proc, so that it is the same file
 * even if its name was changed or removed since.
 */
async function reopenForDurableWrites(fd: number): Promise<number> {
  if (process.platform !== "linux") return NO_FD;
  try {
    return await settle<number>((done) =>
      openFd(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_DSYNC, done),
    );
  } catch {
    return NO_FD; // no /proc here, or no descriptor is left: the slower way is as safe
  }
}

function closed(fd: number): Promise<void> {
  return settle<void>((done) => closeFd(fd, done));
}

/** A promise for one call with a callback. */
function settle<T>(
  call: (done: (error: NodeJS.ErrnoException | null, value?: T) => void) => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    call((error, value) => {
      if (error) reject(error);
      else resolve(value as T);
    });
  });
}

function isPosition(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}
