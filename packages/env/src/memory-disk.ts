import { assert } from "./assert.ts";
import {
  type Disk,
  type DiskErrorCode,
  type DiskSpace,
  type File,
  type FileLock,
  type FileStat,
  type OpenOptions,
} from "./disk.ts";
import { KvsError } from "./kvs-error.ts";

/** Files are kept in blocks of this size; blocks that hold only zeros are not kept. */
const BLOCK_BYTES: number = 64 << 10;
/** As much as one may want to keep in memory: it is what `space` tells. */
const TOTAL_BYTES: number = 2 ** 40;

/**
 * A disk in memory, for what need not outlive the process: everything on it is gone with it. It keeps
 * the rest of the contract of {@link Disk}; every answer comes in a later microtask.
 *
 * For tests with crashes and faults use the simulated disk of `@kvs/sim`.
 */
export class MemoryDisk implements Disk {
  readonly #files = new Map<string, MemoryBytes>();
  readonly #directories = new Set<string>(["", "/"]);
  readonly #locks = new Set<string>();

  async open(path: string, options: OpenOptions = {}): Promise<File> {
    const name = clean(path);
    const { create = false, readOnly = false } = options;
    const existing = this.#files.get(name);
    if (this.#directories.has(name)) throw diskError("DISK_DENIED", path, "is a directory");
    if (existing !== undefined) {
      if (create === "exclusive") throw diskError("DISK_EXISTS", path, "exists");
      return new MemoryFile(path, existing, readOnly);
    }
    if (create === false) throw diskError("DISK_NOT_FOUND", path, "does not exist");
    this.#requireDirectory(name, path);
    const bytes = new MemoryBytes();
    this.#files.set(name, bytes);
    return new MemoryFile(path, bytes, readOnly);
  }

  async rename(from: string, to: string): Promise<void> {
    const [source, target] = [clean(from), clean(to)];
    this.#requireDirectory(target, to);
    if (this.#directories.has(source)) return this.#renameDirectory(source, target, to);
    const bytes = this.#files.get(source);
    if (bytes === undefined) throw diskError("DISK_NOT_FOUND", from, "does not exist");
    if (this.#directories.has(target)) throw diskError("DISK_DENIED", to, "is a directory");
    this.#files.delete(source);
    this.#files.set(target, bytes);
  }

  async unlink(path: string): Promise<void> {
    if (this.#files.delete(clean(path))) return;
    throw diskError("DISK_NOT_FOUND", path, "does not exist");
  }

  async list(directory: string): Promise<string[]> {
    const name = clean(directory);
    this.#requireListed(name, directory);
    const prefix = name === "" ? "" : `${name}/`;
    const names = [...this.#files.keys(), ...this.#directories]
      .filter((path) => path.startsWith(prefix) && path.length > prefix.length && path !== "/")
      .map((path) => path.slice(prefix.length))
      .filter((rest) => !rest.includes("/"));
    return names.toSorted();
  }

  async makeDirectory(path: string): Promise<void> {
    let name = "";
    for (const part of clean(path).split("/")) {
      name = name === "" ? part : `${name}/${part}`;
      if (this.#files.has(name)) throw diskError("DISK_EXISTS", path, "is a file");
      this.#directories.add(name);
    }
  }

  async removeDirectory(path: string): Promise<void> {
    if ((await this.list(path)).length > 0) throw diskError("DISK_NOT_EMPTY", path, "is not empty");
    this.#directories.delete(clean(path));
  }

  async stat(path: string): Promise<FileStat | undefined> {
    const name = clean(path);
    if (this.#directories.has(name)) return { type: "directory", sizeBytes: 0 };
    const bytes = this.#files.get(name);
    return bytes === undefined ? undefined : { type: "file", sizeBytes: bytes.sizeBytes };
  }

  async syncDirectory(path: string): Promise<void> {
    this.#requireListed(clean(path), path);
  }

  async lock(path: string): Promise<FileLock> {
    const name = clean(path);
    if (this.#locks.has(name)) throw diskError("DISK_LOCKED", path, "is locked");
    await (await this.open(path, { create: true })).close();
    this.#locks.add(name);
    let isHeld = true;
    return {
      release: async () => {
        if (isHeld) this.#locks.delete(name);
        isHeld = false;
      },
    };
  }

  async space(_path: string): Promise<DiskSpace> {
    let used = 0;
    for (const bytes of this.#files.values()) used += bytes.keptBytes;
    return { freeBytes: TOTAL_BYTES - used, totalBytes: TOTAL_BYTES };
  }

  /** Moves a directory with all below it; an empty one of the new name is replaced. */
  async #renameDirectory(source: string, target: string, to: string): Promise<void> {
    if (source === target) return;
    if (this.#files.has(target)) throw diskError("DISK_DENIED", to, "is no directory");
    if (target.startsWith(`${source}/`)) throw diskError("DISK_DENIED", to, "lies within it");
    const isTaken = this.#directories.has(target) && (await this.list(target)).length > 0;
    if (isTaken) throw diskError("DISK_NOT_EMPTY", to, "is not empty");
    const isBelow = (path: string): boolean => path === source || path.startsWith(`${source}/`);
    for (const [path, bytes] of this.#files) {
      if (!isBelow(path)) continue;
      this.#files.delete(path);
      this.#files.set(target + path.slice(source.length), bytes);
    }
    for (const path of this.#directories) {
      if (!isBelow(path)) continue;
      this.#directories.delete(path);
      this.#directories.add(target + path.slice(source.length));
    }
  }

  #requireDirectory(name: string, path: string): void {
    const end = name.lastIndexOf("/");
    if (end < 0 || this.#directories.has(name.slice(0, end))) return;
    throw diskError("DISK_NOT_FOUND", path, "lies in a directory that does not exist");
  }

  #requireListed(name: string, path: string): void {
    if (this.#directories.has(name)) return;
    throw diskError("DISK_NOT_FOUND", path, "is no directory");
  }
}

/** The content of one file. */
class MemoryBytes {
  readonly #blocks = new Map<number, Uint8Array>();
  sizeBytes = 0;

  get keptBytes(): number {
    return this.#blocks.size * BLOCK_BYTES;
  }

  read(target: Uint8Array, position: number): number {
    const count = Math.max(0, Math.min(target.length, this.sizeBytes - position));
    this.#eachPiece(position, count, (block, from, at, length) => {
      const bytes = this.#blocks.get(block);
      if (bytes === undefined) target.fill(0, at, at + length);
      else target.set(bytes.subarray(from, from + length), at);
    });
    return count;
  }

  write(source: Uint8Array, position: number): void {
    this.#eachPiece(position, source.length, (block, from, at, length) => {
      let bytes = this.#blocks.get(block);
      if (bytes === undefined) this.#blocks.set(block, (bytes = new Uint8Array(BLOCK_BYTES)));
      bytes.set(source.subarray(at, at + length), from);
    });
    this.sizeBytes = Math.max(this.sizeBytes, position + source.length);
  }

  truncate(sizeBytes: number): void {
    this.clear(sizeBytes, this.sizeBytes);
    this.sizeBytes = sizeBytes;
  }

  /** Makes [from, to) read as zeros. */
  clear(from: number, to: number): void {
    this.#eachPiece(from, Math.max(0, to - from), (block, start, _at, length) => {
      if (length === BLOCK_BYTES) this.#blocks.delete(block);
      else this.#blocks.get(block)?.fill(0, start, start + length);
    });
  }

  /** Calls `visit` with each block touched, the place in it, and the place in the caller's bytes. */
  #eachPiece(
    position: number,
    count: number,
    visit: (block: number, from: number, at: number, length: number) => void,
  ): void {
    for (let at = 0; at < count;) {
      const block = Math.floor((position + at) / BLOCK_BYTES);
      const from = position + at - block * BLOCK_BYTES;
      const length = Math.min(BLOCK_BYTES - from, count - at);
      visit(block, from, at, length);
      at += length;
    }
  }
}

class MemoryFile implements File {
  readonly path: string;
  readonly #bytes: MemoryBytes;
  readonly #isReadOnly: boolean;
  #isClosed = false;

  constructor(path: string, bytes: MemoryBytes, isReadOnly: boolean) {
    this.path = path;
    this.#bytes = bytes;
    this.#isReadOnly = isReadOnly;
  }

  async size(): Promise<number> {
    this.#requireOpen();
    return this.#bytes.sizeBytes;
  }

  async readAt(target: Uint8Array, position: number): Promise<number> {
    return this.readAtSync(target, position);
  }

  readAtSync(target: Uint8Array, position: number): number {
    this.#requireOpen();
    return this.#bytes.read(target, position);
  }

  async writeAt(source: Uint8Array, position: number): Promise<number> {
    this.#write(source, position);
    return source.length;
  }

  async writeDurableAt(source: Uint8Array, position: number): Promise<void> {
    this.#write(source, position);
  }

  async datasync(): Promise<void> {
    this.#requireOpen();
  }

  async truncate(sizeBytes: number): Promise<void> {
    this.#requireWritable();
    this.#bytes.truncate(sizeBytes);
  }

  async allocate(from: number, to: number): Promise<void> {
    this.#requireWritable();
    if (to <= from) return;
    this.#bytes.clear(from, to);
    this.#bytes.sizeBytes = Math.max(this.#bytes.sizeBytes, to);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
  }

  #write(source: Uint8Array, position: number): void {
    this.#requireWritable();
    assert(Number.isSafeInteger(position) && position >= 0, "a position is an integer >= 0");
    this.#bytes.write(source, position);
  }

  #requireOpen(): void {
    if (this.#isClosed) throw diskError("DISK_CLOSED", this.path, "is closed");
  }

  #requireWritable(): void {
    this.#requireOpen();
    if (this.#isReadOnly) throw diskError("DISK_READ_ONLY", this.path, "was opened for reading");
  }
}

/** A path without leading, trailing and doubled slashes. */
function clean(path: string): string {
  return path
    .split("/")
    .filter((part) => part !== "" && part !== ".")
    .join("/");
}

function diskError(code: DiskErrorCode, path: string, what: string): KvsError<DiskErrorCode> {
  return new KvsError(code, `${path} ${what}`, { outcome: "none", details: { path } });
}
