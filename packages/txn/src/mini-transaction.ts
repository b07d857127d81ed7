import { ByteWriter } from "@kvs/codec";
import { assert } from "@kvs/env";
import {
  OP_BITS,
  PageOps,
  type PageWriter,
  type UndoKind,
  writeImage,
  writeOpHeader,
} from "@kvs/btree";
import {
  BITMAP_BITS,
  type Frame,
  PAGE_BITMAP,
  type PageId,
  PageView,
  type Pager,
  type Run,
  bitOf,
  bitmapPageOf,
  formatPage,
  pageLsn,
  reservedBits,
  setBits,
  toPageLsn,
} from "@kvs/pager";
import { type Wal } from "@kvs/wal";
import {
  type ActiveBatch,
  MINI_COMMITS,
  MINI_IN_BATCH,
  NO_START,
  RECORD_COMPENSATION,
  RECORD_MINI,
  UNDO_NONE,
  UNDO_PAGES,
  UNDO_ROW,
} from "./engine-record.ts";
import { type MutationGuard } from "./mutation-guard.ts";
import { type Timestamp } from "./timestamp.ts";

/** The largest run of new pages in one record: 1 MiB, about a millisecond of work. */
const RUN_PAGES_MAX = 256;

/** On whose behalf pages change: what a record says besides its ops. */
export interface MiniOwner {
  /** The batch, or 0 for upkeep that belongs to none. */
  timestamp: Timestamp;
  /** In a compensation, where undo goes on. */
  previousStart: number;
  /** Whether this one record is the whole batch, so that it needs no undo and no COMMIT. */
  isWhole: boolean;
  isCompensation: boolean;
  /** The row under way: what undo removes. */
  tree: number;
  key: Uint8Array;
  keyFrom: number;
  keyTo: number;
}

/** What belongs to no batch. */
function noOwner(): MiniOwner {
  return {
    timestamp: 0,
    previousStart: NO_START,
    isWhole: false,
    isCompensation: false,
    tree: 0,
    key: NO_KEY,
    keyFrom: 0,
    keyTo: 0,
  };
}

const NO_KEY = new Uint8Array(0);

export interface MiniTransactionParts {
  readonly pager: Pager;
  readonly wal: Wal;
  readonly guard: MutationGuard;
  /** Sabotage: no page images. */
  readonly skipsImages: boolean;
  /** Sabotage: what undo does is not said to be undo, so that recovery does it once more. */
  readonly skipsCompensation: boolean;
}

/**
 * Changes pages and logs the change, as one record that is redone whole or not at all.
 *
 * 1. Gather: pages are fetched and picked; nothing changes. `startAttempt` gives back what an
 *    attempt that missed a page had picked.
 * 2. Mutate: each op is encoded into the record and executed from there.
 * 3. End: the record goes to the log, the changed pages get its LSN.
 *
 * A page that was not changed since the latest checkpoint began is logged as an image instead of its
 * ops: the disk may hold it torn, and redo begins there. Source: Gray & Reuter (1993), §10.4; the
 * same as PostgreSQL's full-page writes.
 *
 * One object serves all mini-transactions, one after the other.
 */
export class MiniTransaction implements PageWriter {
  readonly ops: ByteWriter = new ByteWriter({ initialBytes: 8192 });
  readonly runPagesMax: number;
  /** Its fields may be set between two mini-transactions. */
  readonly owner: MiniOwner = noOwner();
  /** LSN of the latest checkpoint that has begun. */
  checkpointLsn = 0;
  readonly #pager: Pager;
  readonly #wal: Wal;
  readonly #guard: MutationGuard;
  readonly #skipsImages: boolean;
  readonly #skipsCompensation: boolean;
  readonly #pageOps = new PageOps();
  readonly #view = new PageView();
  readonly #picked: Run<PageId>[] = [];
  readonly #freed: Run<PageId>[] = [];
  readonly #changed: Frame[] = [];
  readonly #images: Frame[] = [];
  #newFrames = 0;
  #opStart = 0;
  #isInBatch = false;
  /** Where the batch's first and latest record begin. */
  #firstStart = NO_START;
  #lastStart = NO_START;

