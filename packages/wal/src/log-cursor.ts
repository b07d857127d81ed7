/**
 * Walks the fragments of a log in order and takes nothing for one that does not belong there.
 *
 * A fragment at position P, after one of epoch E that ended at L, is taken if and only if
 *
 * 1. its header is plausible, and it lies within its segment;
 * 2. `previousLsn` is L: what stood at another position, such as a recycled segment's old content,
 *    never is;
 * 3. its epoch is at least E: the remains of a tail that was cut are older;
 * 4. its checksum, begun with this log's seed, is right;
 * 5. it continues the record that is open, in the same epoch and kind, sealed and compressed as its
 *    beginning is, or begins one if none is.
 *
 * A segment is entered through its header: sound, of this log, with its own base, `previousLsn` L
 * and an epoch of at least E. A walk that begins in the middle of a segment does not look at it.
 *
 * Reads are of large chunks; a fragment's payload is a view into the chunk, valid until the next
 * `fill`. Memory: a chunk, or the largest fragment.
 */
import { assert } from "@kvs/env";

import { type Geometry } from "./geometry.ts";
import { type Lsn } from "./lsn.ts";
import {
  FIRST_FRAGMENT,
  FRAGMENT_HEADER_BYTES,
  type FragmentHeader,
  LAST_FRAGMENT,
  emptyHeader,
  fragmentChecksum,
  payloadChecksum,
  WHOLE_RECORD,
  readFragmentHeader,
  sealBytesOf,
  storedChecksum,
} from "./record-format.ts";
import { type Sabotage, noSabotage } from "./sabotage.ts";
import {
  type LogIdentity,
  SEGMENT_HEADER_BYTES,
  decodeSegmentHeader,
  isSameLog,
} from "./segment-format.ts";
import { RECORD_BYTES_MAX } from "./wal-options.ts";

/** Read at once: large enough for a disk's full speed, small enough to hold several. */
export const CHUNK_BYTES: number = 1 << 20;

/** Where a cursor gets its bytes: the files of a log, or a test. */
export interface SegmentSource {
  readonly geometry: Geometry;
  readonly identity: LogIdentity;
  pathOf(base: number): string;
  /** Fills `target` from a segment's file; fewer bytes only at its end, 0 if it is not there. */
  read(base: number, target: Uint8Array, offset: number): Promise<number>;
}

/** One fragment that belongs to the log. */
export interface Fragment {
  readonly type: "fragment";
  readonly start: number;
  readonly lsn: number;
  readonly kind: number;
  readonly flags: number;
  readonly epoch: number;
  readonly syncedDistance: number;
  /** A view into the cursor's chunk. */
  readonly payload: Uint8Array;
}

/** Why the bytes where the next fragment should be are none. */
export interface Rejection {
  readonly type: "rejection";
  /** Where the fragment should begin. */
  readonly position: number;
  readonly base: number;
  readonly reason: RejectionReason;
  readonly expected?: number;
  readonly found?: number;
}

/**
 * - `no segment`, `segment header`: there is none, or not one that belongs here.
 * - `zeros`, `header`, `length`: no plausible header.
 * - `previous`, `epoch`, `checksum`, `sequence`: rules 2 to 5 above.
 */
export type RejectionReason =
  | "no segment"
  | "segment header"
  | "zeros"
  | "header"
  | "length"
  | "previous"
  | "epoch"
  | "checksum"
  | "sequence";

export interface CursorOptions {
  readonly source: SegmentSource;
  /** The start of a record, or the end of the one before. */
  readonly from: number;
  /** For tests: rules that are not applied. */
  readonly sabotage?: Sabotage;
  /** Bytes read at once, at least. Default: `CHUNK_BYTES`. */
  readonly chunkBytes?: number;
  /**
   * Where the durable log ends now: what lies behind it may change, and is not kept from one read
   * for later. Default: nothing changes.
   */
  readonly limit?: () => number;
  /**
   * The walk begins at a segment's first fragment, which may continue a record whose beginning was
   * dropped: such fragments are taken for a record that nobody wants.
   */
  readonly mayBeginInside?: boolean;
}

/** The record of which not all fragments have been seen. */
interface OpenRecord {
  readonly start: number;
  readonly kind: number;
  readonly epoch: number;
  /** Whether it is sealed, and how it is compressed. */
  readonly packing: number;
  /** Content so far, without seals. */
  bytes: number;
}

