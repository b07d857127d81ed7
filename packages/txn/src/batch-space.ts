import { isKvsError } from "@kvs/env";
import { PAGE_BYTES, type Pager } from "@kvs/pager";
import { type Wal } from "@kvs/wal";
import { SLICE_LOG_BYTES } from "./batch-application.ts";

/** Log bytes asked for in advance beyond a batch's own: splits along its way. */
const LOG_RESERVE_BYTES: number = 64 << 10;
/** Log that a row takes at most beyond its own bytes: the image of its leaf, part of a split. */
const ROW_LOG_BYTES: number = PAGE_BYTES + 512;
/** Log that a slice takes at most: it ends with the mini-transaction that passes its bound. */
const SLICE_BYTES_MAX: number = SLICE_LOG_BYTES + (1 << 20) + 2 * LOG_RESERVE_BYTES;
/** Log that taking back a row writes. */
const UNDO_ROW_BYTES = 96;
/** Pages kept free beyond a batch's own, for splits up to the root. */
const PAGES_RESERVE = 8;
/** Pages that only deletes may take when the disk is full: room for tombstones. */
const PAGES_URGENT = 8;
/** What a leaf holds of a row beyond its key and value. */
const ROW_OVERHEAD_BYTES = 24;
/** Splits of full leaves provided for: 16 MiB. A batch that needs more pages asks for them half way. */
const SPLIT_PAGES_MAX = 4096;

/** What a batch is about to take. */
export interface Demand {
  readonly batchBytes: number;
  readonly rows: number;
  /** Whether it makes room: then it may take what is kept for that. */
  readonly isUrgent: boolean;
}

export interface BatchSpaceParts {
  readonly pager: Pager;
  readonly wal: Wal;
  /** Told when the log could not get its next segment: a checkpoint may set old ones free. */
  readonly onLogFull: () => void;
}

/**
 * Asks for room, in the log and in the page file, before a batch begins and before each of its
 * slices, so that a full disk stops few of them half way. What undo needs is asked for with it.
 */
export class BatchSpace {
  readonly #parts: BatchSpaceParts;

  constructor(parts: BatchSpaceParts) {
    this.#parts = parts;
  }

  /** Whether a batch that is not urgent finds room without waiting. Cost: a few comparisons. */
  isThere(batchBytes: number, rows: number): boolean {
    const { pager, wal } = this.#parts;
    if (pager.space.freePages < pagesFor(batchBytes, rows) + PAGES_URGENT) return false;
    const space = wal.ensureSpace(logBytesFor(batchBytes, rows));
    space?.catch(() => undefined); // whoever waits asks again, and is told
    return space === undefined;
  }

  /** @throws {KvsError} `DISK_FULL`, `WAL_DISK_FULL` (retryable); final errors of log and pages. */
  async make(demand: Demand): Promise<void> {
    const { pager } = this.#parts;
    const { batchBytes, rows, isUrgent } = demand;
    await this.makeForSlice(demand);
    const wanted = pagesFor(batchBytes, rows) + (isUrgent ? 0 : PAGES_URGENT);
    const missing = wanted - pager.space.freePages;
    if (missing <= 0) return;
    try {
      await pager.grow(missing);
    } catch (error) {
      if (!isUrgent || !isKvsError(error, "DISK_FULL")) throw error; // it tries with what there is
    }
  }

  /** Room in the log for the next slice of a batch. @throws {KvsError} as `make`. */
  async makeForSlice({ batchBytes, rows, isUrgent }: Demand): Promise<void> {
    const { wal, onLogFull } = this.#parts;
    try {
      await wal.room();
      const wanted = logBytesFor(batchBytes, rows);
      await (isUrgent ? ensureUrgentLog(wal, wanted) : wal.ensureSpace(wanted));
    } catch (error) {
      if (isKvsError(error, "WAL_DISK_FULL")) onLogFull();
      throw error;
    }
  }
}

/** Log kept when the disk is full, for what brings space back; less where segments are small. */
const LOG_KEPT_BYTES: number = 4 << 20;
/** What deletes and the janitor leave of it, for checkpoints and undo. */
const LAST_LOG_BYTES: number = 64 << 10;

/** The shortest segments outside of tests. */
const SEGMENT_BYTES_USUAL: number = 64 << 10;
/** A delete asks for half of it: enough for many, until a checkpoint brings log back. */
const LOG_KEPT_BYTES_MIN: number = 256 << 10;

/** What a log with segments of this length keeps for who is urgent. */
export function keptLogBytes(segmentBytes: number): number {
  const kept = Math.min(LOG_KEPT_BYTES, segmentBytes);
  return segmentBytes < SEGMENT_BYTES_USUAL ? kept : Math.max(kept, LOG_KEPT_BYTES_MIN);
}

/**
 * Room in the log for what must be written for space to come back: checkpoints and undo.
 *
 * @throws {KvsError} `WAL_DISK_FULL` (retryable); `WAL_SYNC_FAILED`.
 */
export function ensureLastLog(wal: Wal, bytes: number): Promise<void> | undefined {
  return wal.ensureSpace(bytes, { urgent: true });
}

/** The same for what makes room inside the store: deletes and the janitor. */
export function ensureUrgentLog(wal: Wal, bytes: number): Promise<void> | undefined {
  return wal.ensureSpace(bytes + LAST_LOG_BYTES, { urgent: true });
}

function logBytesFor(batchBytes: number, rows: number): number {
  const whole = 2 * batchBytes + rows * ROW_LOG_BYTES + LOG_RESERVE_BYTES;
  return Math.min(whole, SLICE_BYTES_MAX) + rows * UNDO_ROW_BYTES;
}

/**
 * What a batch fills, in pages that may be half empty after splits; and each row may split a full
 * leaf first, eight of them the page above.
 */
function pagesFor(batchBytes: number, rows: number): number {
  const filled = (2 * (batchBytes + rows * ROW_OVERHEAD_BYTES)) / PAGE_BYTES;
  return Math.ceil(filled + Math.min((rows * 9) / 8, SPLIT_PAGES_MAX)) + PAGES_RESERVE;
}
