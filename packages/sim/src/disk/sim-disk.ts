import {
  type Disk,
  type DiskErrorCode,
  type DiskSpace,
  type File,
  type FileLock,
  type FileStat,
  type OpenOptions,
} from "@kvs/env";

import { diskError } from "./disk-error.ts";
import { type DiskOperation, type DiskVerdict } from "./disk-faults.ts";
import { type DiskProcess } from "./disk-process.ts";
import { SimFile } from "./sim-file.ts";
import { type StorageState } from "./storage-state.ts";

/** Who holds the lock on which file. */
export type LockTable = Map<number, DiskProcess>;

/** The disk as one incarnation of a process uses it. */
export class SimDisk implements Disk {
  readonly #process: DiskProcess;
  readonly #locks: LockTable;
  /** Directories whose sync failed: a failure is final. */
  readonly #poisoned: Set<number> = new Set();

  constructor(process: DiskProcess, locks: LockTable) {
    this.#process = process;
    this.#locks = locks;
  }

  open(path: string, options: OpenOptions = {}): Promise<File> {
    return this.#process.perform({
      operation: "open",
      path,
      effect: (state) => void state.openFile(path, options),
      run: (verdict) => {
        this.#failIfAsked("open", path, verdict);
        const { openFiles, context, state } = this.#process;
        if (openFiles.length >= (context.plan?.openFilesMax ?? Infinity)) {
          this.#process.count("disk.too-many-files");
          throw diskError("DISK_TOO_MANY_FILES", path);
        }
        const file = state.openFile(path, options);
        file.handles += 1;
        openFiles.push(file);
        return new SimFile(path, this.#process, file, options.readOnly ?? false);
      },
    });
  }

  rename(from: string, to: string): Promise<void> {
    return this.#change("rename", from, (state) => state.rename(from, to));
  }

  unlink(path: string): Promise<void> {
    return this.#change("unlink", path, (state) => state.unlink(path));
  }

  makeDirectory(path: string): Promise<void> {
    return this.#change("makeDirectory", path, (state) => state.makeDirectory(path));
  }

  removeDirectory(path: string): Promise<void> {
    return this.#change("removeDirectory", path, (state) => state.removeDirectory(path));
  }

  list(directory: string): Promise<string[]> {
    return this.#ask("list", directory, (state) => state.list(directory));
  }

  stat(path: string): Promise<FileStat | undefined> {
    return this.#ask("stat", path, (state) => state.stat(path));
  }

  space(path: string): Promise<DiskSpace> {
    return this.#ask("space", path, (state) => state.space());
  }

  syncDirectory(path: string): Promise<void> {
    // Changes answered later are not covered, however long this sync takes.
    const upTo = this.#process.state.sequence;
    return this.#process.perform({
      operation: "syncDirectory",
      path,
      run: (verdict) => this.#syncDirectory(path, upTo, verdict),
    });
  }

  lock(path: string): Promise<FileLock> {
    return this.#process.perform({
      operation: "lock",
      path,
      effect: (state) => void state.openFile(path, { create: true }),
      run: (verdict) => {
        this.#failIfAsked("lock", path, verdict);
        const { id } = this.#process.state.openFile(path, { create: true });
        const owner = this.#locks.get(id);
        if (owner !== undefined) {
          throw diskError("DISK_LOCKED", path, "none", { owner: owner.processId });
        }
        this.#locks.set(id, this.#process);
        return this.#heldLock(path, id);
      },
    });
  }

  #heldLock(path: string, id: number): FileLock {
    let isHeld = true;
    return {
      release: () => {
        if (!isHeld) return Promise.resolve();
        isHeld = false;
        const run = (): void => void this.#locks.delete(id);
        return this.#process.perform({ operation: "unlock", path, run });
      },
    };
  }

  #syncDirectory(path: string, upTo: number, verdict: DiskVerdict | undefined): void {
    const { state } = this.#process;
    const directory = state.directory(path);
    if (this.#poisoned.has(directory.id)) throw diskError("DISK_SYNC_FAILED", path, "unknown");
    this.#process.counters.syncs += 1;
    if (verdict?.type === "error") {
      const random = this.#process.verdicts.stream("mixture");
      directory.syncSome((change) => {
        if (change.sequence > upTo) return "keep";
        return random.chance(0.5) ? "store" : "lose";
      });
      this.#poisoned.add(directory.id);
      this.#process.count("disk.sync-failed");
      throw diskError("DISK_SYNC_FAILED", path, "unknown", { reported: verdict.code });
    }
    if (verdict?.type === "lose") {
      directory.syncSome((change) => (change.sequence > upTo ? "keep" : "lose"));
      this.#process.count("disk.lost-write");
    } else directory.sync(upTo);
    state.sweep();
  }

  /** A change of names: the same on the disk itself and on the copy for a crash image. */
  #change(
    operation: DiskOperation,
    path: string,
    change: (state: StorageState) => void,
  ): Promise<void> {
    return this.#process.perform({
      operation,
      path,
      effect: change,
      run: (verdict) => {
        this.#failIfAsked(operation, path, verdict);
        change(this.#process.state);
      },
    });
  }

  #ask<T>(operation: DiskOperation, path: string, answer: (state: StorageState) => T): Promise<T> {
    return this.#process.perform({
      operation,
      path,
      run: (verdict) => {
        this.#failIfAsked(operation, path, verdict);
        return answer(this.#process.state);
      },
    });
  }

  #failIfAsked(operation: DiskOperation, path: string, verdict: DiskVerdict | undefined): void {
    if (verdict?.type !== "error") return;
    this.#process.count(kindOf(verdict.code));
    throw diskError(verdict.code, path, operation === "list" ? "none" : "unknown");
  }
}

function kindOf(code: DiskErrorCode): "disk.full" | "disk.too-many-files" | "disk.eio-name" {
  if (code === "DISK_FULL") return "disk.full";
  return code === "DISK_TOO_MANY_FILES" ? "disk.too-many-files" : "disk.eio-name";
}
