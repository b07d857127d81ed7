import { type Environment, assert } from "@kvs/env";
import { Probe } from "@kvs/btree";
import { type PageFileHeader, type Pager } from "@kvs/pager";
import { type Wal, type WalRecord } from "@kvs/wal";
import { ByteWriter } from "@kvs/codec";
import {
  MINI_COMMITS,
  MINI_IN_BATCH,
  type MiniHead,
  NO_START,
  RECORD_BEGIN_CHECKPOINT,
  RECORD_COMMIT,
  RECORD_COMPENSATION,
  RECORD_END_CHECKPOINT,
  RECORD_END_OF_UNDO,
  RECORD_MINI,
  UNDO_PAGES,
  UNDO_ROW,
  readBeginCheckpoint,
  readMiniHead,
  readTimestamp,
} from "./engine-record.ts";
import { type Forest } from "./forest.ts";
import { type MiniTransaction } from "./mini-transaction.ts";
import { type MutationGuard } from "./mutation-guard.ts";
import { Redo } from "./redo.ts";
import { type Timestamp } from "./timestamp.ts";
import { txnError } from "./txn-error.ts";

/** What the log told. */
export interface Analysis {
  /** Batches without a decision: timestamp → where the latest record begins. */
  readonly losers: ReadonlyMap<Timestamp, number>;
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
  readonly #open = new Map<Timestamp, number>();
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
      losers: this.#open,
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
    else this.#open.set(head.timestamp, start);
  }

  #decide(timestamp: Timestamp, isCommitted: boolean): void {
    this.#open.delete(timestamp);
    this.#newestTs = Math.max(this.#newestTs, timestamp);
    if (isCommitted) this.#committedTs = Math.max(this.#committedTs, timestamp);
  }

  #noteActive(payload: Uint8Array): void {
    for (const batch of readBeginCheckpoint(payload)) {
      this.#open.set(batch.timestamp, batch.lastStart);
      this.#newestTs = Math.max(this.#newestTs, batch.timestamp);
    }
  }
}

export interface UndoParts {
  readonly environment: Environment;
  readonly wal: Wal;
  readonly pager: Pager;
  readonly mini: MiniTransaction;
  readonly guard: MutationGuard;
  /** With every tree that the redone catalog lists. */
  readonly forest: Forest;
}

/**
 * Takes back the batches that were not decided, newest first. Each step is logged as a compensation
 * that names what is next, so that a crash in here goes on where it stopped.
 *
 * Undo is logical: a row is sought by its key, wherever splits have moved it since.
 *
 * Source: Mohan et al., "ARIES" (1992), §10.3, compensation log records.
 */
export async function undoLosers(parts: UndoParts, losers: Analysis["losers"]): Promise<void> {
  const newestFirst = [...losers].toSorted(([one], [other]) => other - one);
  for (const [timestamp, lastStart] of newestFirst) {
    await undoBatch(parts, timestamp, lastStart);
    const end = new ByteWriter();
    end.u64(timestamp);
    parts.wal.append(RECORD_END_OF_UNDO, end.view());
    parts.environment.hooks.probe("txn.batch-undone");
  }
}

async function undoBatch(parts: UndoParts, timestamp: Timestamp, lastStart: number): Promise<void> {
  for (let start = lastStart; start !== NO_START;) {
    const record = await parts.wal.read(start);
    const head = readMiniHead(record.payload);
    const isOwn = head.timestamp === timestamp && head.previousStart < start;
    if (!isOwn) throw txnError("TXN_DAMAGED_LOG", `batch ${timestamp} has a broken chain`);
    if (record.kind === RECORD_COMPENSATION) parts.environment.hooks.probe("txn.undo-resumed");
    else await undoRecord(parts, head, record.payload);
    start = head.previousStart;
  }
}

async function undoRecord(parts: UndoParts, head: MiniHead, payload: Uint8Array): Promise<void> {
  const { pager, mini, guard, forest } = parts;
  const { timestamp, previousStart } = head;
  Object.assign(mini.owner, { timestamp, previousStart, isCompensation: true });
  if (head.undo === UNDO_ROW) {
    const key = payload.slice(head.keyFrom, head.keyTo);
    const { writer } = forest.tree(head.tree);
    writer.begin(new Probe().set(key, key.length, head.timestamp));
    await repeatUntilDone(pager, mini, guard, () => writer.remove(false));
  } else if (head.undo === UNDO_PAGES) {
    await repeatUntilDone(pager, mini, guard, () => {
      for (const run of head.runs) mini.needBits(run);
      mini.begin("pages");
      for (const run of head.runs) mini.free(run);
      mini.end();
      return true;
    });
  }
  mini.endBatch();
}

/** Calls `step`, one mini-transaction at a time, until it returns true. */
export async function repeatUntilDone(
  pager: Pager,
  mini: MiniTransaction,
  guard: MutationGuard,
  step: () => boolean,
): Promise<void> {
  for (let isDone = false; !isDone;) {
    isDone = await pager.attempt(() =>
      guard.run(() => {
        mini.startAttempt();
        return step();
      }),
    );
  }
  assert(!guard.isMutating, "a step ends its mutation");
}
