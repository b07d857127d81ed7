import { assert } from "@kvs/env";
import { BITMAP_BITS, type Run } from "./bitmap.ts";

const WORD_BITS = 32;
const WORDS: number = BITMAP_BITS / WORD_BITS;
const ALL_USED = 0xffff_ffff;
/** Shared by all regions that are full, which most of a file's are; never changed. */
const FULL = new Uint32Array(WORDS).fill(ALL_USED);

/** The bits of one bitmap page, in memory: 4 KB for 126 MiB of pages that are not all used. */
export class RegionBits {
  #words: Uint32Array;
  #freeCount = BITMAP_BITS;
  /** No run of free bits is longer. */
  #longest = BITMAP_BITS;

  /** All free. */
  constructor(words: Uint32Array = new Uint32Array(WORDS)) {
    this.#words = words;
  }

  /** Copies the bits of a bitmap page's body; those from `length` on stand for no page. */
  static of(body: Uint32Array, length: number): RegionBits {
    assert(body.length === WORDS, "a body has a bit for each page of the region");
    let used = 0;
    for (let word = 0; word < WORDS; word++) used += countBits(body[word]!);
    const bits = new RegionBits(used === BITMAP_BITS ? FULL : body.slice());
    bits.#freeCount = BITMAP_BITS - used;
    for (let bit = length; bit < BITMAP_BITS; bit++) {
      if (!bits.isUsed(bit)) bits.mark({ first: bit, count: 1 }, true);
    }
    bits.#longest = bits.#freeCount;
    return bits;
  }

  get freeCount(): number {
    return this.#freeCount;
  }

  /** Whether it may hold a free run of this many bits: false is certain. */
  mayHold(count: number): boolean {
    return count <= this.#longest;
  }

  isUsed(bit: number): boolean {
    return ((this.#words[bit >>> 5]! >>> (bit & 31)) & 1) === 1;
  }

  /** One past the last used bit below `end`; 0 if there is none. */
  usedEnd(end: number): number {
    let bit = end;
    while (bit > 0 && !this.isUsed(bit - 1)) {
      const isWhole = (bit & (WORD_BITS - 1)) === 0 && this.#words[(bit >>> 5) - 1] === 0;
      bit -= isWhole ? WORD_BITS : 1;
    }
    return bit;
  }

  /** Marks free bits used, or used bits free: doing it twice means that two own the same page. */
  mark(run: Run, isUsed: boolean): void {
    assert(run.count >= 1 && run.first + run.count <= BITMAP_BITS, "a run lies in one region");
    if (this.#words === FULL) this.#words = FULL.slice();
    for (let bit = run.first; bit < run.first + run.count; bit++) {
      const mask = 1 << (bit & 31);
      const word = this.#words[bit >>> 5]!;
      assert(
        ((word & mask) !== 0) !== isUsed,
        "a page is taken while free and released while used",
      );
      this.#words[bit >>> 5] = word ^ mask;
    }
    this.#freeCount += isUsed ? -run.count : run.count;
    if (!isUsed) this.#longest = this.#freeCount;
  }

  /**
   * Finds free bits below `end`: the first run of `wanted`, cut to that; else the longest one.
   *
   * Cost: a look at 1,008 words at most.
   */
  find(wanted: number, end: number): Run {
    let best: Run = { first: 0, count: 0 };
    let first = 0;
    for (let bit = 0; bit < end;) {
      const step = this.#stretch(bit, end);
      if (step < 0) {
        bit -= step;
        first = bit;
        continue;
      }
      bit += step;
      const count = bit - first;
      if (count >= wanted) return { first, count: wanted };
      if (count > best.count) best = { first, count };
    }
    if (end >= BITMAP_BITS) this.#longest = best.count;
    return best;
  }

  /** Bits from here that are all free, or if negative, all used: at least one, up to a word's. */
  #stretch(bit: number, end: number): number {
    const word = this.#words[bit >>> 5]!;
    const isUsed = ((word >>> (bit & 31)) & 1) === 1;
    const isWhole = (bit & 31) === 0 && bit + WORD_BITS <= end;
    if (isWhole && word === 0) return WORD_BITS;
    if (isWhole && word === ALL_USED) return -WORD_BITS;
    return isUsed ? -1 : 1;
  }
}

function countBits(word: number): number {
  let bits = word - ((word >>> 1) & 0x5555_5555);
  bits = (bits & 0x3333_3333) + ((bits >>> 2) & 0x3333_3333);
  return Math.imul((bits + (bits >>> 4)) & 0x0f0f_0f0f, 0x0101_0101) >>> 24;
}
