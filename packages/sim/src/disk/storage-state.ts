import { type DiskSpace, type FileStat, type OpenOptions, assert } from "@kvs/env";

import { DirectoryState, type NameChange, applyNames } from "./directory-state.ts";
import { diskError } from "./disk-error.ts";
import { FileState } from "./file-state.ts";
import { BLOCK_BYTES } from "./sparse-bytes.ts";

/** The number of the directory everything is below. */
const ROOT_ID = 1;

/** What kind of file system this is. */
export interface FileSystemTraits {
  /** Bytes that fit, in blocks of 4 KB; names and lengths cost nothing. */
  readonly totalBytes: number;
  /** Whether syncing a file also stores its name, as ext4 happens to do. */
  readonly syncAlsoSyncsName: boolean;
  /** What readers see after a failed sync: the lost bytes (ext4) or the stored ones (btrfs). */
  readonly cacheAfterFailedSync: "new" | "old";
}

interface Place {
  /** The directory that holds the last name; `undefined` for the root. */
  readonly parent: DirectoryState | undefined;
  readonly name: string;
  readonly id: number | undefined;
}

/**
 * The files and directories of one host: all that a power cut may take or leave. No handles, no
 * calls under way, no time.
 *
 * Every change takes the next sequence number, so that changes of different files have one order.
 */
export class StorageState {
  readonly traits: FileSystemTraits;
  readonly files: Map<number, FileState> = new Map();
  readonly directories: Map<number, DirectoryState> = new Map();
  #sequence = 0;
  #nextId = ROOT_ID;

  constructor(traits: FileSystemTraits) {
    this.traits = traits;
    this.#addDirectory();
  }

  /** The number of the newest change. */
  get sequence(): number {
    return this.#sequence;
  }

  nextSequence(): number {
    this.#sequence += 1;
    return this.#sequence;
  }

  /** Everything but the handles, sharing the blocks. Cost: about a microsecond for a file. */
  clone(): StorageState {
    const copy = this.#emptyCopy();
    for (const file of this.files.values()) copy.files.set(file.id, file.clone());
    for (const directory of this.directories.values()) {
      copy.directories.set(directory.id, directory.clone());
    }
    return copy;
  }

  /** What is certainly stored, unfinished: `finishImage` makes it readable. */
  cloneDurable(): StorageState {
    const copy = this.#emptyCopy();
    for (const file of this.files.values()) copy.files.set(file.id, file.cloneDurable());
    for (const directory of this.directories.values()) {
      copy.directories.set(directory.id, directory.cloneDurable());
    }
    return copy;
  }

  /** Starts anew from what is stored, as after a reboot: nothing pending, the unnamed gone. */
  finishImage(): void {
    const found = new Set<number>([ROOT_ID]);
    for (const id of found) {
      const directory = this.directories.get(id);
      if (directory === undefined) continue;
      for (const [name, child] of directory.durable) {
        // Half of a move may leave a directory in two places; a file system check keeps one.
        if (found.has(child) && this.directories.has(child)) directory.durable.delete(name);
        else found.add(child);
      }
      directory.entries = new Map(directory.durable);
      directory.pending = [];
    }
    for (const file of this.files.values()) {
      file.cache = file.durable.clone();
      file.pending = [];
      file.names = 0;
      file.handles = 0;
    }
    this.#dropAllBut(found);
    for (const directory of this.directories.values()) {
      for (const id of directory.entries.values()) {
        const file = this.files.get(id);
        if (file !== undefined) file.names += 1;
      }
    }
  }

  /** Forgets what neither a name, a handle, nor any crash image can bring back. */
  sweep(): void {
    const found = new Set<number>([ROOT_ID]);
    for (const id of found) {
      const directory = this.directories.get(id);
      if (directory === undefined) continue;
      for (const child of directory.entries.values()) found.add(child);
      for (const child of directory.durable.values()) found.add(child);
      for (const change of directory.pending) {
        for (const [, child] of change.names) if (child !== undefined) found.add(child);
      }
    }
    for (const file of this.files.values()) if (file.handles > 0) found.add(file.id);
    this.#dropAllBut(found);
  }

  space(): DiskSpace {
    return {
      freeBytes: this.freeBlocks() * BLOCK_BYTES,
      totalBytes: this.traits.totalBytes,
    };
  }

