import { AssertionFailure, type Environment, type KvsError, assert, isKvsError } from "@kvs/env";

import { type AppendBuffer } from "./append-buffer.ts";
import { type GroupCommit, isNoSpace } from "./group-commit.ts";
import { type Lsn, toLsn } from "./lsn.ts";
import { type KeyUsage } from "./key-usage.ts";
import { FRAGMENT_HEADER_BYTES } from "./record-format.ts";
import { type RecordOpener } from "./record-opener.ts";
import { applyRepair, writeRepair } from "./repair-file.ts";
import { type Sabotage } from "./sabotage.ts";
import { SEGMENT_HEADER_BYTES } from "./segment-format.ts";
import { type SegmentSet } from "./segment-set.ts";
import { assertRecordEnd } from "./tail-repair.ts";
import { closed, damaged, diskFull, recordTooLarge, truncated } from "./wal-error.ts";
import { type ResolvedWalOptions, type WalOptions, resolveWalOptions } from "./wal-options.ts";
import { type WalParts, openParts } from "./wal-parts.ts";
import { type WalRecord, WalReader, readBuffered } from "./wal-reader.ts";

/** Read at once for one record: what most records fit into. */
const READ_BYTES = 4096;

/** What a log is doing. Counters begin when it is opened. */
export interface WalStats {
  readonly segmentBytes: number;
  /** Segment files, spare ones included. */
  readonly segmentCount: number;
  /** Position of the oldest segment's first byte. */
  readonly headPosition: number;
  readonly endLsn: Lsn;
  readonly durableLsn: Lsn;
  readonly epoch: number;
  readonly bufferedBytes: number;
  readonly recordCount: number;
  /** Groups written: durable writes, but for groups that span segments. */
  readonly groupCount: number;
  readonly writtenBytes: number;
}

/**
 * An append-only log of records, durable in order.
 *
 * 1. Records become durable in the order of their LSNs: if one is, all before it are. After a crash
 *    the log holds every record that was acknowledged, then perhaps some that were not, in order.
 * 2. `append` is synchronous and copies. `sync` waits; all that was appended meanwhile shares one
 *    durable write (group commit).
 * 3. A torn tail is cut when the log is opened; damage before what is known to have been durable is
 *    `WAL_DAMAGED`, never cut.
 * 4. After `WAL_SYNC_FAILED` the log accepts nothing more: end the process and open it again.
 *
 * Whoever opens a log owns its directory: hold a lock of your own (`Disk.lock`) if a second process
 * might try.
 *
 * Format and crash argument: docs/formats/wal.md.
 */
export class Wal implements AsyncDisposable {
  readonly #environment: Environment;
  readonly #options: ResolvedWalOptions;
  readonly #segments: SegmentSet;
  readonly #buffer: AppendBuffer;
  readonly #commit: GroupCommit;
  readonly #maxRecordBytes: number;
  readonly #sabotage: Sabotage;
  readonly #opener: RecordOpener;
  readonly #keyUsage: KeyUsage;
  #closing: Promise<void> | undefined;

  private constructor(parts: WalParts) {
    this.#environment = parts.environment;
    this.#options = parts.options;
    this.#segments = parts.segments;
    this.#buffer = parts.buffer;
    this.#commit = parts.commit;
    this.#opener = parts.opener;
    this.#keyUsage = parts.keyUsage;
    this.#sabotage = parts.sabotage;
    this.#maxRecordBytes = parts.options.maxRecordBytes;
  }

  /**
   * Opens a log, or makes an empty one. What it holds then is durable.
   *
   * @throws {KvsError} `WAL_DAMAGED` if bytes that had been durable are not what was written, if
   *   files are missing, or if the log does not hold `readFrom`; `WAL_UNSUPPORTED` if a newer
   *   program wrote it; errors of the disk.
   *
   * Cost: reads the last segment and the spare ones; zero-fills the first segment of a new log.
   */
  static async open(environment: Environment, options: WalOptions): Promise<Wal> {
    return new Wal(await openParts(environment, resolveWalOptions(options)));
  }

