/**
 * The files of a log: which there are, and how their names change. Nothing here looks into records.
 *
 *            ┌─ dropBefore: unlink, or rename to a spare ◀──────────────┐
 *     head │ … │ begun │ tail │ spare │ spare │       segment.new ──▶ spare (prepare)
 *
 * 1. Bases are contiguous from head to the last spare, at every moment and after every crash:
 *    names change one at a time, each followed by `syncDirectory`, and the head goes first. So a
 *    missing base in between is damage.
 * 2. A `.wal` file has its full length from the moment it gets that name.
 * 3. A segment is prepared without a header: fresh ones are zeros, recycled ones keep their stale
 *    bytes, which no reader takes for records of their new place (see log-cursor.ts).
 * 4. One change of names at a time (`#changes`).
 */
import { type Environment, type File, Mutex, assert, isKvsError, readFullyAt } from "@kvs/env";

import { Geometry } from "./geometry.ts";
import {
  FORMAT_VERSION,
  LOG_ID_BYTES,
  type LogIdentity,
  SEGMENT_HEADER_BYTES,
  type SegmentHeader,
  decodeSegmentHeader,
  encodeSegmentHeader,
  isSameLog,
  toIdentity,
} from "./segment-format.ts";
import {
  NEW_SEGMENT_NAME,
  parentOf,
  parseSegmentName,
  pathIn,
  segmentName,
} from "./segment-name.ts";
import { damaged, truncated, unsupported } from "./wal-error.ts";

interface Segment {
  readonly base: number;
  file: File | undefined;
  /** What was found when the log was opened. */
  readonly header: SegmentHeader | undefined;
}

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
  readonly #segments: Segment[];
  readonly #isReadOnly: boolean;

  private constructor(environment: Environment, directory: string, found: FoundSegments) {
    this.#environment = environment;
    this.directory = directory;
    this.#segments = found.segments;
    this.#isReadOnly = found.isReadOnly;
    this.identity = toIdentity(found.header.logId);
    this.geometry = new Geometry(found.header.base, found.header.segmentBytes);
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
    const { disk } = environment;
    if ((await disk.stat(directory)) === undefined) return undefined;
    const bases: number[] = [];
    for (const name of await disk.list(directory)) {
      const base = parseSegmentName(name);
      if (base !== undefined) bases.push(base);
    }
    if (bases.length === 0) return undefined;
    const segments: Segment[] = [];
    try {
      for (const base of bases) {
        const path = pathIn(directory, segmentName(base));
        segments.push(await openSegment(await environment.disk.open(path, { readOnly }), base));
      }
      const header = segments[0]!.header;
      if (header === undefined) throw headDamaged(pathIn(directory, segmentName(bases[0]!)));
      const set = new SegmentSet(environment, directory, {
        segments,
        header,
        isReadOnly: readOnly,
      });
      await set.#check();
      return set;
    } catch (error) {
      for (const { file } of segments) await file?.close();
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
    const segments = [{ base, file, header }];
    return new SegmentSet(environment, directory, { segments, header, isReadOnly: false });
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
    return pathIn(this.directory, segmentName(base));
  }

  /** The file of a segment that is there. Stays open until the segment is dropped. */
  fileOf(base: number): File {
    const { file } = this.#segments[this.#indexOf(base)]!;
    assert(file !== undefined, "the files of a log are open");
    return file;
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
        const last = this.#segments.pop()!;
        await last.file?.close();
        await this.#environment.disk.unlink(this.pathOf(last.base));
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
    await disk.syncDirectory(this.directory);
    this.#segments.push({ base, file, header: undefined });
  }

  async #dropHead(tailBase: number, sparesMax: number): Promise<void> {
    const { disk } = this.#environment;
    const spares = (this.lastBase - tailBase) / this.#step;
    // Readers are refused from here on; a failure below closes the log anyway.
    const dropped = this.#segments.shift()!;
    const path = this.pathOf(dropped.base);
    if (spares < sparesMax) {
      const base = this.lastBase + this.#step;
      try {
        await disk.rename(path, this.pathOf(base));
      } catch (error) {
        if (isKvsError(error, "DISK_FULL")) this.#segments.unshift(dropped);
        throw error;
      }
      await disk.syncDirectory(this.directory);
      this.#segments.push({ base, file: dropped.file, header: undefined });
    } else {
      await disk.unlink(path);
      await disk.syncDirectory(this.directory);
      await dropped.file?.close();
    }
  }

  /** Every base is there, every file is whole, and all belong to one log. */
  async #check(): Promise<void> {
    let expected = this.headBase;
    for (const { base, header, file } of this.#segments) {
      const path = this.pathOf(base);
      if (base !== expected) {
        const details = { path: this.pathOf(expected), offset: 0, expected, found: base };
        throw damaged(`${this.pathOf(expected)} is missing, but ${path} is there`, details);
      }
      if (header !== undefined && !isSameLog(header.logId, this.identity.logId)) {
        throw damaged(`${path} belongs to another log`, { path, offset: 16 });
      }
      const found = await file!.size();
      if (found !== this.#step) {
        const details = { path, offset: found, expected: this.#step, found };
        throw damaged(`${path} is ${found} bytes long instead of ${this.#step}`, details);
      }
      expected += this.#step;
    }
  }
}

interface FoundSegments {
  readonly segments: Segment[];
  /** Of the head. */
  readonly header: SegmentHeader;
  readonly isReadOnly: boolean;
}

async function openSegment(file: File, base: number): Promise<Segment> {
  try {
    const bytes = new Uint8Array(SEGMENT_HEADER_BYTES);
    await readFullyAt(file, bytes, 0);
    const header = decodeSegmentHeader(bytes);
    if (header !== undefined && header.version !== FORMAT_VERSION) {
      throw unsupported(file.path, header.version);
    }
    // A recycled segment still has the header of its old place: it has not begun here.
    return { base, file, header: header?.base === base ? header : undefined };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** The head has begun, whatever happened: it holds what is durable, or the header of a new log. */
function headDamaged(path: string): Error {
  return damaged(`the log's first segment ${path} has no sound header`, { path, offset: 0 });
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