  constructor(parts: MiniTransactionParts) {
    this.#pager = parts.pager;
    this.#wal = parts.wal;
    this.#guard = parts.guard;
    this.#skipsImages = parts.skipsImages;
    this.#skipsCompensation = parts.skipsCompensation;
    const half = Math.floor(parts.pager.frameCount / 2);
    this.runPagesMax = Math.min(RUN_PAGES_MAX, Math.max(1, half - 1));
  }

  /** From here to `endBatch`, changes of rows and pages belong to this batch. */
  beginBatch(timestamp: Timestamp): void {
    assert(this.owner.timestamp === 0, "batches are applied one after the other");
    this.owner.timestamp = timestamp;
    this.#firstStart = NO_START;
    this.#lastStart = NO_START;
  }

  /**
   * From here to `endBatch`, changes take this batch back: they are compensations. It stays active,
   * so that checkpoints that begin meanwhile name it and keep its log.
   */
  beginUndo(batch: ActiveBatch): void {
    const { owner } = this;
    const isAlone = owner.timestamp === 0 || owner.timestamp === batch.timestamp;
    assert(isAlone, "a batch is taken back while no other is applied");
    owner.timestamp = batch.timestamp;
    owner.isCompensation = true;
    this.#firstStart = batch.firstStart;
    this.#lastStart = batch.lastStart;
  }

  /** From here on changes belong to no batch. */
  endBatch(): void {
    const { owner } = this;
    owner.timestamp = 0;
    owner.previousStart = NO_START;
    owner.isWhole = false;
    owner.isCompensation = false;
    owner.tree = 0;
    owner.key = NO_KEY;
    owner.keyFrom = 0;
    owner.keyTo = 0;
    this.#firstStart = NO_START;
    this.#lastStart = NO_START;
  }

  /** Where the latest record of the batch under way begins, `NO_START` if it has none yet. */
  get lastBatchStart(): number {
    return this.#lastStart;
  }

