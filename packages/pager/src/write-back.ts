import {
  AssertionFailure,
  type Environment,
  type KvsError,
  assert,
  isKvsError,
  writeFullyAt,
  yieldTurn,
} from "@kvs/env";
import { type FrameCache } from "./frame-cache.ts";
import { type LogGate } from "./log-gate.ts";
import { type PageFile } from "./page-file.ts";
import { PAGE_BYTES } from "./page-header.ts";
import { type PageId, type PageLsn } from "./page-id.ts";
import { type Frame } from "./page-miss.ts";
import { readPageLsn, sealPage } from "./page-seal.ts";
import { type PageSealer } from "./page-sealer.ts";
import { writeFailed } from "./pager-error.ts";
import { type WrittenLsns } from "./written-lsns.ts";

/** Neighbouring pages written in one call: 128 KiB. */
const BATCH_PAGES_MAX = 32;
/** Writes under way at most; each has a buffer. */
const BATCHES_MAX = 4;
/** Frames looked at by a checkpoint before it lets others run. */
const SLICE_FRAMES = 4096;
/** A dropped page whose write is under way has no frame. */
const NO_FRAME = -1;

/** One write under way: neighbouring pages, sealed. */
interface Batch {
  readonly buffer: Uint8Array;
  readonly first: PageId;
  /** Frame of each page, or `NO_FRAME` once dropped. */
  readonly frames: Frame[];
  /** The highest pageLsn among them. */
  lsn: number;
}

export interface WriteBackParts {
  readonly path: string;
  readonly cache: FrameCache;
  readonly file: PageFile;
  readonly gate: LogGate;
  readonly sealer: PageSealer;
  readonly written: WrittenLsns;
  /** Whether somebody waits for a frame that only a write can free. */
  isPressed(): boolean;
  /** Called after each write was answered; with its error if it failed. */
  onSettled(error?: KvsError): void;
  /** Called when nothing is written any more, unless that is because the pager is closed. */
  readonly onFailure: ((error: KvsError) => void) | undefined;
}

/** What a checkpoint may be told. */
export interface FlushOptions {
  /** Frames looked at in one turn. Default: 4,096. */
  readonly sliceFrames?: number;
}

/**
 * Brings dirty pages to the disk.
 *
 * Pages go in the order of the file, and dirty neighbours in one call: for a device, long writes that
 * go forward cost the least. A clean page between two dirty ones is not written with them: it has no image
 * in the log, and a crash could tear it.
 *
 * For each page: seal a copy (file id, epoch, checksum, and its body if there are keys) in an I/O buffer; wait until the log is
 * durable up to the copy's pageLsn, which is the WAL rule; write the copy. A frame may change in
 * the meantime: it stays dirty then. The live frame is never given to the disk.
 *
 * Why no page is sealed in the middle of a mutation: sealing is synchronous and begins only in turns
 * of its own (`pump` is deferred), and a mutation runs from its first change to its last in one turn.
 *
 * Bounds: `BATCHES_MAX` writes of `BATCH_PAGES_MAX` pages are under way; one at a time for a page,
 * also if the page was dropped and its number given out again.
 *
 * A write that finds the disk full, or a log that finds it full, leaves its pages dirty and tells
 * whoever waits. Any other failure poisons: no write is begun from then on, for nobody knows what
 * the page on disk holds now; the log does.
 */
export class WriteBack {
  writes = 0;
  pagesWritten = 0;
  readonly #parts: WriteBackParts;
  readonly #environment: Environment;
  readonly #buffers: Uint8Array[] = [];
  readonly #batchPagesMax: number;
  /** By page: the batch that it is being written in. */
  readonly #underWay: Map<PageId, Batch> = new Map();
  /** Told when any write settles. */
  #settled: { readonly resolve: () => void; readonly reject: (error: unknown) => void }[] = [];
  readonly #backgroundFrom: number;
  readonly #backgroundTo: number;
  readonly #skipsWalRule: boolean;
  readonly #writesLiveFrame: boolean;
  #isDraining = false;
  #isPumpDeferred = false;
  /** The page where the search for dirty ones goes on: it goes round the file as a lift does. */
  #hand = 0;
  #poison: KvsError | undefined;

  constructor(environment: Environment, parts: WriteBackParts) {
    const { frameCount } = parts.cache;
    this.#environment = environment;
    this.#parts = parts;
    const isSmall = environment.hooks.buggify("pager.write-single-pages");
    this.#batchPagesMax = isSmall ? 1 : Math.min(BATCH_PAGES_MAX, frameCount);
    for (let count = 0; count < BATCHES_MAX; count++) {
      this.#buffers.push(new Uint8Array(this.#batchPagesMax * PAGE_BYTES));
    }
    this.#backgroundFrom = Math.floor(frameCount / 2);
    this.#backgroundTo = Math.floor((frameCount * 3) / 8);
    this.#skipsWalRule = environment.hooks.hasMutant("pager.skip-wal-rule");
    this.#writesLiveFrame = environment.hooks.hasMutant("pager.write-live-frame");
  }

