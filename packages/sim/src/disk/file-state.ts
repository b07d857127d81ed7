import { type Random, assert } from "@kvs/env";

import { BLOCK_BYTES, SparseBytes } from "./sparse-bytes.ts";

/** What a device writes whole or not at all. */
export const SECTOR_BYTES = 512;

/** Changes of one file kept apart; beyond, the oldest are written back, as a kernel would. */
export const PENDING_CHANGES_MAX = 65_536;

/** A change of one file that no sync has covered. Its bytes are its own and never change. */
export type FileChange =
  | {
      readonly type: "write";
      readonly sequence: number;
      readonly position: number;
      readonly bytes: Uint8Array;
    }
  | {
      readonly type: "zero";
      readonly sequence: number;
      readonly from: number;
      readonly to: number;
    }
  | { readonly type: "truncate"; readonly sequence: number; readonly sizeBytes: number };

/** Half-open range of bytes in a file. */
export interface ByteRange {
  readonly from: number;
  readonly to: number;
}

/**
 * One file's contents: what readers see, what is certainly stored, and what lies between.
 *
 * 1. A crash image is `durable` with some of `pending` applied, in order, whole or in part.
 * 2. No subset of `pending`, applied in order, changes a byte that a durable write covered, nor
 *    cuts the file below it: `makeRangeDurable` trims what was pending before it.
 * 3. `cache` is `durable` with all of `pending` applied, until a fault parts them.
 */
export class FileState {
  readonly id: number;
  cache: SparseBytes = new SparseBytes();
  durable: SparseBytes = new SparseBytes();
  pending: FileChange[] = [];
  /** Names in the directories as readers see them. */
  names = 0;
  /** Open handles of living processes. */
  handles = 0;
  /** Failed syncs so far: every handle opened before one must hear of it. */
  syncFailures = 0;
  /** Ranges that the device cannot read until they are written again. */
  badRanges: readonly ByteRange[] = [];

  constructor(id: number) {
    this.id = id;
  }

  /** The contents without the handles. Constant time but for the list of pending changes. */
  clone(): FileState {
    const copy = new FileState(this.id);
    copy.cache = this.cache.clone();
    copy.durable = this.durable.clone();
    copy.pending = this.pending.slice();
    copy.names = this.names;
    copy.badRanges = this.badRanges;
    return copy;
  }

  /** What is certainly stored, with nothing pending. */
  cloneDurable(): FileState {
    const copy = new FileState(this.id);
    copy.durable = this.durable.clone();
    copy.badRanges = this.badRanges;
    return copy;
  }

  /** Makes `change` visible to readers and pending for the disk. */
  change(change: FileChange): void {
    applyChange(this.cache, change);
    this.pending.push(change);
    if (change.type === "write") this.#repair(change.position, change.bytes.length);
    if (this.pending.length > PENDING_CHANGES_MAX) {
      this.sync(this.pending[PENDING_CHANGES_MAX / 2]!.sequence);
    }
  }

  /** Stores every change up to and including this sequence number. */
  sync(upTo: number): void {
    this.pending = this.pending.filter((change) => {
      if (change.sequence > upTo) return true;
      applyChange(this.durable, change);
      return false;
    });
  }

  /** Stores what readers see of [from, to); everything else pending stays so. */
  makeRangeDurable(from: number, to: number): void {
    if (from === to) return;
    this.durable.copyRange(this.cache, from, to);
    if (this.pending.length === 0) return;
    this.pending = this.pending.flatMap((change) => trimChange(change, from, to));
  }

  /**
   * A sync that failed: of what was pending up to `upTo`, any sectors may be stored and the rest
   * is lost, though the kernel takes its pages for clean from now on.
   *
   * @param cacheShows What readers see then: `new` as on ext4, `old` as on btrfs.
   */
  failSync(upTo: number, random: Random, cacheShows: "new" | "old"): void {
    const later: FileChange[] = [];
    for (const change of this.pending) {
      if (change.sequence > upTo) later.push(change);
      else applySomeSectors(this.durable, change, random);
    }
    this.pending = later;
    this.syncFailures += 1;
    if (cacheShows === "new") return;
    this.cache = this.durable.clone();
    for (const change of later) applyChange(this.cache, change);
  }

