/**
 * The files of a log: which there are, and how their names change. Nothing here looks into records.
 *
 *            ┌─ dropBefore: unlink, or rename to a spare ◀──────────────┐
 *     head │ … │ begun │ tail │ spare │ spare │       segment.new ──▶ spare (prepare)
 *
 * 1. Bases are contiguous from head to the last spare, at every moment and after every crash:
 *    names change one at a time, each followed by `syncDirectory`, and the head goes first. So a
 *    missing base in between is damage (see find-segments.ts for names that do not last).
 * 2. A `.wal` file has its full length from the moment it gets that name.
 * 3. A segment is prepared without a header: fresh ones are zeros, recycled ones keep their stale
 *    bytes, which no reader takes for records of their new place (see log-cursor.ts).
 * 4. One change of names at a time (`#changes`).
 */
import { type Environment, type File, Mutex, assert, isKvsError, readFullyAt } from "@kvs/env";

import { type FoundSegment, findSegments, repairNames } from "./find-segments.ts";
import { Geometry } from "./geometry.ts";
import { readSabotage } from "./sabotage.ts";
import {
  MARK,
  LOG_ID_BYTES,
  type LogIdentity,
  MARK_OFFSET,
  SEGMENT_HEADER_BYTES,
  decodeSegmentHeader,
  emptyDroppedHeader,
  encodeSegmentHeader,
  toIdentity,
} from "./segment-format.ts";
import { NEW_SEGMENT_NAME, parentOf, pathIn, segmentName } from "./segment-name.ts";
import { damaged, truncated } from "./wal-error.ts";

export interface NewLog {
  readonly segmentBytes: number;
  readonly startPosition: number;
}

export class SegmentSet {
  readonly geometry: Geometry;
  readonly identity: LogIdentity;
  readonly directory: string;
  readonly #environment: Environment;
  readonly #changes: Mutex = new Mutex();
  /** In order of their bases. */
  readonly #segments: FoundSegment[];
  readonly #isReadOnly: boolean;
  /** A sabotage for tests. */
  readonly #skipsDirectorySync: boolean;

  private constructor(
    environment: Environment,
    directory: string,
    found: readonly FoundSegment[],
    isReadOnly: boolean,
  ) {
    const header = found[0]?.header;
    assert(header !== undefined, "a log's first segment has begun");
    this.#environment = environment;
    this.directory = directory;
    this.#segments = [...found];
    this.#isReadOnly = isReadOnly;
    this.#skipsDirectorySync = readSabotage(environment.hooks).skipsDirectorySync;
    this.identity = toIdentity(header.logId);
    this.geometry = new Geometry(header.base, header.segmentBytes);
  }

  /**
   * Opens the files of an existing log.
   *
   * @returns `undefined` if the directory holds no segment.
   * @throws {KvsError} `WAL_DAMAGED` if files are missing, of a wrong length, or of several logs;
   *   `WAL_UNSUPPORTED`; errors of the disk.
   */
  static async open(
    environment: Environment,
    directory: string,
    readOnly: boolean,
  ): Promise<SegmentSet | undefined> {
    const sabotage = readSabotage(environment.hooks);
    const found = await findSegments(environment, directory, readOnly, sabotage);
    if (found === undefined) return undefined;
    if (readOnly || sabotage.opensByName) {
      return new SegmentSet(environment, directory, found.segments, readOnly);
    }
    try {
      const named = await repairNames(environment, directory, found);
      return new SegmentSet(environment, directory, named, readOnly);
    } catch (error) {
      for (const { file } of found.segments) await file.close();
      throw error;
    }
  }

