import { type Disk, type Random, assert, pick } from "@kvs/env";

import {
  type CrashMode,
  DRAWN_CRASH_MODES,
  countUnits,
  drawImage,
  enumerateImages,
} from "./crash-image.ts";
import { type DiskContext, type DiskFaultKind } from "./disk-faults.ts";
import { diskError } from "./disk-error.ts";
import { type FileState, SECTOR_BYTES, flipBitAt } from "./file-state.ts";
import { TraceHash, hashText } from "../trace-hash.ts";
import { type BlockHashes } from "./block-hashes.ts";
import { DiskCounters, type DiskStats, DiskProcess } from "./disk-process.ts";
import { type LockTable, SimDisk } from "./sim-disk.ts";
import { BLOCK_BYTES, type SparseBytes } from "./sparse-bytes.ts";
import { type FileSystemTraits, StorageState } from "./storage-state.ts";

const TOTAL_BYTES_DEFAULT = 2 ** 40;

/** `readFile` is for tests that look at whole files. */
const READ_FILE_BYTES_MAX = 2 ** 30;

export interface SimStorageOptions extends Partial<FileSystemTraits> {
  /** Decides what a power cut leaves and whether calls under way at a death took effect. */
  readonly random: Random;
  /** Told of faults that belong to no living process: power cuts and damage at rest. */
  readonly countFault?: (kind: DiskFaultKind) => void;
}

/**
 * What is on one host's disk; outlives the processes that use it.
 *
 * The model, after the contract of `Disk`:
 *
 * 1. A file has stored bytes and an ordered list of changes (writes, truncations) since; readers
 *    see both. `datasync` stores the changes answered before it was called, and the length, but
 *    not the file's name. `writeDurableAt` stores its range and leaves other changes pending.
 * 2. A directory has stored names and pending changes, stored by `syncDirectory`. A rename within a
 *    directory is one change; across directories it is two that may part.
 * 3. A call under way may have had its effect, as far as a crash can tell: clones and images count
 *    it as pending.
 * 4. A power cut leaves the stored state with some of the pending changes, cut at sectors of
 *    512 bytes, in any of the ways of {@link CrashMode}.
 * 5. After a failed sync a drawn part of the pending sectors is stored, the rest is lost, and
 *    nobody will write them again.
 *
 * Clones share blocks until one side writes: thousands are cheap. Everything follows from the
 * random source and the order of calls.
 *
 * Source: after the fault models of FoundationDB's AsyncFileNonDurable, CockroachDB Pebble's
 * strict MemFS, and Pillai et al., "All File Systems Are Not Created Equal" (OSDI 2014).
 */
export class SimStorage {
  readonly #options: SimStorageOptions;
  readonly #locks: LockTable = new Map();
  readonly #incarnations: Map<Disk, DiskProcess> = new Map();
  readonly #counters: DiskCounters = new DiskCounters();
  #state: StorageState;
  #processCount = 0;
  #cloneCount = 0;

