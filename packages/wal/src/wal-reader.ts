import { concatBytes } from "@kvs/codec";
import { assert } from "@kvs/env";

import { type Group } from "./group.ts";
import { type Geometry } from "./geometry.ts";
import { type CursorOptions, type Fragment, LogCursor, type SegmentSource } from "./log-cursor.ts";
import { type Lsn } from "./lsn.ts";
import {
  FIRST_FRAGMENT,
  FRAGMENT_HEADER_BYTES,
  LAST_FRAGMENT,
  WHOLE_RECORD,
  emptyHeader,
  readFragmentHeader,
} from "./record-format.ts";
import { type RecordOpener } from "./record-opener.ts";
import { damagedAt } from "./tail-repair.ts";

/** What was given to `append`. */
export interface WalRecord {
  readonly kind: number;
  /** Where its first fragment begins: what `read` takes. */
  readonly start: Lsn;
  /** Where its last fragment ends. */
  readonly lsn: Lsn;
  readonly payload: Uint8Array;
}

export interface ReaderOptions extends CursorOptions {
  readonly opener: RecordOpener;
  /** Where the durable log ends now: there the reader ends, and goes on when it has moved. */
  readonly limit: () => number;
}

/**
 * Reads records in order, in large chunks. Memory: one chunk of 1 MiB, or the largest record.
 *
 * One call at a time.
 */
export class WalReader implements AsyncIterable<readonly WalRecord[]> {
  readonly #source: SegmentSource;
  readonly #cursor: LogCursor;
  readonly #opener: RecordOpener;
  readonly #limit: () => number;
  #parts: Uint8Array[] = [];
  #partStart: number | undefined;
  #position: Lsn;
  /** What the next call throws: the record at `#position` cannot be opened. */
  #failure: { readonly error: unknown } | undefined;
  #batch: readonly WalRecord[] = [];
  #next = 0;
  #isReading = false;

  constructor(options: ReaderOptions) {
    this.#source = options.source;
    this.#cursor = new LogCursor(options);
    this.#opener = options.opener;
    this.#limit = options.limit;
    this.#position = this.#cursor.recordLsn;
  }

  /** Where the next record begins, or will begin: the end of the last one read. */
  get position(): Lsn {
    return this.#position;
  }

  /**
   * The next records: at least one, as many as one read of the disk brought.
   *
   * @returns `undefined` at the end of the durable log; later calls find what was added.
   *   The payloads are views that live until the next call.
   * @throws {KvsError} `WAL_DAMAGED`, `WAL_KEY_UNKNOWN`, `WAL_NOT_AUTHENTIC`; `WAL_TRUNCATED` if `truncateBefore` passed this reader;
   *   errors of the disk.
   */
  async nextBatch(): Promise<readonly WalRecord[] | undefined> {
    assert(!this.#isReading, "a reader reads one batch at a time");
    this.#isReading = true;
    try {
      return await this.#read();
    } finally {
      this.#isReading = false;
    }
  }

  /** The next record, or `undefined` at the end. As {@link WalReader.nextBatch}, one at a time. */
  async next(): Promise<WalRecord | undefined> {
    if (this.#next >= this.#batch.length) {
      this.#batch = (await this.nextBatch()) ?? [];
      this.#next = 0;
    }
    return this.#batch[this.#next++];
  }

  /** Batches up to the end of the durable log. */
  async *[Symbol.asyncIterator](): AsyncIterator<readonly WalRecord[]> {
    for (;;) {
      const batch = await this.nextBatch();
      if (batch === undefined) return;
      yield batch;
    }
  }

  async #read(): Promise<readonly WalRecord[] | undefined> {
    const batch: WalRecord[] = [];
    while (this.#cursor.position < this.#limit()) {
      if (this.#failure !== undefined) break;
      const step = this.#cursor.step();
      if (step === undefined) {
        if (batch.length > 0) return batch;
        await this.#cursor.fill();
      } else if (step.type === "fragment") {
        const record = this.#collect(step);
        if (record !== undefined) batch.push(record);
      } else {
        if (batch.length > 0) return batch; // the next call meets the same bytes, and tells
        throw damagedAt(this.#source, step, undefined);
      }
    }
    if (batch.length > 0) return batch;
    if (this.#failure !== undefined) throw this.#failure.error;
    return undefined;
  }

  /** Adds a fragment to its record; returns the record when it is whole. */
  #collect(fragment: Fragment): WalRecord | undefined {
    const { kind, flags, start } = fragment;
    const lsn = fragment.lsn as Lsn;
    if (flags === WHOLE_RECORD && start < this.#opener.sealedFrom) {
      this.#position = lsn;
      return { kind, start: start as Lsn, lsn, payload: fragment.payload };
    }
    try {
      return this.#collectPart(fragment);
    } catch (error) {
      this.#failure = { error };
      return undefined;
    }
  }

  /** A part of a record, or one that has to be opened. */
  #collectPart(fragment: Fragment): WalRecord | undefined {
    const { kind, flags, payload } = fragment;
    const isFirst = (flags & FIRST_FRAGMENT) !== 0;
    const isLast = (flags & LAST_FRAGMENT) !== 0;
    if (isFirst) this.#partStart = fragment.start;
    const start = this.#partStart;
    // Opened in any case: else a record could be hidden by making it look like the rest of another.
    const content = this.#opener.open(fragment, fragment.start, payload);
    if (start === undefined) {
      if (isLast) this.#position = fragment.lsn as Lsn;
      return undefined; // the rest of a record that was dropped
    }
    // The chunk will be filled anew before the rest is there.
    this.#parts.push(isFirst && isLast ? content : content.slice());
    if (!isLast) return undefined;
    const whole = this.#opener.restore(flags, start, concatBytes(this.#parts));
    this.#parts = [];
    this.#partStart = undefined;
    this.#position = fragment.lsn as Lsn;
    return { kind, start: start as Lsn, lsn: this.#position, payload: whole };
  }
}

/**
 * Reads the record that begins at `start` out of the group that holds it, copied.
 *
 * @throws {KvsError} `WAL_KEY_UNKNOWN`, if its key was destroyed meanwhile.
 */
export function readBuffered(
  group: Group,
  start: number,
  geometry: Geometry,
  opener: RecordOpener,
): WalRecord {
  const view = new DataView(group.bytes.buffer, group.bytes.byteOffset, group.bytes.length);
  const parts: Uint8Array[] = [];
  const header = emptyHeader();
  let lsn = start;
  for (;;) {
    const position = geometry.startAfter(lsn);
    const offset = position - group.imageStart;
    const rest = geometry.baseOf(position) + geometry.segmentBytes - position;
    assert(offset >= 0 && offset + FRAGMENT_HEADER_BYTES <= group.imageBytes, "a record is there");
    const fault = readFragmentHeader(view, offset, rest, header);
    assert(fault === undefined, "a record begins at this position");
    const isFirst = (header.flags & FIRST_FRAGMENT) !== 0;
    assert(isFirst === (parts.length === 0), "a record begins at this position");
    const from = offset + FRAGMENT_HEADER_BYTES;
    const payload = group.bytes.slice(from, from + header.length); // a sealed one is opened in place
    parts.push(opener.open(header, position, payload));
    lsn = position + FRAGMENT_HEADER_BYTES + header.length;
    if ((header.flags & LAST_FRAGMENT) === 0) continue;
    const whole = opener.restore(header.flags, start, concatBytes(parts));
    return { kind: header.kind, start: start as Lsn, lsn: lsn as Lsn, payload: whole };
  }
}
