import { ByteWriter } from "@kvs/codec";
import { type Environment, Mutex, isKvsError } from "@kvs/env";
import { type PageFileHeader, type PageId, type Pager, toPageLsn } from "@kvs/pager";
import { type Wal } from "@kvs/wal";
import {
  RECORD_BEGIN_CHECKPOINT,
  RECORD_END_CHECKPOINT,
  writeBeginCheckpoint,
} from "./engine-record.ts";
import { ensureLastLog } from "./batch-space.ts";
import { type Forest } from "./forest.ts";
import { type LogHolds } from "./log-hold.ts";
import { type MiniTransaction } from "./mini-transaction.ts";
import { type MutationGuard } from "./mutation-guard.ts";
import { type Publisher } from "./publisher.ts";
import { withoutEffect } from "./txn-error.ts";

/** Log that a checkpoint writes. */
const LOG_BYTES = 1024;

export interface CheckpointerParts {
  readonly environment: Environment;
  readonly pager: Pager;
  readonly wal: Wal;
  readonly guard: MutationGuard;
  readonly mini: MiniTransaction;
  readonly publisher: Publisher;
  readonly forest: Forest;
  /** Who still reads the log. */
  readonly holds: LogHolds;
  /** What the page file's header says now; replaced by each checkpoint. */
  header: PageFileHeader;
}

/**
 * Bounds what recovery has to read. Writers go on meanwhile.
 *
 * 1. BEGIN goes to the log, with the batches that are not decided. From here on, the first change of
 *    each page is logged as an image.
 * 2. Every page that was changed before is written, in slices, then synced.
 * 3. Both copies of the header say where redo begins: at BEGIN. One may be damaged later.
 * 4. END goes to the log, and the log before BEGIN, or before the first record of the oldest batch
 *    named in it, is dropped.
 * 5. Pages at the file's end that were free at BEGIN, and still are, go back to the file system.
 *
 * A crash in between leaves the previous checkpoint in force: its header, its log, and, for pages
 * torn in step 2, the images since it.
 *
 * Source: Mohan et al., "ARIES" (1992), §5.4, fuzzy checkpoints.
 */
export class Checkpointer {
  readonly #parts: CheckpointerParts;
  readonly #mutex = new Mutex();
  readonly #writer = new ByteWriter();
  readonly #truncatesEarly: boolean;
  readonly #skipsPage: boolean;
  #beginLsn: number;
  #count = 0;

  constructor(parts: CheckpointerParts) {
    this.#parts = parts;
    this.#beginLsn = Math.max(parts.header.checkpointLsn, parts.wal.stats().headPosition);
    const { hooks } = parts.environment;
    this.#truncatesEarly = hooks.hasMutant("txn.truncate-log-early");
    this.#skipsPage = hooks.hasMutant("txn.checkpoint-skips-page");
  }

  /** Checkpoints completed since the store was opened. */
  get count(): number {
    return this.#count;
  }

  /** Bytes of log since the latest complete checkpoint began: what recovery would read. */
  get logBytes(): number {
    return this.#parts.wal.endLsn - this.#beginLsn;
  }

  /** Whether a checkpoint now would set segments of the log free. */
  get hasLogToDrop(): boolean {
    const { headPosition, endLsn, segmentBytes } = this.#parts.wal.stats();
    return endLsn - headPosition > segmentBytes;
  }

  /** Names the catalog in the headers from the next checkpoint on: the store is complete then. */
  setCatalogRoot(catalogRoot: PageId): void {
    this.#parts.header = { ...this.#parts.header, catalogRoot };
  }

  /**
   * Makes one checkpoint; a second call waits for the first, then makes its own.
   *
   * @throws {KvsError} `TXN_POISONED`; `DISK_FULL`, `WAL_DISK_FULL` (retryable): the one before
   *   stays in force.
   */
  run(isClean = false): Promise<void> {
    return this.#mutex.run(() => this.#run(isClean));
  }

  /** Makes one checkpoint and runs `body` behind it, before any other checkpoint begins. */
  runThen<T>(body: () => Promise<T>): Promise<T> {
    return this.#mutex.run(async () => {
      await this.#run(false);
      return body();
    });
  }

  async #run(isClean: boolean): Promise<void> {
    try {
      await this.#make(isClean);
    } catch (error) {
      if (isKvsError(error) && error.retryable) throw withoutEffect(error);
      const isFinal = isKvsError(error, "PAGER_WRITE_FAILED", "WAL_SYNC_FAILED");
      if (isFinal) this.#parts.guard.poison(error); // so that writers are told why
      throw error;
    }
  }

  async #make(isClean: boolean): Promise<void> {
    const { environment, pager, wal, guard, publisher, forest } = this.#parts;
    guard.requireSound();
    await ensureLastLog(wal, LOG_BYTES);
    const { beginLsn, beginStart, keepFrom, regionCount } = this.#begin();
    await wal.sync(beginLsn);
    if (!this.#skipsPage) await pager.flushBefore(toPageLsn(beginLsn));
    await pager.datasync();
    guard.requireSound();
    environment.hooks.probe("txn.checkpoint-flushed");
    const header: PageFileHeader = {
      ...this.#parts.header,
      checkpointLsn: toPageLsn(beginLsn),
      redoLsn: toPageLsn(beginStart),
      regionCount,
      publishedTimestamp: publisher.durableTs,
      nextTreeId: forest.nextTreeId,
      isClean,
    };
    await pager.writeHeader(header);
    await pager.writeHeader(header); // both copies, for the log that the one before needs goes now
    this.#parts.header = header;
    this.#beginLsn = beginLsn;
    this.#writer.reset();
    this.#writer.u64(beginLsn);
    wal.append(RECORD_END_CHECKPOINT, this.#writer.view());
    const { holds } = this.#parts;
    await wal.truncateBefore(Math.min(keepFrom, holds.lowest));
    this.#count++;
    // Whoever reads an older part of the log may come to pages that were in use then.
    if (!holds.isHeld) await pager.trimTail();
  }

  #begin(): { beginLsn: number; beginStart: number; keepFrom: number; regionCount: number } {
    const { wal, mini, pager } = this.#parts;
    const active = mini.active();
    const firstStart = this.#truncatesEarly ? undefined : active?.firstStart;
    this.#writer.reset();
    writeBeginCheckpoint(this.#writer, active === undefined ? [] : [active]);
    const beginLsn = wal.append(RECORD_BEGIN_CHECKPOINT, this.#writer.view());
    const beginStart = wal.lastStart;
    mini.checkpointLsn = beginLsn;
    pager.markTail();
    return {
      beginLsn,
      beginStart,
      keepFrom: Math.min(beginStart, firstStart ?? beginStart),
      regionCount: pager.space.regionCount, // of a later one the header may be durable, the log not
    };
  }
}