  freeBlocks(): number {
    let used = 0;
    for (const file of this.files.values()) {
      if (file.names > 0 || file.handles > 0) used += file.cache.blockCount;
    }
    return Math.max(0, Math.floor(this.traits.totalBytes / BLOCK_BYTES) - used);
  }

  /** How many of `length` bytes at `position` fit on the disk. */
  fits(file: FileState, position: number, length: number): number {
    const missing = file.cache.missingBlocks(position, position + length);
    if (missing === 0) return length;
    const free = this.freeBlocks();
    return missing <= free ? length : file.cache.fits(position, length, free);
  }

  /**
   * Writes what fits, as a pending change; the bytes are copied.
   *
   * @returns How much that was; 0 if the disk is full.
   */
  write(file: FileState, source: Uint8Array, position: number): number {
    const count = this.fits(file, position, source.length);
    if (count === 0) return 0;
    const bytes = source.slice(0, count);
    file.change({ type: "write", sequence: this.nextSequence(), position, bytes });
    return count;
  }

  truncate(file: FileState, sizeBytes: number): void {
    file.change({ type: "truncate", sequence: this.nextSequence(), sizeBytes });
  }

  /** The file of this name, made if the options ask for it. */
  openFile(path: string, options: OpenOptions): FileState {
    const place = this.#find(path);
    if (place.id !== undefined) {
      if (options.create === "exclusive") throw diskError("DISK_EXISTS", path);
      const file = this.files.get(place.id);
      if (file === undefined) throw diskError("DISK_DENIED", path);
      return file;
    }
    if (options.create === undefined || options.create === false) {
      throw diskError("DISK_NOT_FOUND", path);
    }
    const file = new FileState(this.#takeId());
    this.files.set(file.id, file);
    this.#changeNames(place.parent!, [[place.name, file.id]]);
    return file;
  }

  rename(from: string, to: string): void {
    const source = this.#find(from);
    if (source.id === undefined) throw diskError("DISK_NOT_FOUND", from);
    const target = this.#find(to);
    if (source.id === target.id) return;
    if (source.parent === undefined || target.parent === undefined) {
      throw diskError("DISK_DENIED", source.parent === undefined ? from : to);
    }
    this.#checkReplaced(source.id, target, to);
    if (this.#isBelow(target.parent, source.id)) throw diskError("DISK_DENIED", to);
    if (source.parent === target.parent) {
      this.#changeNames(source.parent, [
        [source.name, undefined],
        [target.name, source.id],
      ]);
      return;
    }
    this.#changeNames(target.parent, [[target.name, source.id]]);
    this.#changeNames(source.parent, [[source.name, undefined]]);
  }

  unlink(path: string): void {
    const place = this.#find(path);
    if (place.id === undefined) throw diskError("DISK_NOT_FOUND", path);
    if (!this.files.has(place.id)) throw diskError("DISK_DENIED", path);
    this.#changeNames(place.parent!, [[place.name, undefined]]);
  }

  /** As `unlink`, but certain at once. */
  removeForGood(path: string): void {
    this.unlink(path);
    const { parent, name } = this.#find(path);
    parent!.durable.delete(name);
    parent!.pending = parent!.pending.map(({ sequence, names }) => {
      return { sequence, names: names.filter(([changed]) => changed !== name) };
    });
    this.sweep();
  }

  list(path: string): string[] {
    // The default order is by code unit, which is what the contract asks for.
    // oxlint-disable-next-line typescript/require-array-sort-compare
    return [...this.directory(path).entries.keys()].toSorted();
  }

  makeDirectory(path: string): void {
    let directory = this.directories.get(ROOT_ID)!;
    for (const name of segmentsOf(path)) {
      const id = directory.entries.get(name);
      if (id !== undefined && this.files.has(id)) throw diskError("DISK_EXISTS", path);
      const next = id === undefined ? this.#addDirectory() : this.directories.get(id)!;
      if (id === undefined) this.#changeNames(directory, [[name, next.id]]);
      directory = next;
    }
  }

  removeDirectory(path: string): void {
    const place = this.#find(path);
    const directory = this.directory(path);
    if (place.parent === undefined) throw diskError("DISK_DENIED", path);
    if (directory.entries.size > 0) throw diskError("DISK_NOT_EMPTY", path);
    this.#changeNames(place.parent, [[place.name, undefined]]);
  }