  /** Numbers of the 4 KB pages that pending changes up to `upTo` wrote to, ascending. */
  pendingPages(upTo: number): number[] {
    const pages = new Set<number>();
    for (const change of this.pending) {
      if (change.type !== "write" || change.sequence > upTo) continue;
      const end = change.position + change.bytes.length;
      const first = Math.floor(change.position / BLOCK_BYTES);
      for (let page = first; page * BLOCK_BYTES < end; page++) pages.add(page);
    }
    return [...pages].toSorted((a, b) => a - b);
  }

  /** The first unreadable range that meets [from, to). */
  badRangeIn(from: number, to: number): ByteRange | undefined {
    return this.badRanges.find((range) => range.from < to && from < range.to);
  }

  /** A sector written again is readable again: the device maps it elsewhere. */
  #repair(position: number, length: number): void {
    if (this.badRanges.length === 0) return;
    const end = position + length;
    this.badRanges = this.badRanges.flatMap((range) => without(range, position, end));
  }
}

/** Puts all of `change` into `bytes`. */
export function applyChange(bytes: SparseBytes, change: FileChange): void {
  if (change.type === "write") bytes.write(change.bytes, change.position);
  else if (change.type === "zero") bytes.zero(change.from, change.to);
  else bytes.resize(change.sizeBytes);
}

/** The range a change wrote to, or `undefined` for a truncation. */
export function rangeOf(change: FileChange): ByteRange | undefined {
  if (change.type === "truncate") return undefined;
  if (change.type === "zero") return { from: change.from, to: change.to };
  return { from: change.position, to: change.position + change.bytes.length };
}

/** Cuts a change where the device would: at multiples of `unitBytes`. A truncation is one piece. */
export function splitChange(change: FileChange, unitBytes: number): FileChange[] {
  const range = rangeOf(change);
  if (range === undefined) return [change];
  const unit = Math.max(unitBytes, pieceBytesOf(change));
  const pieces: FileChange[] = [];
  for (let from = range.from; from < range.to;) {
    const to = Math.min(range.to, (Math.floor(from / unit) + 1) * unit);
    pieces.push(pieceOf(change, from, to));
    from = to;
  }
  return pieces;
}

/** The part of a write or zeroing that lies in [from, to), which is inside its range. */
function pieceOf(change: FileChange, from: number, to: number): FileChange {
  assert(change.type !== "truncate", "a truncation has no parts");
  if (change.type === "zero") return { ...change, from, to };
  const bytes = change.bytes.subarray(from - change.position, to - change.position);
  return { ...change, position: from, bytes };
}

/** Changes one bit of a file for good, stored and cached. `bit` counts from the file's start. */
export function flipBitAt(file: FileState, bit: number): void {
  const position = Math.floor(bit / 8);
  const byte = new Uint8Array(1);
  for (const bytes of [file.durable, file.cache]) {
    if (position >= bytes.size) continue;
    bytes.read(byte, position);
    byte[0]! ^= 1 << (bit % 8);
    bytes.write(byte, position);
  }
}

/** Zeroing may span a hole of terabytes: it is cut into this many pieces at most. */
const ZERO_PIECES_MAX = 2048;

function pieceBytesOf(change: FileChange): number {
  if (change.type !== "zero") return SECTOR_BYTES;
  const sectors = Math.ceil((change.to - change.from) / SECTOR_BYTES / ZERO_PIECES_MAX);
  return Math.max(1, sectors) * SECTOR_BYTES;
}

function applySomeSectors(bytes: SparseBytes, change: FileChange, random: Random): void {
  for (const piece of splitChange(change, SECTOR_BYTES)) {
    if (random.chance(0.5)) applyChange(bytes, piece);
  }
}

/** What is left of an earlier change once [from, to) is stored for certain. */
function trimChange(change: FileChange, from: number, to: number): FileChange[] {
  if (change.type !== "truncate") {
    return without(rangeOf(change)!, from, to).map((r) => pieceOf(change, r.from, r.to));
  }
  if (change.sizeBytes >= to) return [change];
  // The cut itself may still be lost, but it may no longer take the stored bytes with it.
  const cut: FileChange = { ...change, sizeBytes: to };
  if (change.sizeBytes >= from) return [cut];
  return [{ type: "zero", sequence: change.sequence, from: change.sizeBytes, to: from }, cut];
}

function without(range: ByteRange, from: number, to: number): ByteRange[] {
  if (range.to <= from || to <= range.from) return [range];
  const rest: ByteRange[] = [];
  if (range.from < from) rest.push({ from: range.from, to: from });
  if (to < range.to) rest.push({ from: to, to: range.to });
  return rest;
}