  constructor(options: SimStorageOptions) {
    this.#options = options;
    this.#state = new StorageState({
      totalBytes: options.totalBytes ?? TOTAL_BYTES_DEFAULT,
      syncAlsoSyncsName: options.syncAlsoSyncsName ?? false,
      cacheAfterFailedSync: options.cacheAfterFailedSync ?? "new",
    });
  }

  /** What happened here so far, over all processes; a clone starts from zero. */
  get stats(): DiskStats {
    return this.#counters;
  }

  /** The disk for one life of a process. Several may be attached: processes of one host. */
  attach(context: DiskContext): Disk {
    this.#processCount += 1;
    const process = new DiskProcess(this.#processCount, context, this.#state, this.#counters);
    const disk = new SimDisk(process, this.#locks);
    this.#incarnations.set(disk, process);
    return disk;
  }

  /**
   * `kill -9` of the process that uses `disk`, or of all: every answered change stays, handles and
   * locks are gone, each unanswered call takes effect, in part or whole, or not.
   */
  processDied(disk?: Disk): void {
    for (const [attached, process] of this.#incarnations) {
      if (disk !== undefined && disk !== attached) continue;
      process.die(this.#options.random);
      for (const [id, owner] of this.#locks) if (owner === process) this.#locks.delete(id);
      this.#incarnations.delete(attached);
    }
    this.#state.sweep();
  }

  /** Power cut: all processes are gone and the disk holds one image, of a drawn mode if not given. */
  crash(mode?: CrashMode): void {
    const { random } = this.#options;
    const state = this.#stateWithCallsUnderWay();
    const drawn = mode ?? pick(random, DRAWN_CRASH_MODES);
    const image = drawImage(state, drawn, random, (kind) => this.#countFault(kind));
    this.processDied();
    this.#state = image;
  }

  /**
   * The disk as it is, with what is pending, and calls under way taken for done and pending. No
   * process is attached to it. Cost: some microseconds, whatever the size.
   */
  clone(): SimStorage {
    return this.#with(this.#stateWithCallsUnderWay());
  }

  /** The disk after a power cut that kept only what is certain. */
  worstCase(): SimStorage {
    return this.sampleCrashImage(this.#options.random, "worst-case");
  }

  /** How many sectors, truncations and changes of names are pending, with calls under way. */
  pendingSectors(): number {
    return countUnits(this.#stateWithCallsUnderWay());
  }

  /**
   * Every image that keeps some subset of the last `lastSectors` (at most 20) pending sectors and
   * all or none of those before: 2^n images, or twice that, in a fixed order, from nothing kept to
   * everything kept. Truncations and changes of names count as a sector each. The images are of
   * the moment of this call.
   */
  crashImages(options: { readonly lastSectors: number }): Iterable<SimStorage> {
    const images = enumerateImages(this.#stateWithCallsUnderWay(), options.lastSectors);
    return this.#storages(images);
  }

  /** One image of a power cut now, of a drawn mode if none is given. This disk stays as it is. */
  sampleCrashImage(random: Random, mode?: CrashMode): SimStorage {
    const drawn = mode ?? pick(random, DRAWN_CRASH_MODES);
    return this.#with(drawImage(this.#stateWithCallsUnderWay(), drawn, random));
  }

  /** Every file's path from the root, sorted, as readers see them. */
  files(): string[] {
    return this.#state.paths();
  }

  /** A file's bytes as readers see them. */
  readFile(path: string): Uint8Array {
    const { cache } = this.#file(path);
    assert(cache.size <= READ_FILE_BYTES_MAX, "only files of up to 1 GiB are read whole");
    const bytes = new Uint8Array(cache.size);
    cache.read(bytes, 0);
    return bytes;
  }

  /**
   * What readers see, names and bytes, as a hash: images of the same content have the same, all
   * others differ, save for one chance in 2^64.
   *
   * @param hashes Remembers blocks: give the same for all images of a run.
   * Cost: some microseconds where most blocks are known.
   */
  fingerprint(hashes: BlockHashes): string {
    const state = this.#state;
    const hash = new TraceHash();
    for (const path of state.paths()) {
      const { cache } = state.openFile(path, {});
      hash.add(hashText(path));
      hash.addInteger(cache.size);
      hashes.addTo(hash, cache);
    }
    hash.add(state.directories.size);
    return hash.toString();
  }

  /** Puts a stored file there, for the beginning of a test; all names pending are stored too. */
  writeFile(path: string, bytes: Uint8Array): void {
    const state = this.#state;
    const end = path.lastIndexOf("/");
    if (end > 0) state.makeDirectory(path.slice(0, end));
    const file = state.openFile(path, { create: true });
    state.truncate(file, 0);
    if (state.write(file, bytes, 0) < bytes.length) throw diskError("DISK_FULL", path);
    file.sync(state.sequence);
    for (const directory of state.directories.values()) directory.sync(state.sequence);
  }

  /** Damage at rest: inverts one bit, counted from the file's start. Nobody is told. */
  flipBit(path: string, bit: number): void {
    flipBitAt(this.#file(path), bit);
    this.#countFault("disk.bit-flip");
  }

  /** Damage at rest: 512 zeros in place of what was there. */
  zeroSector(path: string, sector: number): void {
    const from = sector * SECTOR_BYTES;
    this.#damage(path, "disk.zeroed-sector", (bytes) => {
      bytes.zero(Math.min(from, bytes.size), Math.min(from + SECTOR_BYTES, bytes.size));
    });
  }

  /** Damage at rest: other bytes in place of what was there, up to the file's end. */
  overwrite(path: string, position: number, bytes: Uint8Array): void {
    this.#damage(path, "disk.overwritten", (stored) => {
      const count = Math.max(0, Math.min(bytes.length, stored.size - position));
      stored.write(bytes.subarray(0, count), position);
    });
  }

  /** Damage at rest: two pages of 4 KB change places. */
  swapPages(path: string, one: number, other: number): void {
    this.#damage(path, "disk.swapped-pages", (bytes) => {
      const pages = [one, other].map((page) => {
        const content = new Uint8Array(BLOCK_BYTES);
        bytes.read(content, page * BLOCK_BYTES);
        return content;
      });
      bytes.write(pages[1]!, one * BLOCK_BYTES);
      bytes.write(pages[0]!, other * BLOCK_BYTES);
    });
  }

  /** Damage at rest: the file ends earlier. */
  truncateFile(path: string, sizeBytes: number): void {
    this.#damage(path, "disk.truncated-file", (bytes) => {
      bytes.resize(Math.min(bytes.size, sizeBytes));
    });
  }

  /** Damage at rest: the name is gone, for certain. */
  removeFile(path: string): void {
    this.#state.removeForGood(path);
    this.#countFault("disk.removed-file");
  }

  /** Reads of [from, to) fail with `DISK_IO` until it is written again. */
  failReads(path: string, from: number, to: number): void {
    const file = this.#file(path);
    file.badRanges = [...file.badRanges, { from, to }];
    this.#countFault("disk.bad-sector");
  }

  *#storages(images: Iterable<StorageState>): Generator<SimStorage> {
    for (const image of images) yield this.#with(image);
  }

  #stateWithCallsUnderWay(): StorageState {
    const state = this.#state.clone();
    for (const process of this.#incarnations.values()) process.applyUnderWay(state);
    return state;
  }

  #with(state: StorageState): SimStorage {
    this.#cloneCount += 1;
    const random = this.#options.random.split(`clone-${this.#cloneCount}`);
    const storage = new SimStorage({ ...this.#options, random });
    storage.#state = state;
    return storage;
  }

  #file(path: string): FileState {
    return this.#state.openFile(path, {});
  }

  #damage(path: string, kind: DiskFaultKind, change: (bytes: SparseBytes) => void): void {
    const file = this.#file(path);
    change(file.durable);
    change(file.cache);
    this.#countFault(kind);
  }

  #countFault(kind: DiskFaultKind): void {
    this.#counters.countFault(kind);
    this.#options.countFault?.(kind);
  }
}
