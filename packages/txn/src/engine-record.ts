import { ByteReader, type ByteWriter } from "@kvs/codec";
import { type PageId, type Run, toPageId } from "@kvs/pager";
import { type Timestamp } from "./timestamp.ts";
import { txnError } from "./txn-error.ts";

/**
 * What the engine writes into its log. The log adds length, kind, previous LSN, epoch and checksum
 * to each record.
 *
 *   MINI               flags (1) undo (1) [ timestamp (8) previousStart (8) ] [ row | pages ] op*
 *   COMMIT             timestamp (8) previousStart (8)
 *   BEGIN_CHECKPOINT   count (varint) { timestamp (8) firstStart (8) lastStart (8) }*
 *   END_CHECKPOINT     beginLsn (8)
 *   COMPENSATION       as MINI; previousStart is where undo goes on
 *   END_OF_UNDO        timestamp (8)
 *   PADDING            bytes that mean nothing, to go on in the next segment
 *
 *   flags: bit 0 belongs to a batch (timestamp and previousStart follow), bit 1 ends and commits it
 *   undo:  0 none, 1 row, 2 pages
 *   row:   tree (varint) keyLength (varint) key, if undo is 1
 *   pages: count (varint) { first (varint) pages (varint) }*, if undo is 2
 *
 * A batch's timestamp is its transaction id and the version of its rows. `previousStart` is where the
 * batch's record before this one begins, so that undo finds its way back; 0 for the first.
 * A MINI is one mini-transaction: it is redone whole or not at all. Ops: page-op.ts of `@kvs/btree`.
 *
 * Format: docs/formats/engine-log.md. Source: Mohan et al., "ARIES" (1992), §5 and §6.
 */
export const RECORD_MINI = 1;
export const RECORD_COMMIT = 2;
export const RECORD_BEGIN_CHECKPOINT = 3;
export const RECORD_END_CHECKPOINT = 4;
export const RECORD_COMPENSATION = 5;
export const RECORD_END_OF_UNDO = 6;
export const RECORD_PADDING = 7;

const KIND_NAMES = [
  "MINI",
  "COMMIT",
  "BEGIN_CHECKPOINT",
  "END_CHECKPOINT",
  "COMPENSATION",
  "END_OF_UNDO",
  "PADDING",
];

/** What a kind of record is called, for people who look into a log. */
export function recordKindName(kind: number): string {
  return KIND_NAMES[kind - RECORD_MINI] ?? `unknown kind ${kind}`;
}

export const MINI_IN_BATCH = 1;
export const MINI_COMMITS = 2;

export const UNDO_NONE = 0;
export const UNDO_ROW = 1;
export const UNDO_PAGES = 2;

/** No record: batches begin behind the log's first header. */
export const NO_START = 0;

/** The head of a MINI or COMPENSATION record. */
export interface MiniHead {
  readonly flags: number;
  readonly undo: number;
  /** 0 unless it belongs to a batch. */
  readonly timestamp: Timestamp;
  readonly previousStart: number;
  /** The row to remove, if `undo` is `UNDO_ROW`: the tree's number, and the key's place. */
  readonly tree: number;
  readonly keyFrom: number;
  readonly keyTo: number;
  /** The pages to give back, if `undo` is `UNDO_PAGES`. */
  readonly runs: readonly Run<PageId>[];
  /** Where the ops begin. */
  readonly opsFrom: number;
}

/**
 * Reads the head of a MINI or COMPENSATION record.
 *
 * @throws {KvsError} `TXN_DAMAGED_LOG`.
 */
export function readMiniHead(payload: Uint8Array): MiniHead {
  return guarded(() => {
    const reader = new ByteReader(payload);
    const flags = reader.u8();
    const undo = reader.u8();
    const isInBatch = (flags & MINI_IN_BATCH) !== 0;
    const timestamp = isInBatch ? reader.u64() : 0;
    const previousStart = isInBatch ? reader.u64() : NO_START;
    if (undo > UNDO_PAGES || flags > 3) throw txnError("TXN_DAMAGED_LOG", "an unknown record");
    const tree = undo === UNDO_ROW ? reader.varint() : 0;
    const keyBytes = undo === UNDO_ROW ? reader.varint() : 0;
    const keyFrom = reader.position;
    reader.skip(keyBytes);
    const keyTo = reader.position;
    const runs = undo === UNDO_PAGES ? readRuns(reader) : NO_RUNS;
    const opsFrom = reader.position;
    return { flags, undo, timestamp, previousStart, tree, keyFrom, keyTo, runs, opsFrom };
  });
}

const NO_RUNS: readonly Run<PageId>[] = [];

function readRuns(reader: ByteReader): Run<PageId>[] {
  const count = reader.varint();
  const runs: Run<PageId>[] = [];
  for (let at = 0; at < count; at++) {
    runs.push({ first: toPageId(reader.varint()), count: reader.varint() });
  }
  return runs;
}

/** A batch that is not decided: what the log says of it. */
export interface ActiveBatch {
  readonly timestamp: Timestamp;
  /** Where its first and its latest record begin. */
  readonly firstStart: number;
  readonly lastStart: number;
}

export function writeBeginCheckpoint(writer: ByteWriter, active: readonly ActiveBatch[]): void {
  writer.varint(active.length);
  for (const batch of active) {
    writer.u64(batch.timestamp);
    writer.u64(batch.firstStart);
    writer.u64(batch.lastStart);
  }
}

/** @throws {KvsError} `TXN_DAMAGED_LOG`. */
export function readBeginCheckpoint(payload: Uint8Array): ActiveBatch[] {
  return guarded(() => {
    const reader = new ByteReader(payload);
    const count = reader.varint();
    const active: ActiveBatch[] = [];
    for (let at = 0; at < count; at++) {
      active.push({
        timestamp: reader.u64(),
        firstStart: reader.u64(),
        lastStart: reader.u64(),
      });
    }
    return active;
  });
}

/** The timestamp that COMMIT and END_OF_UNDO begin with. @throws {KvsError} `TXN_DAMAGED_LOG`. */
export function readTimestamp(payload: Uint8Array): Timestamp {
  return guarded(() => new ByteReader(payload).u64());
}

function guarded<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw damagedRecord(error);
  }
}

export function damagedRecord(cause?: unknown): Error {
  const message = "a record of the engine's log is damaged; restore the store from a copy";
  return txnError("TXN_DAMAGED_LOG", message, { cause });
}
