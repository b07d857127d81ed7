import { type Environment } from "@kvs/env";
import { type PageFileHeader, type Pager } from "@kvs/pager";
import { type Wal, type WalRecord } from "@kvs/wal";
import {
  type ActiveBatch,
  MINI_COMMITS,
  MINI_IN_BATCH,
  type MiniHead,
  RECORD_BEGIN_CHECKPOINT,
  RECORD_COMMIT,
  RECORD_COMPENSATION,
  RECORD_END_CHECKPOINT,
  RECORD_END_OF_UNDO,
  RECORD_MINI,
  readBeginCheckpoint,
  readMiniHead,
  readTimestamp,
} from "./engine-record.ts";
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
  readonly recordCount: number;
  readonly redone: number;
  /** Bitmap pages that exist. */
  readonly regionCount: number;
}

/**
 * Analysis and redo, in one pass over the log from the latest checkpoint's BEGIN: which batches were
 * not decided, and every page as it was.
 *
 * @throws {KvsError} `TXN_DAMAGED_LOG`, `WAL_DAMAGED`, `PAGER_CORRUPT_PAGE`.
 */
export async function analyzeAndRedo(
  environment: Environment,
  wal: Wal,
  pager: Pager,
  header: PageFileHeader,
): Promise<Analysis> {
  const analyzer = new Analyzer(header);
  const redo = new Redo(pager);
  const reader = wal.scan(header.redoLsn);
  for (let record = await reader.next(); record !== undefined; record = await reader.next()) {
    const head = analyzer.note(record);
    if (head !== undefined) await redo.redo(record, head);
  }
  if (redo.counts.skipped > 0) environment.hooks.probe("txn.redo-skipped");
  return analyzer.result(redo);
}

/** Follows the log and knows which batches are open. */
class Analyzer {
  readonly #header: PageFileHeader;
  readonly #open = new Map<Timestamp, ActiveBatch>();
  #committedTs: Timestamp;
  #newestTs: Timestamp;
  #recordCount = 0;

  constructor(header: PageFileHeader) {
    this.#header = header;
    this.#committedTs = header.publishedTimestamp;
    this.#newestTs = header.publishedTimestamp;
  }

  /** Notes one record; returns its head if it is to be redone. */
  note(record: WalRecord): MiniHead | undefined {
    this.#recordCount++;
    const { kind, payload, start } = record;
    switch (kind) {
      case RECORD_MINI:
      case RECORD_COMPENSATION: {
        const head = readMiniHead(payload);
        this.#noteMini(head, start);
        return head;
      }
      case RECORD_COMMIT:
        this.#decide(readTimestamp(payload), true);
        return undefined;
      case RECORD_END_OF_UNDO:
        this.#decide(readTimestamp(payload), false);
        return undefined;
      case RECORD_BEGIN_CHECKPOINT:
        if (Number(start) === Number(this.#header.redoLsn)) this.#noteActive(payload);
        return undefined;
      case RECORD_END_CHECKPOINT:
        return undefined;
      default:
        throw txnError(
          "TXN_DAMAGED_LOG",
          `the log has a record of the unknown kind ${kind} at ${start}; ` +
            "a newer version of the program may have written it",
          { details: { kind, start } },
        );
    }
  }

  result(redo: Redo): Analysis {
    return {
      losers: [...this.#open.values()].toSorted((one, other) => other.timestamp - one.timestamp),
      committedTs: this.#committedTs,
      newestTs: this.#newestTs,
      recordCount: this.#recordCount,
      redone: redo.counts.applied,
      regionCount: Math.max(redo.regionCount, this.#header.regionCount),
    };
  }

  #noteMini(head: MiniHead, start: number): void {
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
