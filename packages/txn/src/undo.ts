import { ByteWriter } from "@kvs/codec";
import { type Environment, yieldTurn } from "@kvs/env";
import { Probe } from "@kvs/btree";
import { type Wal } from "@kvs/wal";
import { type MiniRunner, attemptMini } from "./attempt-mini.ts";
import {
  type ActiveBatch,
  type MiniHead,
  NO_START,
  RECORD_COMPENSATION,
  RECORD_END_OF_UNDO,
  UNDO_PAGES,
  UNDO_ROW,
  readMiniHead,
} from "./engine-record.ts";
import { type Forest } from "./forest.ts";
import { txnError } from "./txn-error.ts";

/** Steps after which others get their turn, and the log writes what it has. */
const SLICE_STEPS = 64;

export interface UndoParts extends MiniRunner {
  readonly environment: Environment;
  readonly wal: Wal;
  /** With every tree that a batch to be taken back names. */
  readonly forest: Forest;
  /** Told of each row that is gone; its leaf may be left empty. The key is the listener's. */
  readonly onRowUndone: (tree: number, key: Uint8Array) => void;
  /** Told now and then of the record that is next. */
  readonly onStep?: (start: number) => void;
}

/**
 * Takes back a batch that has records in the log and will not commit: one that recovery found
 * undecided, or one that met an error half way in a living store.
 *
 * From its last record back along `previousStart`, each step is logged as a compensation that names
 * what is next, so that a crash in here goes on where it stopped; END_OF_UNDO closes the batch. Undo
 * is logical: a row is sought by its key, wherever splits have moved it since. It takes no new page
 * and merges none: a leaf that is left empty is the janitor's.
 *
 * @param batch What `mini.active()` says of it. Nothing else changes pages meanwhile.
 * @throws {KvsError} errors of reading log and pages, and of making room for them: what is left of
 *   the batch is what `mini.active()` says then, for another try. `TXN_DAMAGED_LOG`.
 *
 * Source: Mohan et al., "ARIES" (1992), §10.3, compensation log records.
 */
export async function undoBatch(parts: UndoParts, batch: ActiveBatch): Promise<void> {
  const { environment, wal, mini } = parts;
  const { timestamp } = batch;
  const repeatsSteps = environment.hooks.hasMutant("txn.undo-next-ignored");
  mini.beginUndo(batch);
  let steps = 0;
  for (let start = batch.lastStart; start !== NO_START;) {
    const record = await wal.read(start);
    const head = readMiniHead(record.payload);
    const isOwn = head.timestamp === timestamp && head.previousStart < start;
    if (!isOwn) throw txnError("TXN_DAMAGED_LOG", `batch ${timestamp} has a broken chain`);
    if (record.kind === RECORD_COMPENSATION) environment.hooks.probe("txn.undo-resumed");
    else {
      mini.owner.previousStart = repeatsSteps ? batch.lastStart : head.previousStart;
      await undoRecord(parts, head, record.payload);
    }
    start = head.previousStart;
    steps++;
    if (steps % SLICE_STEPS !== 0) continue;
    parts.onStep?.(start);
    await yieldTurn(environment.clock);
    await wal.room();
  }
  const end = new ByteWriter();
  end.u64(timestamp);
  wal.append(RECORD_END_OF_UNDO, end.view());
  mini.endBatch();
  environment.hooks.probe("txn.batch-undone");
}

async function undoRecord(parts: UndoParts, head: MiniHead, payload: Uint8Array): Promise<void> {
  const { mini, forest } = parts;
  if (head.undo === UNDO_ROW) {
    const key = payload.slice(head.keyFrom, head.keyTo);
    const { writer } = forest.tree(head.tree);
    writer.begin(new Probe().set(key, key.length, head.timestamp));
    await attemptMini(parts, () => writer.remove(false)); // its first step; a merge would come next
    parts.onRowUndone(head.tree, key);
  } else if (head.undo === UNDO_PAGES) {
    await attemptMini(parts, () => {
      for (const run of head.runs) mini.needBits(run);
      mini.begin("pages");
      for (const run of head.runs) mini.free(run);
      mini.end();
    });
  }
}
