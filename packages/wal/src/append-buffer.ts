/**
 * The tail of the log that is not durable yet: records in the very bytes that will be written.
 *
 *   durable │ group │ group │ … │ filling ─▶ end of the log
 *             oldest              append writes here
 *
 * 1. Groups are contiguous images of the log, segment headers and skipped rests included; each is
 *    written only after all before it are durable. So the start of its group proves, for every
 *    fragment, what had been durable: that is `syncedDistance`.
 * 2. A record lies in one group as a whole.
 * 3. A group's bytes belong to the disk while it is being written: `append` never touches a sealed
 *    group, and its buffer is used again only after `releaseOldest`.
 *
 * This file is a hot path: `append` of a record that fits allocates nothing and takes a few hundred
 * nanoseconds, most of them for the checksum. Hence one class with plain integers, and a fast path
 * that asks one question only: does it fit into `#room`? Whatever else there is to do for a record,
 * such as sealing it, keeps the room at 0, and so happens in the slow path.
 */
import { assert } from "@kvs/env";

import { type FragmentSealer } from "./fragment-seal.ts";
import { FRAGMENT_MIN_BYTES, type Geometry } from "./geometry.ts";
import { GROUP_BYTES_MAX, type Group, cutGroup } from "./group.ts";
import { type Lsn } from "./lsn.ts";
import { type RecordCompressor } from "./record-compression.ts";
import {
  FIRST_FRAGMENT,
  FRAGMENT_HEADER_BYTES,
  LAST_FRAGMENT,
  SEALED_FRAGMENT,
  SEAL_BYTES,
  WHOLE_RECORD,
  sealFragment,
  sealPayloadOnly,
} from "./record-format.ts";
import { type LogIdentity, SEGMENT_HEADER_BYTES, encodeSegmentHeader } from "./segment-format.ts";
import { positionsUsedUp } from "./wal-error.ts";

/** What most groups fit into; grown by doubling. */
const BUFFER_BYTES_MIN: number = 64 << 10;
/** One being filled, one being written, one between. */
const SPARE_BUFFERS_MAX = 2;
/** Below this a loop copies faster than a call out of the engine. */
const LOOP_COPY_BYTES = 48;

export interface AppendBufferOptions {
  readonly geometry: Geometry;
  readonly identity: LogIdentity;
  /** Where the durable log ends. */
  readonly lsn: Lsn;
  readonly epoch: number;
  /** At most `GROUP_BYTES_MAX`; less makes rare timing common. */
  readonly groupBytesMax?: number;
  /** Seals every record. */
  readonly sealer?: FragmentSealer | undefined;
  readonly compressor?: RecordCompressor | undefined;
  /** Told of every segment that a key is used in. */
  readonly onKeyUsed?: (base: number, keyId: number) => void;
  /** A sabotage for tests: checksums begin behind the header. */
  readonly leavesHeaderOut?: boolean;
}