  /**
   * Makes an empty log, durable when this returns. A crash before leaves no segment: the first one
   * gets its name when it is whole.
   */
  static async create(
    environment: Environment,
    directory: string,
    options: NewLog,
  ): Promise<SegmentSet> {
    const { disk } = environment;
    const { startPosition: base, segmentBytes } = options;
    await disk.makeDirectory(directory);
    await syncParents(environment, directory);
    const logId = environment.random.fill(new Uint8Array(LOG_ID_BYTES));
    const previousLsn = base + SEGMENT_HEADER_BYTES;
    const bytes = new Uint8Array(SEGMENT_HEADER_BYTES);
    encodeSegmentHeader(bytes, 0, { segmentBytes, logId, base, previousLsn, epoch: 1 });
    const newPath = pathIn(directory, NEW_SEGMENT_NAME);
    const file = await disk.open(newPath, { create: true });
    try {
      await file.truncate(0); // an earlier attempt may have wanted longer segments
      await file.allocate(0, segmentBytes);
      await file.writeDurableAt(bytes, 0);
      await disk.rename(newPath, pathIn(directory, segmentName(base)));
      await disk.syncDirectory(directory);
    } catch (error) {
      await file.close();
      throw error;
    }
    const header = decodeSegmentHeader(bytes)!;
    const first = { base, path: pathIn(directory, segmentName(base)), file, header };
    return new SegmentSet(environment, directory, [first], false);
  }

  /** Base of the oldest segment. */
  get headBase(): number {
    return this.#segments[0]!.base;
  }

  /** Base of the last segment, spare ones included. */
  get lastBase(): number {
    return this.#segments.at(-1)!.base;
  }

  get count(): number {
    return this.#segments.length;
  }

  has(base: number): boolean {
    return base >= this.headBase && base <= this.lastBase;
  }

  /** The newest segment that had begun when the log was opened. */
  lastBegunBase(): number {
    const begun = this.#segments.findLast(({ header }) => header !== undefined);
    assert(begun !== undefined, "a log has a segment that has begun");
    return begun.base;
  }

  /** Path of the segment at `base`, for messages. */
  pathOf(base: number): string {
    const segment = this.has(base) ? this.#segments[this.#indexOf(base)] : undefined;
    return segment?.path ?? pathIn(this.directory, segmentName(base));
  }

  /** The file of a segment that is there. Stays open until the segment is dropped. */
  fileOf(base: number): File {
    return this.#segments[this.#indexOf(base)]!.file;
  }

  /**
   * Reads from a segment until `target` is full.
   *
   * @returns Bytes read; 0 if there is no such segment above the head.
   * @throws {KvsError} `WAL_TRUNCATED` if the segment was dropped, before or meanwhile.
   */
  async read(base: number, target: Uint8Array, offset: number): Promise<number> {
    if (base < this.headBase) throw truncated(base, this.headBase);
    if (base > this.lastBase) return 0;
    const count = await readFullyAt(this.fileOf(base), target, offset);
    // The file may have become another segment while it was read.
    if (base < this.headBase) throw truncated(base, this.headBase);
    return count;
  }

  /** End of the last fragment before the segment at `base`, which has begun. */
  async previousLsnOf(base: number): Promise<number> {
    const bytes = new Uint8Array(SEGMENT_HEADER_BYTES);
    await this.read(base, bytes, 0);
    const header = decodeSegmentHeader(bytes);
    if (header === undefined || header.base !== base) {
      const path = this.pathOf(base);
      throw damaged(`the segment ${path} has no sound header`, { path, offset: 0 });
    }
    return header.previousLsn;
  }

  /**
   * Makes sure that there is a segment at `base` and at every one before.
   *
   * @throws {KvsError} `DISK_FULL`, `DISK_TOO_MANY_FILES`: nothing changed. Others are final.
   */
  async prepareThrough(base: number): Promise<void> {
    while (this.lastBase < base) await this.#changes.run(() => this.#prepareNext(base));
  }

