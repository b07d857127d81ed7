import { type Environment } from "@kvs/env";
import { type PageFileHeader, type Pager } from "@kvs/pager";
import { type Wal, type WalRecord } from "@kvs/wal";
import {
  type ActiveBatch,
  MINI_COMMITS,
  MINI_IN_BATCH,
  RECORD_BEGIN_CHECKPOINT,
  RECORD_COMMIT,
  RECORD_COMPENSATION,
  RECORD_END_CHECKPOINT,
  RECORD_END_OF_UNDO,
  RECORD_MINI,
  RECORD_PADDING,
  readBeginCheckpoint,
  readTimestamp,
} from "./engine-record.ts";
import { MiniHeadReader } from "./mini-head.ts";
import { type RecoveryProgress } from "./recovery-progress.ts";
import { Redo } from "./redo.ts";
import { type Timestamp } from "./timestamp.ts";
import { txnError } from "./txn-error.ts";

/** What the log told. */
export interface Analysis {
  /** Batches without a decision, the newest first. */
  readonly losers: readonly ActiveBatch[];
  /** The newest timestamp of a committed batch, and of any. */
  readonly committedTs: Timestamp;
  readonly newestTs: Timestamp;
  /** Records and bytes of log that were read. */
  readonly recordCount: number;
  readonly logBytes: number;
  /** See `Redo.counts`. */
  readonly redone: { readonly applied: number; readonly skipped: number; readonly pages: number };
  /** Bitmap pages that exist. */
  readonly regionCount: number;
}

export interface RecoveryParts {
  readonly environment: Environment;
  readonly wal: Wal;
  readonly pager: Pager;
  readonly header: PageFileHeader;
  readonly onProgress: (progress: RecoveryProgress) => void;
}

/**
 * Analysis and redo, in one pass over the log from the latest checkpoint's BEGIN: which batches were
 * not decided, and every page as it was.
 *
 * @throws {KvsError} `TXN_DAMAGED_LOG`, `WAL_DAMAGED`, `PAGER_CORRUPT_PAGE`.
 */
export async function analyzeAndRedo(parts: RecoveryParts): Promise<Analysis> {
  const { environment, wal, pager, header, onProgress } = parts;
  const analyzer = new Analyzer(header);
  const redo = new Redo(environment, pager);
  const reader = wal.scan(header.redoLsn);
  const totalBytes = wal.durableLsn - header.redoLsn;
  const report = (phase: "analysis" | "redo", lsn: number): void => {
    onProgress({ phase, doneBytes: lsn - header.redoLsn, totalBytes });
  };
  const apply = async (lsn: number): Promise<void> => {
    await redo.apply();
    report("redo", lsn);
  };
  let records = await reader.nextBatch();
  for (; records !== undefined; records = await reader.nextBatch()) {
    redo.copyBatch(records);
    for (const record of records) {
      const opsFrom = analyzer.note(record);
      if (opsFrom === NO_OPS) continue;
      if (!redo.canTake(record.lsn)) await apply(record.start);
      redo.add(record, opsFrom);
      if (redo.isFull) await apply(record.lsn);
    }
    report("analysis", records.at(-1)!.lsn);
  }
  await apply(wal.durableLsn);
  if (redo.counts.skipped > 0) environment.hooks.probe("txn.redo-skipped");
  return analyzer.result(redo, totalBytes);
}

/** The record changes no page. */
const NO_OPS = -1;

/** Follows the log and knows which batches are open. */
class Analyzer {
  readonly #header: PageFileHeader;
  readonly #head = new MiniHeadReader();
  readonly #open = new Map<Timestamp, ActiveBatch>();
  #committedTs: Timestamp;
  #newestTs: Timestamp;
  #recordCount = 0;

  constructor(header: PageFileHeader) {
    this.#header = header;
    this.#committedTs = header.publishedTimestamp;
    this.#newestTs = header.publishedTimestamp;
  }

  /** Notes one record; returns where its ops begin, or `NO_OPS`. */
  note(record: WalRecord): number {
    this.#recordCount++;
    const { kind, payload, start } = record;
    switch (kind) {
      case RECORD_MINI:
      case RECORD_COMPENSATION: {
        this.#head.read(payload);
        this.#noteMini(start);
        return this.#head.opsFrom;
      }
      case RECORD_COMMIT:
        this.#decide(readTimestamp(payload), true);
        return NO_OPS;
      case RECORD_END_OF_UNDO:
        this.#decide(readTimestamp(payload), false);
        return NO_OPS;
      case RECORD_BEGIN_CHECKPOINT:
        if (Number(start) === Number(this.#header.redoLsn)) this.#noteActive(payload);
        return NO_OPS;
      case RECORD_END_CHECKPOINT:
      case RECORD_PADDING:
        return NO_OPS;
      default:
        throw txnError(
          "TXN_DAMAGED_LOG",
          `the log has a record of the unknown kind ${kind} at ${start}; ` +
            "a newer version of the program may have written it",
          { details: { kind, start } },
        );
    }
  }

  result(redo: Redo, logBytes: number): Analysis {
    return {
      losers: [...this.#open.values()].toSorted((one, other) => other.timestamp - one.timestamp),
      committedTs: this.#committedTs,
      newestTs: this.#newestTs,
      recordCount: this.#recordCount,
      logBytes,
      redone: redo.counts,
      regionCount: Math.max(redo.regionCount, this.#header.regionCount),
    };
  }

  #noteMini(start: number): void {
    const head = this.#head;
    if ((head.flags & MINI_IN_BATCH) === 0) return;
    this.#newestTs = Math.max(this.#newestTs, head.timestamp);
    if ((head.flags & MINI_COMMITS) !== 0) this.#decide(head.timestamp, true);
    else this.#noteRecord(head.timestamp, start);
  }

  #noteRecord(timestamp: Timestamp, lastStart: number): void {
    const firstStart = this.#open.get(timestamp)?.firstStart ?? lastStart;
    this.#open.set(timestamp, { timestamp, firstStart, lastStart });
  }

  #decide(timestamp: Timestamp, isCommitted: boolean): void {
    this.#open.delete(timestamp);
    this.#newestTs = Math.max(this.#newestTs, timestamp);
    if (isCommitted) this.#committedTs = Math.max(this.#committedTs, timestamp);
  }

  #noteActive(payload: Uint8Array): void {
    for (const batch of readBeginCheckpoint(payload)) {
      this.#open.set(batch.timestamp, batch);
      this.#newestTs = Math.max(this.#newestTs, batch.timestamp);
    }
  }
}
