import { assert } from "@kvs/env";

import { type Group } from "./append-buffer.ts";
import { type Geometry } from "./geometry.ts";
import { type CursorOptions, type Fragment, LogCursor, type SegmentSource } from "./log-cursor.ts";
import { type Lsn } from "./lsn.ts";
import {
  FIRST_FRAGMENT,
  FRAGMENT_HEADER_BYTES,
  LAST_FRAGMENT,
  emptyHeader,
  readFragmentHeader,
} from "./record-format.ts";
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
  readonly #limit: () => number;
  #parts: Uint8Array[] = [];
  #partStart: number | undefined;
  #batch: readonly WalRecord[] = [];
  #next = 0;
  #isReading = false;

  constructor(options: ReaderOptions) {
    this.#source = options.source;
    this.#cursor = new LogCursor(options);
    this.#limit = options.limit;
  }

  /** Where the next record begins, or will begin: the end of the last one read. */
  get position(): Lsn {
    return this.#cursor.recordLsn;
  }

  /**
   * The next records: at least one, as many as one read of the disk brought.
   *
   * @returns `undefined` at the end of the durable log; later calls find what was added.
   *   The payloads are views that live until the next call.
   * @throws {KvsError} `WAL_DAMAGED`; `WAL_TRUNCATED` if `truncateBefore` passed this reader;
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
    return batch.length > 0 ? batch : undefined;
  }

  /** Adds a fragment to its record; returns the record when it is whole. */
  #collect(fragment: Fragment): WalRecord | undefined {
    const { kind, flags, payload } = fragment;
    const lsn = fragment.lsn as Lsn;
    const isFirst = (flags & FIRST_FRAGMENT) !== 0;
    const isLast = (flags & LAST_FRAGMENT) !== 0;
    if (isFirst && isLast) return { kind, start: fragment.start as Lsn, lsn, payload };
    if (isFirst) this.#partStart = fragment.start;
    const start = this.#partStart;
    if (start === undefined) return undefined; // the rest of a record that was dropped
    this.#parts.push(payload.slice()); // the chunk will be filled anew
    if (!isLast) return undefined;
    const whole = concat(this.#parts);
    this.#parts = [];
    this.#partStart = undefined;
    return { kind, start: start as Lsn, lsn, payload: whole };
  }
}

/** Reads the record that begins at `start` out of the group that holds it, copied. */
export function readBuffered(group: Group, start: number, geometry: Geometry): WalRecord {
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
    parts.push(group.bytes.slice(from, from + header.length));
    lsn = position + FRAGMENT_HEADER_BYTES + header.length;
    if ((header.flags & LAST_FRAGMENT) === 0) continue;
    return { kind: header.kind, start: start as Lsn, lsn: lsn as Lsn, payload: concat(parts) };
  }
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0]!;
  let length = 0;
  for (const part of parts) length += part.length;
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