  /**
   * Drops the segments below `base`, oldest first; keeps up to `sparesMax` of them, under new
   * names, behind the last one, as long as no more than that many lie behind `tailBase`.
   *
   * @throws {KvsError} `DISK_FULL`: what is left of them stays. Others are final.
   */
  async dropBefore(base: number, tailBase: number, sparesMax: number): Promise<void> {
    assert(base <= tailBase, "the segment that is written to stays");
    await this.#changes.run(async () => {
      while (this.headBase < base) await this.#dropHead(tailBase, sparesMax);
    });
  }

  /** Removes every segment behind `base`, the last one first. */
  async dropAfter(base: number): Promise<void> {
    await this.#changes.run(async () => {
      while (this.lastBase > base) {
        const last = this.#segments.at(-1)!;
        await this.#mark(last);
        this.#segments.pop();
        await last.file.close();
        await this.#environment.disk.unlink(last.path);
        await this.#environment.disk.syncDirectory(this.directory);
      }
    });
  }

  /** Closes every file. */
  async close(): Promise<void> {
    await this.#changes.run(async () => {
      for (const { file } of this.#segments) await file?.close();
    });
  }

  get #step(): number {
    return this.geometry.segmentBytes;
  }

  #indexOf(base: number): number {
    assert(this.has(base) && this.geometry.isBase(base), "a segment of this log is there");
    return (base - this.headBase) / this.#step;
  }

  async #prepareNext(upTo: number): Promise<void> {
    const base = this.lastBase + this.#step;
    if (base > upTo) return; // someone else made it while we waited
    assert(!this.#isReadOnly, "a log opened for reading makes no segments");
    const { disk } = this.#environment;
    const newPath = pathIn(this.directory, NEW_SEGMENT_NAME);
    const file = await disk.open(newPath, { create: true });
    try {
      await file.allocate(0, this.#step);
      await disk.rename(newPath, this.pathOf(base));
    } catch (error) {
      await file.close();
      // Give the space back: it may be all there was. What is left is overwritten by the next try.
      await disk.unlink(newPath).catch(() => undefined);
      throw error;
    }
    if (!this.#skipsDirectorySync) await disk.syncDirectory(this.directory);
    this.#segments.push({ base, path: this.pathOf(base), file, header: undefined });
  }

  async #dropHead(tailBase: number, sparesMax: number): Promise<void> {
    const { disk } = this.#environment;
    const spares = (this.lastBase - tailBase) / this.#step;
    // Readers are refused from here on; a failure below closes the log anyway.
    const dropped = this.#segments.shift()!;
    const { path } = dropped;
    const base = this.lastBase + this.#step;
    try {
      await this.#mark(dropped);
      if (spares < sparesMax) await disk.rename(path, this.pathOf(base));
    } catch (error) {
      if (isKvsError(error, "DISK_FULL")) this.#segments.unshift(dropped);
      throw error;
    }
    if (spares < sparesMax) {
      await disk.syncDirectory(this.directory);
      const { file } = dropped;
      this.#segments.push({ base, path: this.pathOf(base), file, header: undefined });
    } else {
      await disk.unlink(path);
      await disk.syncDirectory(this.directory);
      await dropped.file.close();
    }
  }

  /**
   * Writes into the file that it is no segment any more, before its name says so: should the name
   * come back, nobody takes it for one. A file that has not begun loses the header of its old place,
   * so that it is not taken for a spare that was just recycled.
   */
  async #mark({ base, file }: FoundSegment): Promise<void> {
    const bytes = new Uint8Array(SEGMENT_HEADER_BYTES);
    await readFullyAt(file, bytes, 0);
    if (decodeSegmentHeader(bytes)?.base === base) {
      await file.writeDurableAt(MARK, MARK_OFFSET);
      return;
    }
    await file.writeDurableAt(emptyDroppedHeader(), 0);
  }
}

/**
 * Makes the names of a directory and of those above it durable: any of them may have been made a
 * moment ago, by this process or by one that died. A directory that may not even be read was not.
 */
async function syncParents(environment: Environment, directory: string): Promise<void> {
  let path = directory;
  do {
    path = parentOf(path);
    try {
      await environment.disk.syncDirectory(path);
    } catch (error) {
      if (!isKvsError(error, "DISK_DENIED")) throw error;
    }
  } while (path !== "." && path !== "/");
}
