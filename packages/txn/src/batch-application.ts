import { ByteWriter } from "@kvs/codec";
import { assert } from "@kvs/env";
import {
  INFO_OVERFLOW,
  INFO_TOMBSTONE,
  OverflowWriter,
  Probe,
  type RowValue,
  type ValuePacking,
  isLongValue,
  writeOverflow,
} from "@kvs/btree";
import { type Wal } from "@kvs/wal";
import { BatchReader, MUTATION_DELETE } from "./batch-format.ts";
import { type ActiveBatch, NO_START, RECORD_COMMIT } from "./engine-record.ts";
import { type Forest, type TreeHandle } from "./forest.ts";
import { type MiniTransaction } from "./mini-transaction.ts";
import { type MutationGuard } from "./mutation-guard.ts";
import { type Timestamp } from "./timestamp.ts";

/** Rows, and bytes of log, after which a batch lets the event loop run: about 2 ms. */
const SLICE_ROWS = 256;
export const SLICE_LOG_BYTES: number = 1 << 20;
/** Bytes of values compressed in one turn: about two milliseconds. */
const SLICE_PACKED_BYTES: number = 512 << 10;

/** What `run` came to. */
export type ApplicationState = "done" | "slice-over";

export interface ApplicationParts {
  readonly forest: Forest;
  readonly mini: MiniTransaction;
  readonly wal: Wal;
  readonly guard: MutationGuard;
  /** No reader, now or later, reads below it. */
  readonly horizon: () => Timestamp;
  /** What compresses long values; `undefined` if they are kept as they are. */
  readonly packing?: ValuePacking | undefined;
  /** Sabotage: the commit record goes before the rows. */
  readonly commitsFirst: boolean;
}

/**
 * Applies one batch after another to the trees: every row a mini-transaction, the last record a
 * COMMIT; or, for a batch of one row that needs nothing else, one record for all.
 *
 * `run` may be left by a page miss at any point between two mini-transactions, and goes on there
 * when called again.
 */
export class BatchApplication {
  readonly #parts: ApplicationParts;
  readonly #probe = new Probe();
  readonly #overflow: OverflowWriter;
  readonly #descriptor = new ByteWriter();
  readonly #commit = new ByteWriter();
  readonly #value: { -readonly [Field in keyof RowValue]: RowValue[Field] } = {
    flags: 0,
    bytes: new Uint8Array(0),
    from: 0,
    to: 0,
  };
  readonly #batch = new BatchReader();
  #isUnderWay = false;
  #timestamp: Timestamp = 0;
  #tree: TreeHandle | undefined = undefined;
  #phase: "next" | "value" | "row" = "next";
  #hasCommitted = false;

  constructor(parts: ApplicationParts) {
    this.#parts = parts;
    this.#overflow = new OverflowWriter(parts.mini, parts.packing);
  }

  /** Begins a batch. Its timestamp is newer than every one before. */
  begin(batch: Uint8Array, timestamp: Timestamp): void {
    const { mini } = this.#parts;
    this.#batch.reset(batch);
    this.#isUnderWay = true;
    this.#timestamp = timestamp;
    this.#phase = "next";
    this.#hasCommitted = false;
    mini.beginBatch(timestamp);
    if (this.#parts.commitsFirst && this.#batch.remaining > 1) this.#appendCommit();
  }

  /** Whether the log holds the decision on the batch under way. */
  get hasCommitted(): boolean {
    return this.#hasCommitted;
  }

  /**
   * Gives up the batch under way.
   *
   * @returns What has to be taken back, in this turn: what it left in the log, if anything.
   */
  abandon(error: unknown): ActiveBatch | undefined {
    const { guard, mini } = this.#parts;
    if (this.#hasCommitted) guard.poison(error); // nobody can take back a decision
    const left = mini.active();
    if (!guard.isPoisoned) mini.startAttempt();
    this.#end();
    return left;
  }

  /**
   * Applies what is left of the batch, or a slice of it.
   *
   * @throws {PageMiss} between two mini-transactions; call again.
   */
  run(): ApplicationState {
    assert(this.#isUnderWay, "a batch was begun");
    const batch = this.#batch;
    const { mini, guard, wal } = this.#parts;
    return guard.run(() => {
      guard.requireSound();
      const logEnd = wal.endLsn + SLICE_LOG_BYTES;
      const packedEnd = this.#overflow.packedBytes + SLICE_PACKED_BYTES;
      let rows = 0;
      for (;;) {
        if (this.#phase === "next") {
          if (!batch.next()) break;
          this.#beginRow(batch);
        }
        mini.startAttempt();
        if (this.#step(batch)) rows++;
        const isSliceOver = rows >= SLICE_ROWS || wal.endLsn > logEnd;
        if (isSliceOver || this.#overflow.packedBytes > packedEnd) return "slice-over";
      }
      if (!this.#hasCommitted) this.#appendCommit();
      this.#end();
      return "done";
    });
  }

  #beginRow(batch: BatchReader): void {
    const { forest, mini } = this.#parts;
    const { owner } = mini;
    this.#tree = forest.tree(batch.tree);
    owner.tree = batch.tree;
    owner.key = batch.bytes;
    owner.keyFrom = batch.keyFrom;
    owner.keyTo = batch.keyTo;
    this.#probe.setRange(batch.bytes, batch.keyFrom, batch.keyTo, this.#timestamp);
    const value = this.#value;
    value.flags = batch.type === MUTATION_DELETE ? INFO_TOMBSTONE : 0;
    value.bytes = batch.bytes;
    value.from = batch.valueFrom;
    value.to = batch.valueTo;
    const isLong = isLongValue(batch.keyTo - batch.keyFrom, value.to - value.from);
    if (isLong) this.#overflow.begin(batch.bytes.subarray(value.from, value.to));
    else this.#tree.writer.begin(this.#probe);
    this.#phase = isLong ? "value" : "row";
  }

  /** One mini-transaction. Returns whether the row is complete. */
  #step(batch: BatchReader): boolean {
    const { mini, horizon } = this.#parts;
    if (this.#phase === "value") {
      if (this.#overflow.step()) this.#endValue();
      return false;
    }
    const isOnly = batch.remaining === 0 && mini.lastBatchStart === NO_START;
    mini.owner.isWhole = isOnly && !this.#hasCommitted;
    if (!this.#tree!.writer.insert(this.#value, horizon())) return false;
    if (mini.owner.isWhole) this.#hasCommitted = true;
    this.#phase = "next";
    return true;
  }

  /** The pages of a long value are written: the row holds their descriptor. */
  #endValue(): void {
    this.#descriptor.reset();
    writeOverflow(this.#descriptor, this.#overflow.finish());
    const value = this.#value;
    value.flags = INFO_OVERFLOW;
    value.bytes = this.#descriptor.toBytes();
    value.from = 0;
    value.to = value.bytes.length;
    this.#tree!.writer.begin(this.#probe);
    this.#phase = "row";
  }

  #appendCommit(): void {
    const { wal, mini } = this.#parts;
    this.#commit.reset();
    this.#commit.u64(this.#timestamp);
    this.#commit.u64(mini.lastBatchStart);
    wal.append(RECORD_COMMIT, this.#commit.view());
    this.#hasCommitted = true;
  }

  #end(): void {
    this.#isUnderWay = false;
    this.#tree = undefined;
    this.#parts.mini.endBatch();
  }
}