  /** Why nothing is written any more, if so. */
  get error(): KvsError | undefined {
    return this.#poison;
  }

  get isIdle(): boolean {
    return this.#underWay.size === 0;
  }

  /** Looks after the dirty share at the end of the turn. */
  schedule(): void {
    if (this.#isPumpDeferred) return;
    this.#isPumpDeferred = true;
    this.#environment.clock.defer(() => {
      this.#isPumpDeferred = false;
      this.pump();
    });
  }

  /** Whether the background has something to do. */
  get isOverdue(): boolean {
    return this.#parts.cache.dirtyCount > this.#backgroundFrom;
  }

  /** Begins the writes that are due now. Never called in the middle of a mutation. */
  pump(): void {
    const { cache } = this.#parts;
    if (cache.dirtyCount > this.#backgroundFrom) this.#isDraining = true;
    while (this.#buffers.length > 0 && this.#poison === undefined) {
      const left = cache.dirtyCount - this.#underWay.size;
      if (left <= this.#backgroundTo) this.#isDraining = false;
      if (left <= 0 || !(this.#isDraining || this.#parts.isPressed())) return;
      const frame = this.#nextDirty();
      if (frame === NO_FRAME) return;
      this.#begin(frame);
    }
  }

  /**
   * Writes every page whose first missing change is at or before `lsn`, and waits for it.
   *
   * @throws {KvsError} `DISK_FULL`: call again. `PAGER_WRITE_FAILED`, or what it was poisoned with.
   */
  async flushBefore(lsn: PageLsn, options: FlushOptions = {}): Promise<void> {
    const slice = options.sliceFrames ?? SLICE_FRAMES;
    assert(slice >= 1, "a slice has a frame at least");
    while (await this.#sweepBefore(lsn, slice)) if (!this.isIdle) await this.#nextSettled();
    if (this.#poison !== undefined) throw this.#poison;
  }

  /** Begins the write of each such page, in the file's order. Returns whether there was one. */
  async #sweepBefore(lsn: PageLsn, slice: number): Promise<boolean> {
    const { cache } = this.#parts;
    const isDue = (frame: Frame): boolean => cache.recLsn[frame]! <= lsn;
    let page = 0;
    for (let count = 1; ; count++) {
      const frame = cache.findDirty(page, isDue);
      if (frame < 0) return count > 1;
      page = cache.pageOf[frame]!;
      while (cache.pageOf[frame] === page && isDue(frame) && !this.#tryBegin(frame)) {
        await this.#nextSettled();
      }
      page++;
      if (count % slice === 0) await yieldTurn(this.#environment.clock);
    }
  }

  /** Whether a write of this page is under way, perhaps of what it was before it was dropped. */
  isWriting(id: PageId): boolean {
    return this.#underWay.has(id);
  }

  /** Copies what is being written of a dropped page. */
  copyUnderWay(id: PageId, target: Uint8Array): void {
    const batch = this.#underWay.get(id)!;
    const from = (id - batch.first) * PAGE_BYTES;
    target.set(batch.buffer.subarray(from, from + PAGE_BYTES));
  }

  /** The page is dropped: what becomes of its write concerns nobody. */
  forget(id: PageId): void {
    const batch = this.#underWay.get(id);
    if (batch === undefined) return;
    batch.frames[id - batch.first] = NO_FRAME;
    this.#environment.hooks.probe("pager.dropped-while-written");
  }

  /** Ends all writing. Whoever waits for a write gets the error. */
  poison(error: KvsError): void {
    if (this.#poison !== undefined) return;
    this.#poison = error;
    const isClosed = isKvsError(error, "PAGER_CLOSED");
    const level = isClosed ? "debug" : "error";
    const fields = { code: error.code };
    this.#environment.trace.event(level, "pager.write-back", "nothing is written any more", fields);
    if (!isClosed) this.#parts.onFailure?.(error);
    this.#settle(error);
  }

  /** Waits until no write is under way. */
  async idle(): Promise<void> {
    while (!this.isIdle) await this.#nextSettled().catch(() => undefined);
  }

  /** The next dirty page of the file that can be written now, as its frame, or `NO_FRAME`. */
  #nextDirty(): Frame {
    const { cache } = this.#parts;
    let frame = cache.findDirty(this.#hand, this.#canBegin);
    if (frame < 0 && this.#hand > 0) frame = cache.findDirty(0, this.#canBegin);
    if (frame < 0) return NO_FRAME;
    this.#hand = cache.pageOf[frame]! + 1;
    return frame;
  }

  readonly #canBegin = (frame: Frame): boolean => {
    const { cache } = this.#parts;
    return cache.isWaitingForWrite(frame) && !this.#underWay.has(cache.pageOf[frame] as PageId);
  };

  /** Returns whether nothing has to be waited for: the frame's write is under way. */
  #tryBegin(frame: Frame): boolean {
    if (this.#poison !== undefined) throw this.#poison;
    if (this.#parts.cache.isWriting[frame] === 1) return true;
    if (this.#buffers.length === 0 || !this.#canBegin(frame)) return false;
    this.#begin(frame);
    return true;
  }

  /** Seals the page with its dirty neighbours, and begins to write them. */
  #begin(frame: Frame): void {
    const { cache } = this.#parts;
    const page = cache.pageOf[frame] as PageId;
    let first = page;
    while (page - first + 1 < this.#batchPagesMax && this.#canJoin(first - 1)) first--;
    let end = page + 1;
    while (end - first < this.#batchPagesMax && this.#canJoin(end)) end++;
    const batch: Batch = { buffer: this.#buffers.pop()!, first, frames: [], lsn: 0 };
    for (let id = first; id < end; id++) this.#seal(batch, cache.frameOf(id));
    void this.#write(batch);
  }

  #canJoin(id: number): boolean {
    const frame = this.#parts.cache.frameOf(id as PageId);
    return frame >= 0 && this.#canBegin(frame);
  }

  #seal(batch: Batch, frame: Frame): void {
    const { cache, sealer } = this.#parts;
    const at = batch.frames.length * PAGE_BYTES;
    const copy = batch.buffer.subarray(at, at + PAGE_BYTES);
    const live = cache.memory.bytes(frame);
    if (this.#writesLiveFrame) sealPage(live, sealer.owner);
    copy.set(live);
    sealer.seal(copy);
    batch.lsn = Math.max(batch.lsn, cache.pageLsnOf(frame));
    batch.frames.push(frame);
    cache.beginWrite(frame);
    this.#underWay.set(cache.pageOf[frame] as PageId, batch);
  }

  async #write(batch: Batch): Promise<void> {
    const { gate } = this.#parts;
    let failure: KvsError | undefined;
    try {
      if (!this.#skipsWalRule && batch.lsn > gate.durableLsn) {
        await gate.makeDurable(batch.lsn as PageLsn);
        assert(batch.lsn <= gate.durableLsn, "no page is written before its log is durable");
      }
      if (this.#poison !== undefined) throw this.#poison;
      await this.#writeBytes(batch);
      this.#noteWritten(batch);
    } catch (error) {
      if (error instanceof AssertionFailure) throw error;
      failure = this.#classify(error);
    }
    this.#end(batch, failure);
  }

  #noteWritten(batch: Batch): void {
    this.writes++;
    this.pagesWritten += batch.frames.length;
    for (let page = 0; page < batch.frames.length; page++) {
      const from = page * PAGE_BYTES;
      const copy = batch.buffer.subarray(from, from + PAGE_BYTES);
      this.#parts.written.note((batch.first + page) as PageId, readPageLsn(copy));
    }
  }

  async #writeBytes(batch: Batch): Promise<void> {
    const { cache, file } = this.#parts;
    const position = batch.first * PAGE_BYTES;
    const bytes = batch.buffer.subarray(0, batch.frames.length * PAGE_BYTES);
    if (!this.#writesLiveFrame) return writeFullyAt(file.file, bytes, position);
    for (const [index, frame] of batch.frames.entries()) {
      const from = index * PAGE_BYTES;
      const copy = bytes.subarray(from, from + PAGE_BYTES);
      const live = frame === NO_FRAME ? copy : cache.memory.bytes(frame);
      await writeFullyAt(file.file, live, position + from);
    }
  }

  /** A full disk passes; anything else is final. */
  #classify(error: unknown): KvsError {
    if (this.#poison !== undefined) return this.#poison;
    if (isKvsError(error) && error.retryable) return error;
    return writeFailed(this.#parts.path, error);
  }

  #end(batch: Batch, failure: KvsError | undefined): void {
    const { cache } = this.#parts;
    for (const [index, frame] of batch.frames.entries()) {
      this.#underWay.delete((batch.first + index) as PageId);
      if (frame !== NO_FRAME) cache.endWrite(frame, failure === undefined);
    }
    this.#buffers.push(batch.buffer);
    if (failure !== undefined && !failure.retryable) this.poison(failure);
    this.#settle(failure);
  }

  #settle(error: KvsError | undefined): void {
    const waiting = this.#settled;
    this.#settled = [];
    for (const { resolve, reject } of waiting) {
      if (error === undefined) resolve();
      else reject(error);
    }
    // After a failure the next change or request begins again; going on here would spin.
    if (error !== undefined) this.#isDraining = false;
    this.#parts.onSettled(error);
    if (error === undefined) this.pump();
  }

  #nextSettled(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#settled.push({ resolve, reject });
    });
  }
}