  stat(path: string): FileStat | undefined {
    let id: number | undefined = ROOT_ID;
    for (const name of segmentsOf(path)) {
      id = id === undefined ? undefined : this.directories.get(id)?.entries.get(name);
    }
    if (id === undefined) return undefined;
    const file = this.files.get(id);
    if (file === undefined) return { type: "directory", sizeBytes: 0 };
    return { type: "file", sizeBytes: file.cache.size };
  }

  /** @throws {KvsError} `DISK_NOT_FOUND` also if the name is a file's. */
  directory(path: string): DirectoryState {
    const { id } = this.#find(path);
    const directory = id === undefined ? undefined : this.directories.get(id);
    if (directory === undefined) throw diskError("DISK_NOT_FOUND", path);
    return directory;
  }

  /** Stores the names of a file too, as far as they were pending. */
  syncNamesOf(id: number): void {
    for (const directory of this.directories.values()) {
      const naming = directory.pending.findLast((change) =>
        change.names.some(([, named]) => named === id),
      );
      if (naming !== undefined) directory.sync(naming.sequence);
    }
  }

  /** Every file's path, sorted by code unit. */
  paths(): string[] {
    const found: string[] = [];
    const visit = (directory: DirectoryState, prefix: string): void => {
      for (const [name, id] of directory.entries) {
        const child = this.directories.get(id);
        if (child === undefined) found.push(prefix + name);
        else visit(child, `${prefix}${name}/`);
      }
    };
    visit(this.directories.get(ROOT_ID)!, "");
    // oxlint-disable-next-line typescript/require-array-sort-compare
    return found.toSorted();
  }

  #find(path: string): Place {
    const segments = segmentsOf(path);
    const name = segments.pop();
    let directory = this.directories.get(ROOT_ID)!;
    if (name === undefined) return { parent: undefined, name: "", id: ROOT_ID };
    for (const segment of segments) {
      const id = directory.entries.get(segment);
      const next = id === undefined ? undefined : this.directories.get(id);
      if (next === undefined) throw diskError("DISK_NOT_FOUND", path);
      directory = next;
    }
    return { parent: directory, name, id: directory.entries.get(name) };
  }

  /** Whether `source` may take the name that `target` may have. */
  #checkReplaced(source: number, target: Place, path: string): void {
    if (target.id === undefined) return;
    const isFile = this.files.has(source);
    const replaced = this.directories.get(target.id);
    if (isFile !== (replaced === undefined)) throw diskError("DISK_DENIED", path);
    if (replaced !== undefined && replaced.entries.size > 0) {
      throw diskError("DISK_NOT_EMPTY", path);
    }
  }

  #isBelow(directory: DirectoryState, ancestor: number): boolean {
    const root = this.directories.get(ancestor);
    if (root === undefined) return false;
    if (root === directory) return true;
    return [...root.entries.values()].some((child) => this.#isBelow(directory, child));
  }

  #changeNames(directory: DirectoryState, names: NameChange["names"]): void {
    for (const [name, id] of names) {
      this.#countName(directory.entries.get(name), -1);
      this.#countName(id, 1);
    }
    const change: NameChange = { sequence: this.nextSequence(), names };
    applyNames(directory.entries, change);
    directory.pending.push(change);
  }

  #countName(id: number | undefined, by: number): void {
    const file = id === undefined ? undefined : this.files.get(id);
    if (file === undefined) return;
    file.names += by;
    assert(file.names >= 0, "a file has no negative number of names");
  }

  #addDirectory(): DirectoryState {
    const directory = new DirectoryState(this.#takeId());
    this.directories.set(directory.id, directory);
    return directory;
  }

  #takeId(): number {
    const id = this.#nextId;
    this.#nextId += 1;
    return id;
  }

  #emptyCopy(): StorageState {
    const copy = new StorageState(this.traits);
    copy.directories.clear();
    copy.#sequence = this.#sequence;
    copy.#nextId = this.#nextId;
    return copy;
  }

  #dropAllBut(found: ReadonlySet<number>): void {
    for (const id of this.files.keys()) if (!found.has(id)) this.files.delete(id);
    for (const id of this.directories.keys()) if (!found.has(id)) this.directories.delete(id);
  }
}

/** The names along a path from the root; "." and empty ones mean nothing, ".." goes up. */
function segmentsOf(path: string): string[] {
  const segments: string[] = [];
  for (const segment of path.split("/")) {
    if (segment === "..") segments.pop();
    else if (segment !== "" && segment !== ".") segments.push(segment);
  }
  return segments;
}