  /** The batch under way, applied or taken back, if it has records in the log. */
  active(): ActiveBatch | undefined {
    if (this.#lastStart === NO_START) return undefined;
    const { timestamp } = this.owner;
    return { timestamp, firstStart: this.#firstStart, lastStart: this.#lastStart };
  }

  /** Gives back what an attempt picked that did not come to `begin`. Call it before each attempt. */
  startAttempt(): void {
    assert(!this.#guard.isMutating, "an attempt begins before anything changes");
    if (this.#picked.length > 0) {
      for (const run of this.#picked) this.#pager.space.release(run);
      this.#picked.length = 0;
    }
    this.#newFrames = 0;
  }

  need(id: PageId, view: PageView): Frame {
    return this.#pager.fetch(id, view);
  }

  allocate(): PageId {
    return this.allocateRun(1).first;
  }

  allocateRun(countMax: number): Run<PageId> {
    const { space } = this.#pager;
    const run = space.take(countMax);
    this.#picked.push(run);
    this.#newFrames += run.count;
    if (space.needsBitmapPage(run)) this.#newFrames++;
    else this.#pager.fetch(bitmapPageOf(run.first), this.#view);
    return run;
  }

  needBits(run: Run<PageId>): void {
    this.#pager.fetch(bitmapPageOf(run.first), this.#view);
  }

  begin(undo: UndoKind): void {
    const { failure } = this.#wal;
    if (failure !== undefined) this.#guard.poison(failure);
    this.#guard.requireSound();
    this.#pager.requireFrames(this.#newFrames); // the last thing that may be missing
    this.#guard.enter();
    assert(this.#changed.length + this.#images.length === 0, "the one before has ended");
    this.ops.reset();
    this.#writeHead(undo);
    this.#opStart = this.ops.position;
    for (const run of this.#picked) this.#use(run);
    this.#picked.length = 0;
  }

  apply(frame: Frame): void {
    const view = this.#view;
    this.#pager.point(frame, view);
    this.#pageOps.apply(view, this.ops.buffer, this.#opStart);
    if (this.#images.includes(frame) || this.#needsImage(view)) {
      this.ops.truncate(this.#opStart); // its image will say it
      this.image(frame);
    } else {
      this.#opStart = this.ops.position;
      if (!this.#changed.includes(frame)) this.#changed.push(frame);
    }
  }

  create(id: PageId, view: PageView): Frame {
    assert(this.#guard.isMutating, "pages are made in a mutation");
    const frame = this.#pager.create(id, view);
    this.#images.push(frame);
    return frame;
  }

  image(frame: Frame): void {
    if (!this.#images.includes(frame)) this.#images.push(frame);
  }

  free(run: Run<PageId>): void {
    const id = bitmapPageOf(run.first);
    const frame = this.#pager.fetch(id, this.#view);
    this.#writeBits(id, run, 0);
    this.apply(frame);
    this.#freed.push(run);
  }

  end(): void {
    for (const frame of this.#images) {
      this.#pager.point(frame, this.#view);
      writeImage(this.ops, this.#view);
    }
    const isCompensation = this.#isInBatch && this.owner.isCompensation;
    const kind = isCompensation ? RECORD_COMPENSATION : RECORD_MINI;
    const lsn = toPageLsn(this.#wal.append(kind, this.ops.buffer, this.ops.position));
    if (this.#isInBatch) this.#noteStart(this.#wal.lastStart);
    for (const frame of this.#images) this.#pager.dirtied(frame, lsn);
    for (const frame of this.#changed) this.#pager.dirtied(frame, lsn);
    this.#images.length = 0;
    this.#changed.length = 0;
    if (this.#freed.length > 0) this.#giveBack();
    this.#guard.leave();
    this.#newFrames = 0;
  }

  #noteStart(start: number): void {
    if (this.#firstStart === NO_START) this.#firstStart = start;
    this.#lastStart = start;
  }

  #writeHead(undo: UndoKind): void {
    const { ops, owner } = this;
    this.#isInBatch = undo !== "none" && this.#isOwned();
    const isWhole = this.#isInBatch && owner.isWhole;
    ops.u8((this.#isInBatch ? MINI_IN_BATCH : 0) | (isWhole ? MINI_COMMITS : 0));
    const isUndone = this.#isInBatch && !isWhole && !owner.isCompensation;
    const kind = isUndone ? UNDO_NUMBERS[undo] : UNDO_NONE;
    ops.u8(kind);
    if (!this.#isInBatch) return;
    ops.u64(owner.timestamp);
    ops.u64(owner.isCompensation ? owner.previousStart : this.#lastStart);
    if (kind === UNDO_ROW) this.#writeRow();
    else if (kind === UNDO_PAGES) this.#writePicked();
  }

  #isOwned(): boolean {
    const { timestamp, isCompensation } = this.owner;
    return timestamp !== 0 && !(isCompensation && this.#skipsCompensation);
  }

  #writeRow(): void {
    const { ops, owner } = this;
    ops.varint(owner.tree);
    ops.varint(owner.keyTo - owner.keyFrom);
    ops.bytes(owner.key.subarray(owner.keyFrom, owner.keyTo));
  }

  #writePicked(): void {
    const { ops } = this;
    ops.varint(this.#picked.length);
    for (const run of this.#picked) {
      ops.varint(run.first);
      ops.varint(run.count);
    }
  }

  /** Marks picked pages as used; the first of a region makes its bitmap page. */
  #use(run: Run<PageId>): void {
    const id = bitmapPageOf(run.first);
    const { space } = this.#pager;
    if (space.needsBitmapPage(run)) {
      this.create(id, this.#view);
      formatPage(this.#view, id, PAGE_BITMAP);
      space.beginRegion(regionOf(id));
      setBits(this.#view, reservedBits(id), true);
    }
    const frame = this.#pager.fetch(id, this.#view);
    this.#writeBits(id, run, 1);
    this.apply(frame);
  }

  #writeBits(bitmap: PageId, run: Run<PageId>, value: 0 | 1): void {
    this.#opStart = this.ops.position;
    writeOpHeader(this.ops, OP_BITS, bitmap);
    this.ops.u16(bitOf(run.first));
    this.ops.u16(run.count);
    this.ops.u8(value);
  }

  #needsImage(view: PageView): boolean {
    return !this.#skipsImages && pageLsn(view) <= this.checkpointLsn;
  }

  #giveBack(): void {
    for (const run of this.#freed) {
      for (let page = 0; page < run.count; page++) this.#pager.drop((run.first + page) as PageId);
      this.#pager.space.release(run);
    }
    this.#freed.length = 0;
  }
}

function regionOf(id: PageId): number {
  return Math.floor(id / BITMAP_BITS);
}

const UNDO_NUMBERS: Readonly<Record<UndoKind, number>> = {
  row: UNDO_ROW,
  pages: UNDO_PAGES,
  none: UNDO_NONE,
};
