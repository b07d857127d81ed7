import { type Environment, type KvsError, assert } from "@kvs/env";

import { type AppendBuffer } from "./append-buffer.ts";
import { type GroupCommit } from "./group-commit.ts";
import { type Lsn, toLsn } from "./lsn.ts";
import { type SpaceRequest } from "./log-space.ts";
import { type RecordBatch, checkBatch } from "./record-batch.ts";
import { FRAGMENT_HEADER_BYTES } from "./record-format.ts";
import { type WalRetention } from "./retention.ts";
import { type WalStats } from "./wal-stats.ts";
import { cutTail } from "./cut-tail.ts";
import { SEGMENT_HEADER_BYTES } from "./segment-format.ts";
import { type SegmentSet } from "./segment-set.ts";
import { closed, damaged, recordTooLarge, truncated } from "./wal-error.ts";
import { type WalOptions, resolveWalOptions } from "./wal-options.ts";
import { type WalParts, openParts } from "./wal-parts.ts";
import { type WalRecord, WalReader, readBuffered } from "./wal-reader.ts";

/** Read at once for one record: what most records fit into. */
const READ_BYTES = 4096;

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
  readonly #parts: WalParts;
  readonly #segments: SegmentSet;
  readonly #buffer: AppendBuffer;
  readonly #commit: GroupCommit;
  readonly #maxRecordBytes: number;
  #closing: Promise<void> | undefined;

  private constructor(parts: WalParts) {
    this.#parts = parts;
    this.#segments = parts.segments;
    this.#buffer = parts.buffer;
    this.#commit = parts.commit;
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
    const lsn = this.#buffer.append(kind, payload, 0, length);
    if (this.#buffer.hasSealed) this.#commit.poke();
    return lsn;
  }

  /**
   * Appends several records that were encoded into one buffer: all of them, or none. As with single
   * ones, a crash may leave any number of them, from the first on.
   *
   * @returns The LSN of the last one; `endLsn` if there is none.
   * @throws {KvsError} as `append`: nothing was appended.
   *
   * Cost: as `append` for each; no object is made for records of up to 48 bytes, a view for others.
   */
  appendBatch(batch: RecordBatch): Lsn {
    const { count, bytes, ends, kinds, starts, lsns } = batch;
    const total = checkBatch(batch, this.#maxRecordBytes);
    const buffer = this.#buffer;
    buffer.assertAccepts(count, total);
    let from = 0;
    for (let at = 0; at < count; at++) {
      const to = ends[at]!;
      const lsn = buffer.append(kinds[at]!, bytes, from, to - from);
      if (starts !== undefined) starts[at] = buffer.lastStart;
      if (lsns !== undefined) lsns[at] = lsn;
      from = to;
    }
    if (buffer.hasSealed) this.#commit.poke();
    return buffer.lsn;
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
   * begin what cannot be undone, and a full disk is no surprise later. Count `recordOverheadBytes`
   * for every record but the first.
   *
   * Unless it is urgent, `WalOptions.reserveBytes` more must be there and stay: so urgent records
   * have room when others are refused, and others are let in again only when the reserve is full.
   * Who appends without asking may use it up.
   *
   * @returns `undefined` if that is so already.
   * @throws {KvsError} `WAL_DISK_FULL` (retryable, outcome none): ask again whenever you like;
   *   `WAL_SYNC_FAILED`; `WAL_CLOSED`.
   *
   * Cost: nothing mostly; zero-fills a segment where one is missing. After a full disk, a question to
   * the file system, and zeros only if that has room for them.
   */
  ensureSpace(bytes: number, request: SpaceRequest = {}): Promise<void> | undefined {
    assert(bytes >= 0, "space is asked for in bytes");
    if (this.#closing !== undefined) return Promise.reject(closed());
    const { space, sabotage } = this.#parts;
    return space.ensure(bytes, sabotage.ignoresReserve ? { urgent: true } : request);
  }

  /** Bytes that a record takes besides its payload, where it is in one piece. */
  get recordOverheadBytes(): number {
    return FRAGMENT_HEADER_BYTES + this.#parts.space.sealBytes;
  }

  /** Where a record of `length` bytes behind `lsn` ends, uncompressed: to scan on behind damage. */
  endOfNext(lsn: number, length: number): Lsn {
    const { sealBytes } = this.#parts.space;
    return toLsn(this.#segments.geometry.recordEnd(lsn, length, sealBytes));
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
      opener: this.#parts.opener,
      sabotage: this.#parts.sabotage,
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
      return readBuffered(group, start, this.#segments.geometry, this.#parts.opener);
    }
    const { headBase } = this.#segments;
    if (start < headBase) throw truncated(start, headBase);
    const limit = (): number => this.durableLsn;
    const source = this.#segments;
    const { opener } = this.#parts;
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
   * What somebody retains stays (`retain`).
   *
   * @param position At most `durableLsn`, the default: where reading will begin from now on.
   * @throws {KvsError} `WAL_DISK_FULL` (retryable): some are left, drop them later.
   *   `WAL_SYNC_FAILED`: the log is unusable from now on.
   */
  async truncateBefore(position: number = this.durableLsn): Promise<void> {
    this.#assertOpen();
    assert(position <= this.durableLsn, "only what is durable can be dropped");
    void this.#parts.archiver?.start(); // what it takes later is dropped then
    await this.#parts.truncation.dropBefore(position);
  }

  /** The file of the segment that begins at `base`: for who copies it while it is claimed. */
  pathOf(base: number): string {
    return this.#segments.pathOf(base);
  }

  /**
   * Claims the records from a position on, by a name: `truncateBefore` drops nothing that somebody
   * claims. For users who share a log, each with a place of its own up to which it needs nothing more.
   * Claims are not stored: make them anew after an open, before anyone truncates.
   *
   * @param name No other claim has it.
   * @param position Default: all that there is.
   * @throws {KvsError} `WAL_TRUNCATED` if the log begins after it.
   */
  retain(name: string, position: number = this.headPosition): WalRetention {
    this.#assertOpen();
    return this.#parts.retentions.add(name, position, this.headPosition);
  }

  /**
   * Segments before this position have been archived; `headPosition` if there is no archive. A
   * segment is never dropped before.
   */
  get archivedTo(): number {
    return this.#parts.archiver?.archivedTo ?? this.headPosition;
  }

  /**
   * Hands every full segment to the archive and waits until it has taken them.
   *
   * @throws What the archive threw last.
   */
  async archiveFull(): Promise<void> {
    this.#assertOpen();
    const { archiver } = this.#parts;
    await archiver?.settled(); // an attempt that failed a moment ago is not this one
    await archiver?.start();
    if (archiver?.error !== undefined) throw archiver.error;
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
    const { archiver, truncation } = this.#parts;
    const cut = async (): Promise<void> => {
      await cutTail(this.#parts, toLsn(position));
      truncation.cutAfter(position);
    };
    await (archiver === undefined ? cut() : archiver.paused(cut));
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
    return this.#parts.keyUsage.inUse();
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
      preparedBytes: this.#parts.space.preparedBytes,
      recordCount: this.#buffer.recordCount,
      groupCount: this.#commit.groupCount,
      writtenBytes: this.#commit.writtenBytes,
      archivedTo: this.archivedTo,
      archiveError: this.#parts.archiver?.error,
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
      await this.#parts.archiver?.close();
      this.#parts.truncation.close();
      await this.#commit.settled();
      await this.#segments.close();
    }
  }

  #assertOpen(): void {
    if (this.#closing !== undefined) throw closed();
  }
}
