import { assert } from "@kvs/env";

/** Unit of sharing between clones, of the space budget, and of a page write. */
export const BLOCK_BYTES = 4096;

/** What `allocate` writes; shared by everybody, so never in any owned set. */
const ZERO_BLOCK: Uint8Array = new Uint8Array(BLOCK_BYTES);

/** A map larger than this is not walked key by key when a range of fewer blocks is dropped. */
const WALK_RANGE_BLOCKS_MAX = 65_536;

/**
 * A byte array with holes, up to 2^53 long, that clones in constant time.
 *
 * Blocks of 4 KB are shared between clones and copied by whoever writes first. A missing block
 * reads as zeros and costs nothing.
 *
 * 1. A block is changed in place only if its number is in `#owned`: nobody else can see it then.
 * 2. The map of blocks is changed only while `#isMapShared` is false.
 * 3. Bytes at or past `size` are zero in every block, so growing needs no cleaning.
 */
export class SparseBytes {
  #blocks: Map<number, Uint8Array> = new Map();
  #owned: Set<number> = new Set();
  #isMapShared = false;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Blocks that take space; holes do not. */
  get blockCount(): number {
    return this.#blocks.size;
  }

  /** The same bytes; from now on neither sees the other's changes. */
  clone(): SparseBytes {
    const copy = new SparseBytes();
    copy.#blocks = this.#blocks;
    copy.#size = this.#size;
    copy.#isMapShared = true;
    this.#isMapShared = true;
    if (this.#owned.size > 0) this.#owned = new Set();
    return copy;
  }

  /** Fills all of `target` from `position`; zeros in holes and past the end. */
  read(target: Uint8Array, position: number): void {
    let done = 0;
    while (done < target.length) {
      const at = position + done;
      const index = Math.floor(at / BLOCK_BYTES);
      const start = at - index * BLOCK_BYTES;
      const count = Math.min(BLOCK_BYTES - start, target.length - done);
      const block = this.#blocks.get(index);
      if (block === undefined) target.fill(0, done, done + count);
      else target.set(wholeOr(block, start, start + count), done);
      done += count;
    }
  }

  /** Copies `source` to `position`; grows the size where needed. No bytes change nothing. */
  write(source: Uint8Array, position: number): void {
    if (source.length === 0) return;
    let done = 0;
    while (done < source.length) {
      const at = position + done;
      const index = Math.floor(at / BLOCK_BYTES);
      const start = at - index * BLOCK_BYTES;
      const count = Math.min(BLOCK_BYTES - start, source.length - done);
      const block = this.#ownBlock(index, count === BLOCK_BYTES);
      if (done === 0 && count === source.length) block.set(source, start);
      else block.set(source.subarray(done, done + count), start);
      done += count;
    }
    this.#size = Math.max(this.#size, position + source.length);
  }

  /**
   * Makes [from, to) zeros and the size at least `to`. Whole blocks become holes, or with
   * `takesSpace` blocks that count.
   */
  zero(from: number, to: number, takesSpace = false): void {
    assert(from <= to, "a range does not end before it starts");
    if (from === to) return;
    const firstWhole = Math.ceil(from / BLOCK_BYTES);
    const endWhole = Math.max(firstWhole, Math.floor(to / BLOCK_BYTES));
    this.#zeroInBlock(from, Math.min(to, firstWhole * BLOCK_BYTES), takesSpace);
    this.#dropBlocks(firstWhole, endWhole);
    if (takesSpace) {
      this.#ownMap();
      for (let index = firstWhole; index < endWhole; index++) this.#blocks.set(index, ZERO_BLOCK);
    }
    this.#zeroInBlock(endWhole * BLOCK_BYTES, to, takesSpace);
    this.#size = Math.max(this.#size, to);
  }

  /** Cuts, or lengthens with a hole. */
  resize(size: number): void {
    if (size < this.#size) {
      const firstGone = Math.ceil(size / BLOCK_BYTES);
      this.#zeroInBlock(size, firstGone * BLOCK_BYTES, false);
      this.#dropBlocks(firstGone, Math.ceil(this.#size / BLOCK_BYTES));
    }
    this.#size = size;
  }

  /** Takes over the bytes of [from, to) from `source`, growing the size to `to` where needed. */
  copyRange(source: SparseBytes, from: number, to: number): void {
    if (from >= to) return;
    this.#ownMap();
    for (let at = from; at < to;) {
      const index = Math.floor(at / BLOCK_BYTES);
      const end = Math.min(to, (index + 1) * BLOCK_BYTES);
      const block = source.#blocks.get(index);
      if (end - at === BLOCK_BYTES) this.#shareBlock(source, index, block);
      else if (block === undefined) this.#zeroInBlock(at, end, false);
      else {
        const start = at - index * BLOCK_BYTES;
        this.#ownBlock(index, false).set(block.subarray(start, start + end - at), start);
      }
      at = end;
    }
    this.#size = Math.max(this.#size, to);
  }

  /** How much of a write of `length` bytes at `position` fits if only `blocksMax` may be added. */
  fits(position: number, length: number, blocksMax: number): number {
    let left = blocksMax;
    const end = position + length;
    for (let index = Math.floor(position / BLOCK_BYTES); index * BLOCK_BYTES < end; index++) {
      if (this.#blocks.has(index)) continue;
      if (left === 0) return Math.max(0, index * BLOCK_BYTES - position);
      left -= 1;
    }
    return length;
  }

  /** The number of blocks a write to [from, to) would add. */
  missingBlocks(from: number, to: number): number {
    let missing = 0;
    for (let index = Math.floor(from / BLOCK_BYTES); index * BLOCK_BYTES < to; index++) {
      if (!this.#blocks.has(index)) missing += 1;
    }
    return missing;
  }

  /** Calls `visit` for each block that takes space; a shared one never changes. */
  forEachBlock(visit: (index: number, block: Uint8Array, isShared: boolean) => void): void {
    for (const [index, block] of this.#blocks) visit(index, block, !this.#owned.has(index));
  }

  #shareBlock(source: SparseBytes, index: number, block: Uint8Array | undefined): void {
    this.#owned.delete(index);
    if (block === undefined) this.#blocks.delete(index);
    else {
      source.#owned.delete(index);
      this.#blocks.set(index, block);
    }
  }

  #zeroInBlock(from: number, to: number, takesSpace: boolean): void {
    if (from >= to) return;
    const index = Math.floor(from / BLOCK_BYTES);
    if (!takesSpace && !this.#blocks.has(index)) return;
    const start = from - index * BLOCK_BYTES;
    this.#ownBlock(index, false).fill(0, start, start + to - from);
  }

  #dropBlocks(from: number, to: number): void {
    if (from >= to || this.#blocks.size === 0) return;
    this.#ownMap();
    if (to - from <= Math.min(this.#blocks.size, WALK_RANGE_BLOCKS_MAX)) {
      for (let index = from; index < to; index++) this.#dropBlock(index);
      return;
    }
    for (const index of this.#blocks.keys()) {
      if (index >= from && index < to) this.#dropBlock(index);
    }
  }

  #dropBlock(index: number): void {
    this.#blocks.delete(index);
    this.#owned.delete(index);
  }

  /** The block, safe to change in place. */
  #ownBlock(index: number, willBeOverwritten: boolean): Uint8Array {
    const block = this.#blocks.get(index);
    if (block !== undefined && this.#owned.has(index)) return block;
    this.#ownMap();
    const fresh =
      block === undefined || willBeOverwritten ? new Uint8Array(BLOCK_BYTES) : block.slice();
    this.#blocks.set(index, fresh);
    this.#owned.add(index);
    return fresh;
  }

  #ownMap(): void {
    if (!this.#isMapShared) return;
    this.#blocks = new Map(this.#blocks);
    this.#isMapShared = false;
  }
}

function wholeOr(block: Uint8Array, start: number, end: number): Uint8Array {
  return start === 0 && end === BLOCK_BYTES ? block : block.subarray(start, end);
}