export class LogCursor {
  readonly #source: SegmentSource;
  readonly #geometry: Geometry;
  readonly #sabotage: Sabotage;
  readonly #checksum: typeof fragmentChecksum;
  readonly #chunkBytes: number;
  readonly #limit: () => number;
  #mayBeginInside: boolean;
  #chunk: Uint8Array = new Uint8Array(0);
  #view: DataView = new DataView(this.#chunk.buffer);
  /** Position of `#chunk[0]`, and after its last byte. */
  #chunkStart = -1;
  #chunkEnd = -1;
  /** Bytes from the next fragment's start on that the next `fill` must bring. */
  #wanted = 0;
  /** Base of the segment whose header was checked, or -1. */
  #segmentBase = -1;
  /** `previousLsn` that the next fragment must carry; `undefined` before the first header. */
  #previous: number | undefined;
  #open: OpenRecord | undefined;
  /** The header being looked at. */
  readonly #header: FragmentHeader = emptyHeader();
  #position: number;
  #recordLsn: number;
  #epoch = 1;

  constructor(options: CursorOptions) {
    this.#source = options.source;
    this.#geometry = options.source.geometry;
    this.#sabotage = options.sabotage ?? noSabotage;
    this.#checksum = this.#sabotage.leavesHeaderOut ? payloadChecksum : fragmentChecksum;
    this.#chunkBytes = options.chunkBytes ?? CHUNK_BYTES;
    this.#limit = options.limit ?? (() => Number.POSITIVE_INFINITY);
    this.#mayBeginInside = options.mayBeginInside ?? false;
    this.#position = options.from;
    this.#recordLsn = options.from;
    const start = this.#geometry.startAfter(options.from);
    if (this.#geometry.isFirstInSegment(start)) return;
    // Where the fragment before ended follows from where this one begins: no header is needed.
    this.#segmentBase = this.#geometry.baseOf(start);
    this.#previous = start;
  }

  /** End of the last fragment taken. */
  get position(): number {
    return this.#position;
  }

  /** End of the last record taken as a whole: everything after it may be cut. */
  get recordLsn(): Lsn {
    return this.#recordLsn as Lsn;
  }

  /** Epoch of the last fragment taken. */
  get epoch(): number {
    return this.#epoch;
  }

  /** Whether a record has begun whose last fragment was not seen. */
  get isInsideRecord(): boolean {
    return this.#open !== undefined;
  }

  /**
   * Takes the next fragment, from bytes that are there.
   *
   * @returns `undefined` if more bytes are needed: call `fill`, which ends the life of the
   *   payloads handed out, then `step` again. After a rejection it returns the same one.
   */
  step(): Fragment | Rejection | undefined {
    const start = this.#geometry.startAfter(this.#position);
    const base = this.#geometry.baseOf(start);
    if (base !== this.#segmentBase) {
      if (!this.#has(base, SEGMENT_HEADER_BYTES)) return this.#want(base, SEGMENT_HEADER_BYTES);
      const entered = this.#enter(base);
      if (entered !== undefined) return entered;
    }
    const rest = base + this.#geometry.segmentBytes - start;
    if (!this.#has(start, FRAGMENT_HEADER_BYTES)) return this.#want(start, FRAGMENT_HEADER_BYTES);
    const header = this.#header;
    const believed = this.#sabotage.trustsLength ? RECORD_BYTES_MAX : rest;
    const fault = readFragmentHeader(this.#view, start - this.#chunkStart, believed, header);
    if (fault !== undefined) return { type: "rejection", position: start, base, reason: fault };
    const rejection = this.#check(header, start, base);
    if (rejection !== undefined) return rejection;
    const total = FRAGMENT_HEADER_BYTES + header.length;
    if (!this.#has(start, total)) return this.#want(start, total);
    return this.#verify(header, start, base) ?? this.#take(header, start);
  }

  /** Reads what the last `step` missed. @throws {KvsError} as `SegmentSource.read`. */
  async fill(): Promise<void> {
    const start = this.#chunkStart;
    const base = this.#geometry.baseOf(start);
    const rest = base + this.#geometry.segmentBytes - start;
    const bytes = Math.min(rest, Math.max(this.#chunkBytes, this.#wanted));
    if (this.#chunk.length < bytes) {
      this.#chunk = new Uint8Array(bytes);
      this.#view = new DataView(this.#chunk.buffer);
    }
    const target = this.#chunk.subarray(0, bytes);
    const limit = this.#limit();
    const count = await this.#source.read(base, target, start - base);
    // What a short or missing file does not hold reads as zeros, which are no fragment.
    if (count < bytes) target.fill(0, count);
    this.#chunkEnd = Math.max(start + this.#wanted, Math.min(start + bytes, limit));
  }

  #has(start: number, bytes: number): boolean {
    return start >= this.#chunkStart && start + bytes <= this.#chunkEnd;
  }

  /** Makes the next `fill` begin at `start`. */
  #want(start: number, bytes: number): undefined {
    this.#chunkStart = start;
    this.#chunkEnd = -1;
    this.#wanted = bytes;
  }

  /** Checks the header of the segment that the next fragment lies in. */
  #enter(base: number): Rejection | undefined {
    const offset = base - this.#chunkStart;
    const header = decodeSegmentHeader(this.#chunk, offset);
    const { identity } = this.#source;
    const isOurs =
      header !== undefined && header.base === base && isSameLog(header.logId, identity.logId);
    const previous = this.#previous;
    const isNext =
      isOurs &&
      (previous === undefined || this.#isPrevious(header.previousLsn, previous)) &&
      (header.epoch >= this.#epoch || this.#sabotage.ignoresEpoch);
    if (!isNext) return { type: "rejection", position: base, base, reason: "segment header" };
    this.#segmentBase = base;
    this.#epoch = Math.max(this.#epoch, header.epoch);
    this.#previous = header.previousLsn;
    return undefined;
  }

  #check(header: FragmentHeader, position: number, base: number): Rejection | undefined {
    assert(this.#previous !== undefined, "a segment is entered through its header");
    const rejection = { type: "rejection", position, base } as const;
    if (!this.#isPrevious(header.previousLsn, this.#previous)) {
      const found = header.previousLsn;
      return { ...rejection, reason: "previous", expected: this.#previous, found };
    }
    if (header.epoch < this.#epoch && !this.#sabotage.ignoresEpoch) {
      return { ...rejection, reason: "epoch", expected: this.#epoch, found: header.epoch };
    }
    const isFirst = (header.flags & FIRST_FRAGMENT) !== 0;
    const open = this.#open;
    const isExpected = isFirst
      ? open === undefined
      : this.#mayBeginInside || (open !== undefined && continues(open, header));
    if (!isExpected) return { ...rejection, reason: "sequence" };
    if ((open?.bytes ?? 0) + contentBytes(header) > RECORD_BYTES_MAX) {
      return { ...rejection, reason: "length", expected: RECORD_BYTES_MAX, found: header.length };
    }
    return undefined;
  }

  #isPrevious(found: number, expected: number): boolean {
    return found === expected || this.#sabotage.skipsPreviousLsn;
  }

  #verify(header: FragmentHeader, position: number, base: number): Rejection | undefined {
    const offset = position - this.#chunkStart;
    const { seed } = this.#source.identity;
    const found = this.#checksum(this.#chunk, offset, header.length, seed);
    const expected = storedChecksum(this.#view, offset);
    if (found === expected) return undefined;
    return { type: "rejection", position, base, reason: "checksum", expected, found };
  }

  #take(header: FragmentHeader, start: number): Fragment {
    const from = start - this.#chunkStart + FRAGMENT_HEADER_BYTES;
    const lsn = start + FRAGMENT_HEADER_BYTES + header.length;
    this.#position = lsn;
    this.#previous = lsn;
    this.#epoch = header.epoch;
    const open = this.#open;
    this.#mayBeginInside = false;
    if ((header.flags & LAST_FRAGMENT) !== 0) {
      this.#open = undefined;
      this.#recordLsn = lsn;
    } else if (open === undefined) {
      const { kind, epoch, flags } = header;
      const packing = flags & ~WHOLE_RECORD;
      this.#open = { start, kind, epoch, packing, bytes: contentBytes(header) };
    } else open.bytes += contentBytes(header);
    const { kind, flags, epoch, syncedDistance } = header;
    const payload = this.#chunk.subarray(from, from + header.length);
    return { type: "fragment", start, lsn, kind, flags, epoch, syncedDistance, payload };
  }
}

/** Whether a fragment that is not the first may follow what was seen of its record. */
function continues(open: OpenRecord, header: FragmentHeader): boolean {
  const isSame = header.kind === open.kind && header.epoch === open.epoch;
  return isSame && (header.flags & ~WHOLE_RECORD) === open.packing;
}

function contentBytes(header: FragmentHeader): number {
  return header.length - sealBytesOf(header.flags);
}