  /** End of the newest record, durable or not. */
  get endLsn(): Lsn {
    return this.#buffer.lsn;
  }

  /** Everything up to here is durable. */
  get durableLsn(): Lsn {
    return this.#commit.durableLsn;
  }

  /** Where the record appended last begins: what `read` takes. */
  get lastStart(): Lsn {
    return this.#buffer.lastStart;
  }

  /** Where the oldest segment begins: records before were dropped. */
  get headPosition(): number {
    return this.#segments.headBase;
  }

  /** Why the log accepts nothing more (`WAL_SYNC_FAILED`), if so: ask before you begin. */
  get failure(): KvsError | undefined {
    return this.#commit.failure;
  }

  /** Bytes appended and not durable. See {@link Wal.room}. */
  get bufferedBytes(): number {
    return this.#buffer.bufferedBytes;
  }

  /**
   * Appends a record. It is durable once `durableLsn` has reached the LSN returned; nothing is
   * written before `sync` is called, or a group is full.
   *
   * @param kind 1 to 255, the caller's.
   * @param payload Copied before this returns.
   * @param length How many bytes of `payload`, from its start; default all. 0 to `maxRecordBytes`.
   * @returns The position just past the record.
   * @throws {KvsError} `WAL_RECORD_TOO_LARGE`, `WAL_CLOSED`, `WAL_POSITIONS_USED_UP`,
   *   `WAL_SYNC_FAILED` if the log failed before: nothing was appended.
   *
   * Cost: one copy and a checksum, some 0.3 µs for 150 bytes; allocates nothing for most records.
   */
  append(kind: number, payload: Uint8Array, length: number = payload.length): Lsn {
    assert(kind >= 1 && kind <= 255, "a kind is an integer from 1 to 255");
    assert(length >= 0 && length <= payload.length, "a record's length lies within its payload");
    if (length > this.#maxRecordBytes) throw recordTooLarge(length, this.#maxRecordBytes);
    const lsn = this.#buffer.append(kind, payload, length);
    if (this.#buffer.hasSealed) this.#commit.poke();
    return lsn;
  }

  /**
   * Waits until everything up to `lsn` is durable.
   *
   * @param lsn At most `endLsn`, the default.
   * @throws {KvsError} `WAL_DISK_FULL` (retryable, outcome unknown): there is no space for the next
   *   segment. The records stay buffered: another `sync` tries again, `truncateAfter` discards
   *   them. `WAL_SYNC_FAILED` (outcome unknown): the log is unusable from now on.
   *   `WAL_DISCARDED`: the record was cut off meanwhile. `WAL_CLOSED`.
   */
  sync(lsn: number = this.endLsn): Promise<void> {
    assert(lsn <= this.endLsn, "only what was appended can become durable");
    if (lsn > this.durableLsn && this.#closing !== undefined) return Promise.reject(closed());
    return this.#commit.sync(lsn);
  }

  /**
   * Calls `listener` once for each group that became durable, with the new `durableLsn`, before the
   * promises of `sync` resolve. It must not throw.
   */
  onDurable(listener: (lsn: Lsn) => void): void {
    this.#commit.onDurable(listener);
  }

  /**
   * Back-pressure: `undefined` while less than `BUFFERED_BYTES_MAX` is buffered; else a promise
   * that resolves when that is so again. It starts writing, and rejects as `sync` does.
   */
  room(): Promise<void> | undefined {
    return this.#commit.room();
  }

  /**
   * Makes sure that records of `bytes` in all can be written without a new segment: ask before you
   * begin what cannot be undone, and a full disk is no surprise later.
   *
   * @returns `undefined` if that is so already.
   * @throws {KvsError} `WAL_DISK_FULL` (retryable, outcome none); `WAL_SYNC_FAILED`.
   */
  ensureSpace(bytes: number): Promise<void> | undefined {
    const { geometry, lastBase } = this.#segments;
    const { segmentBytes } = geometry;
    const segments = Math.ceil(bytes / (segmentBytes - 256)) + 1;
    const end = this.endLsn + bytes + FRAGMENT_HEADER_BYTES + segments * 128;
    const base = geometry.baseBefore(end);
    return base <= lastBase ? undefined : this.#prepareThrough(base);
  }

  /**
   * Reads records in order.
   *
   * @param from The start or the end of a record, as `start`, `lsn` or `lastStart` told it. Default:
   *   the first whole record of the log.
   * @returns A reader that ends where the durable log ends at the time.
   */
  scan(from?: number): WalReader {
    this.#assertOpen();
    const head = this.#segments.headBase + SEGMENT_HEADER_BYTES;
    assert(from === undefined || from <= this.endLsn, "a scan begins within the log");
    return new WalReader({
      source: this.#segments,
      from: from ?? head,
      mayBeginInside: from === undefined || from === head,
      limit: () => this.durableLsn,
      opener: this.#opener,
      sabotage: this.#sabotage,
    });
  }

  /**
   * Reads the record that begins at `start`, durable or not.
   *
   * @param start As `lastStart` told it after its `append`, or `start` of a record that was read.
   * @throws {KvsError} `WAL_TRUNCATED` if it was dropped; `WAL_DAMAGED`; `WAL_KEY_UNKNOWN`,
   *   `WAL_NOT_AUTHENTIC`; errors of the disk.
   */
  async read(start: number): Promise<WalRecord> {
    this.#assertOpen();
    assert(start >= 0 && start < this.endLsn, "a record begins within the log");
    const group = this.#buffer.groupAt(start);
    if (group !== undefined) {
      return readBuffered(group, start, this.#segments.geometry, this.#opener);
    }
    const { headBase } = this.#segments;
    if (start < headBase) throw truncated(start, headBase);
    const limit = (): number => this.durableLsn;
    const source = this.#segments;
    const opener = this.#opener;
    const reader = new WalReader({ source, from: start, limit, chunkBytes: READ_BYTES, opener });
    const record = await reader.next();
    if (record !== undefined && record.start === start) return record;
    const path = source.pathOf(source.geometry.baseOf(start));
    throw damaged(`no record begins at position ${start}`, { path, position: start });
  }

  /**
   * Drops the segments that hold nothing but records before `position`; recycles some of them.
   * Durable when this returns. `headPosition` tells what is left.
   *
   * @param position At most `durableLsn`: where reading will begin from now on.
   * @throws {KvsError} `WAL_DISK_FULL` (retryable): some are left, drop them later.
   *   `WAL_SYNC_FAILED`: the log is unusable from now on.
   */
  async truncateBefore(position: number): Promise<void> {
    this.#assertOpen();
    assert(position <= this.durableLsn, "only what is durable can be dropped");
    const { geometry } = this.#segments;
    // The head has begun: a segment that only will begin with the next record is none.
    const start = geometry.startAfter(position);
    const keep = start < this.durableLsn ? geometry.baseOf(start) : geometry.baseBefore(position);
    const tailBase = geometry.baseBefore(this.durableLsn);
    try {
      await this.#segments.dropBefore(keep, tailBase, this.#options.spareSegments);
    } catch (error) {
      throw this.#failure(error);
    }
  }

  /**
   * Cuts off every record after `position`. When this returns they are gone for good; after a crash
   * before that, either all of them are or none. `endLsn` and `durableLsn` go back.
   *
   * Nobody may append meanwhile, nor read what is cut.
   *
   * @param position The LSN of the record that shall be the last, at least `headPosition`.
   * @throws {KvsError} `WAL_DISK_FULL` (retryable, outcome none); `WAL_SYNC_FAILED` (outcome
   *   unknown): the log is unusable from now on; `DISK_IO` if it could not be read: nothing changed.
   */
  async truncateAfter(position: number): Promise<void> {
    this.#assertOpen();
    const { geometry, headBase } = this.#segments;
    const offset = position - geometry.baseBefore(position);
    const isFirst = position === headBase + SEGMENT_HEADER_BYTES;
    assert(position > headBase && position <= this.endLsn, "a cut lies within the log");
    assert(offset > SEGMENT_HEADER_BYTES || isFirst, "a cut is at the end of a record");
    if (this.#commit.failure !== undefined) throw this.#commit.failure;
    this.#buffer.refuse(() => new AssertionFailure("nobody appends while the log is cut"));
    await this.#commit.paused(() => this.#cutAfter(toLsn(position)));
  }

  /**
   * Numbers of the keys that some record of the log is sealed with, from `headPosition` on: all
   * others may be destroyed, but for `WalOptions.keys.currentId`. Truncate first.
   *
   * @throws {KvsError} `WAL_DAMAGED`, errors of the disk: nobody knows what else is in use.
   *
   * Cost: the first call reads what the log held when it was opened; later ones read nothing.
   */
  keysInUse(): Promise<ReadonlySet<number>> {
    this.#assertOpen();
    return this.#keyUsage.inUse();
  }

  stats(): WalStats {
    return {
      segmentBytes: this.#segments.geometry.segmentBytes,
      segmentCount: this.#segments.count,
      headPosition: this.#segments.headBase,
      endLsn: this.endLsn,
      durableLsn: this.durableLsn,
      epoch: this.#buffer.epoch,
      bufferedBytes: this.bufferedBytes,
      recordCount: this.#buffer.recordCount,
      groupCount: this.#commit.groupCount,
      writtenBytes: this.#commit.writtenBytes,
    };
  }

  /**
   * Makes everything durable and closes the files. A second call waits for the first.
   *
   * @throws {KvsError} as `sync`; the files are closed all the same.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    const hasFailed = this.#commit.failure !== undefined;
    if (!hasFailed) this.#buffer.refuse(closed);
    try {
      if (!hasFailed) await this.#commit.sync(this.endLsn);
    } finally {
      await this.#commit.settled();
      await this.#segments.close();
    }
  }

  async #cutAfter(position: Lsn): Promise<void> {
    const { failure } = this.#commit;
    if (failure !== undefined) throw failure;
    if (position < this.#commit.attemptedLsn) await this.#cutOnDisk(position);
    this.#buffer.cutAfter(position);
    this.#commit.cutAfter(position);
    this.#buffer.accept();
  }

  async #cutOnDisk(position: Lsn): Promise<void> {
    try {
      if (position < this.durableLsn) await assertRecordEnd(this.#segments, position);
    } catch (error) {
      if (isKvsError(error)) this.#buffer.accept(); // a failed read: nothing has changed
      throw error;
    }
    const repair = { from: position, content: new Uint8Array(0), isCut: true };
    try {
      await writeRepair(this.#environment, this.#segments, repair);
    } catch (error) {
      if (isNoSpace(error)) this.#buffer.accept();
      throw this.#failure(error);
    }
    try {
      await applyRepair(this.#environment, this.#segments, repair);
    } catch (error) {
      this.#commit.fail(error); // the cut is decided: the next open finishes it
      throw this.#commit.failure ?? error;
    }
  }

  async #prepareThrough(base: number): Promise<void> {
    this.#assertOpen();
    if (this.#commit.failure !== undefined) throw this.#commit.failure;
    try {
      await this.#segments.prepareThrough(base);
    } catch (error) {
      throw this.#failure(error);
    }
  }

  /** What to throw when changing the log's files failed; ends the life of the log if it must. */
  #failure(error: unknown): unknown {
    if (isNoSpace(error)) return diskFull(error, "none");
    this.#commit.fail(error);
    return this.#commit.failure ?? error;
  }

  #assertOpen(): void {
    if (this.#closing !== undefined) throw closed();
  }
}