/** Takes records and hands out groups. Synchronous throughout. */
export class AppendBuffer {
  readonly #geometry: Geometry;
  readonly #identity: LogIdentity;
  readonly #groupBytesMax: number;
  readonly #sealer: FragmentSealer | undefined;
  readonly #compressor: RecordCompressor | undefined;
  readonly #onKeyUsed: (base: number, keyId: number) => void;
  readonly #leavesHeaderOut: boolean;
  /** Whether every record takes the slow path. */
  readonly #isSlow: boolean;
  readonly #header = {
    length: 0,
    epoch: 1,
    kind: 1,
    flags: WHOLE_RECORD,
    previousLsn: 0,
    syncedDistance: 0,
    seed: 0,
  };
  #bytes: Uint8Array = new Uint8Array(BUFFER_BYTES_MIN);
  #view: DataView = new DataView(this.#bytes.buffer);
  /** Bytes in use of `#bytes`. */
  #fill = 0;
  /** Bytes that the next fragment may take without a second look; 0: none, -1: refused. */
  #room = 0;
  /** Position of `#bytes[0]`. */
  #imageStart: number;
  /** `#imageStart` minus the position known durable when this group is written. */
  #distance = 0;
  #segmentEnd: number;
  #lsn: number;
  #lastStart: number;
  #sealed: Group[] = [];
  #sealedBytes = 0;
  #spareBuffers: Uint8Array[] = [];
  #recordCount = 0;
  #refusal: (() => Error) | undefined;

  constructor(options: AppendBufferOptions) {
    const { geometry, identity, lsn, epoch, groupBytesMax = GROUP_BYTES_MAX } = options;
    this.#geometry = geometry;
    this.#identity = identity;
    this.#groupBytesMax = Math.min(groupBytesMax, GROUP_BYTES_MAX);
    this.#sealer = options.sealer;
    this.#compressor = options.compressor;
    this.#onKeyUsed = options.onKeyUsed ?? (() => undefined);
    this.#leavesHeaderOut = options.leavesHeaderOut ?? false;
    this.#isSlow = [this.#sealer, this.#compressor].some((part) => part !== undefined);
    if (this.#leavesHeaderOut) this.#isSlow = true;
    this.#header.seed = identity.seed;
    this.#header.epoch = epoch;
    this.#lsn = lsn;
    this.#lastStart = lsn;
    this.#imageStart = lsn;
    this.#segmentEnd = geometry.endAfter(lsn);
  }

  /** Where the log ends, with all that is buffered. */
  get lsn(): Lsn {
    return this.#lsn as Lsn;
  }

  /** Where the newest record begins: its first fragment. */
  get lastStart(): Lsn {
    return this.#lastStart as Lsn;
  }

  get epoch(): number {
    return this.#header.epoch;
  }

  /** Bytes appended and not released. */
  get bufferedBytes(): number {
    return this.#sealedBytes + this.#fill;
  }

  /** Whether a group is full and waits to be written. */
  get hasSealed(): boolean {
    return this.#sealed.length > 0;
  }

  get recordCount(): number {
    return this.#recordCount;
  }

  /**
   * Copies a record to the end of the log.
   *
   * @param from Where in `payload` the bytes to take begin.
   * @param length How many there are.
   * @returns Its LSN.
   */
  append(kind: number, payload: Uint8Array, from: number, length: number): Lsn {
    const offset = this.#fill;
    const total = FRAGMENT_HEADER_BYTES + length;
    if (total > this.#room) return this.#appendSlowly(kind, payload, from, length);
    this.#copy(payload, from, length, offset + FRAGMENT_HEADER_BYTES);
    const header = this.#header;
    header.length = length;
    header.kind = kind;
    header.flags = WHOLE_RECORD;
    header.previousLsn = this.#lsn;
    header.syncedDistance = this.#distance + offset;
    sealFragment(this.#bytes, this.#view, offset, header);
    this.#fill = offset + total;
    const room = this.#room - total;
    this.#room = room < FRAGMENT_MIN_BYTES ? 0 : room;
    const start = this.#imageStart + offset;
    this.#lastStart = start;
    this.#lsn = start + total;
    this.#recordCount++;
    return this.#lsn as Lsn;
  }

  /**
   * Checks that `count` records of `bytes` in all would be taken now.
   *
   * @throws What `append` would throw for any of them.
   */
  assertAccepts(count: number, bytes: number): void {
    if (this.#refusal !== undefined) throw this.#refusal();
    const headers = count * this.#geometry.imageBytesFor(0, this.#sealBytes);
    this.#assertPositions(this.#geometry.imageBytesFor(bytes, this.#sealBytes) + headers);
    this.#sealer?.begin();
  }

  /** From now on `append` throws what `error` makes. */
  refuse(error: () => Error): void {
    this.#refusal = error;
    this.#room = -1;
  }

  /** Ends a refusal. */
  accept(): void {
    this.#refusal = undefined;
    this.#room = 0;
  }

  /** The oldest group, sealed if it was being filled; `undefined` if nothing is buffered. */
  oldest(): Group | undefined {
    if (this.#sealed.length === 0) this.#seal();
    return this.#sealed[0];
  }

  /** The group that holds the byte at `position`, if it is buffered. The bytes stay owned here. */
  groupAt(position: number): Group | undefined {
    const isAt = ({ imageStart, lsn }: Group): boolean => position >= imageStart && position < lsn;
    if (position >= this.#imageStart && position < this.#lsn) return this.#filling();
    return this.#sealed.find(isAt);
  }

  /** Forgets the oldest group: it is durable. */
  releaseOldest(): void {
    const group = this.#sealed.shift();
    assert(group !== undefined, "what is released was handed out");
    this.#sealedBytes -= group.imageBytes;
    const isReusable = group.bytes.length <= GROUP_BYTES_MAX;
    if (isReusable && this.#spareBuffers.length < SPARE_BUFFERS_MAX) {
      this.#spareBuffers.push(group.bytes);
    }
  }

  /**
   * Forgets everything after `position`, the end of a record. What follows has the next epoch, so
   * that no byte of what was cut can pass for it.
   */
  cutAfter(position: Lsn): void {
    assert(position <= this.#lsn, "a cut lies within the log");
    this.#seal();
    const groups = this.#sealed;
    this.#sealed = [];
    this.#sealedBytes = 0;
    for (const group of groups) {
      if (group.imageStart >= position) continue;
      const kept = cutGroup(group, position);
      this.#sealed.push(kept);
      this.#sealedBytes += kept.imageBytes;
    }
    assert(this.#header.epoch < 0xffff_ffff, "epochs fit 32 bits");
    this.#header.epoch++;
    this.#begin(position);
  }

  /** Starts an empty group at `lsn`. */
  #begin(lsn: number): void {
    this.#lsn = lsn;
    this.#lastStart = lsn;
    this.#imageStart = lsn;
    this.#segmentEnd = this.#geometry.endAfter(lsn);
    this.#distance = 0;
    this.#fill = 0;
    if (this.#room > 0) this.#room = 0;
  }

  #filling(): Group {
    return {
      bytes: this.#bytes,
      imageStart: this.#imageStart,
      imageBytes: this.#fill,
      lsn: this.lsn,
    };
  }

  #seal(): void {
    if (this.#fill === 0) return;
    const lastStart = this.#lastStart;
    this.#sealed.push(this.#filling());
    this.#sealedBytes += this.#fill;
    this.#useBuffer(this.#spareBuffers.pop() ?? new Uint8Array(BUFFER_BYTES_MIN));
    this.#begin(this.#lsn);
    this.#lastStart = lastStart;
  }

  /** Everything the fast path leaves out: refusal, a new group, several fragments, sealing. */
  #appendSlowly(kind: number, payload: Uint8Array, from: number, length: number): Lsn {
    if (this.#refusal !== undefined) throw this.#refusal();
    const plain = length === payload.length ? payload : payload.subarray(from, from + length);
    const packed = this.#compressor?.pack(plain);
    const content = packed?.content ?? plain;
    this.#makeRoomFor(content.length);
    const keyId = this.#sealer?.begin() ?? 0;
    const sealed = keyId === 0 ? 0 : SEALED_FRAGMENT;
    this.#header.kind = kind;
    this.#appendFragments(content, sealed | (packed?.flags ?? 0), keyId);
    this.#openRoom();
    this.#recordCount++;
    return this.#lsn as Lsn;
  }

  /** Begins a new group, or a larger buffer, if a record of `length` does not fit. */
  #makeRoomFor(length: number): void {
    const needed = this.#geometry.imageBytesFor(length, this.#sealBytes);
    this.#assertPositions(needed);
    if (this.#fill > 0 && this.#fill + needed > this.#groupBytesMax) this.#seal();
    this.#reserve(this.#fill + needed);
  }

  #assertPositions(needed: number): void {
    if (this.#lsn + needed > Number.MAX_SAFE_INTEGER - this.#geometry.segmentBytes) {
      throw positionsUsedUp(this.#lsn);
    }
  }

  /** Lets the fast path use what is left of buffer and segment. */
  #openRoom(): void {
    if (this.#isSlow) return;
    const position = this.#imageStart + this.#fill;
    const capacity = Math.min(this.#bytes.length, this.#groupBytesMax) - this.#fill;
    const room = Math.min(capacity, this.#segmentEnd - position);
    this.#room = room < FRAGMENT_MIN_BYTES ? 0 : room;
  }

  get #sealBytes(): number {
    return this.#sealer === undefined ? 0 : SEAL_BYTES;
  }

  /** @param keyId Of the key that the sealer has begun with; 0: none. */
  #appendFragments(content: Uint8Array, flags: number, keyId: number): void {
    const header = this.#header;
    const sealBytes = keyId === 0 ? 0 : SEAL_BYTES;
    let done = 0;
    do {
      if (this.#segmentEnd - (this.#imageStart + this.#fill) < FRAGMENT_MIN_BYTES) this.#roll();
      const offset = this.#fill;
      const start = this.#imageStart + offset;
      const rest = this.#segmentEnd - start - FRAGMENT_HEADER_BYTES - sealBytes;
      const count = Math.min(content.length - done, rest);
      const first = done === 0 ? FIRST_FRAGMENT : 0;
      const last = done + count === content.length ? LAST_FRAGMENT : 0;
      const to = offset + FRAGMENT_HEADER_BYTES + sealBytes;
      this.#bytes.set(content.subarray(done, done + count), to);
      header.length = sealBytes + count;
      header.flags = first | last | flags;
      header.previousLsn = this.#lsn;
      header.syncedDistance = this.#distance + offset;
      if (keyId !== 0) {
        this.#sealer?.seal(this.#bytes, offset, header, start);
        this.#onKeyUsed(this.#segmentEnd - this.#geometry.segmentBytes, keyId);
      }
      sealFragment(this.#bytes, this.#view, offset, header);
      if (this.#leavesHeaderOut) sealPayloadOnly(this.#bytes, this.#view, offset, header);
      this.#fill = to + count;
      if (first !== 0) this.#lastStart = start;
      this.#lsn = start + FRAGMENT_HEADER_BYTES + header.length;
      done += count;
    } while (done < content.length);
  }

  /** Goes on in the next segment: skips the rest of this one and writes the header of that one. */
  #roll(): void {
    const base = this.#segmentEnd;
    if (this.#fill === 0) {
      // An image never begins with a skipped rest: it would cost a write of its own.
      this.#distance = base - this.#lsn;
      this.#imageStart = base;
    } else {
      const rest = base - (this.#imageStart + this.#fill);
      this.#bytes.fill(0, this.#fill, this.#fill + rest);
      this.#fill += rest;
    }
    encodeSegmentHeader(this.#bytes, this.#fill, {
      segmentBytes: this.#geometry.segmentBytes,
      logId: this.#identity.logId,
      base,
      previousLsn: this.#lsn,
      epoch: this.#header.epoch,
    });
    this.#fill += SEGMENT_HEADER_BYTES;
    this.#segmentEnd = base + this.#geometry.segmentBytes;
  }

  /** Makes the buffer at least `bytes` long. */
  #reserve(bytes: number): void {
    if (bytes <= this.#bytes.length) return;
    const doubled = Math.min(this.#bytes.length * 2, GROUP_BYTES_MAX);
    const larger = new Uint8Array(Math.max(bytes, doubled));
    larger.set(this.#bytes.subarray(0, this.#fill));
    this.#useBuffer(larger);
  }

  #useBuffer(bytes: Uint8Array): void {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer);
  }

  #copy(source: Uint8Array, from: number, length: number, to: number): void {
    const target = this.#bytes;
    if (length > LOOP_COPY_BYTES) {
      target.set(length === source.length ? source : source.subarray(from, from + length), to);
      return;
    }
    for (let at = 0; at < length; at++) target[to + at] = source[from + at]!;
  }
}
