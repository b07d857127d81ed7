import { assert } from "@kvs/env";

/** Words of a memo at most: 256 MB. A search that needs more has lost its way. */
const MEMO_WORDS_MAX: number = 1 << 26;

/**
 * A set of word strings: which configurations a search has seen. An open-addressing table points
 * into one pool that only grows.
 *
 *   pool entry: hash, word count, words…
 *   table slot: 1 + offset of the entry; 0 is free
 *
 * Cost: one comparison of 32-bit hashes a probe, one of the words for a hit. No allocation per
 * entry: 10^6 entries of 4 words take 24 MB.
 */
export class ConfigurationMemo {
  readonly #wordsMax: number;
  #pool = new Uint32Array(1 << 10);
  #used = 0;
  #table = new Int32Array(1 << 8);
  #count = 0;

  constructor(wordsMax: number = MEMO_WORDS_MAX) {
    assert(wordsMax >= 0 && wordsMax <= MEMO_WORDS_MAX, "a memo has a bounded size");
    this.#wordsMax = wordsMax;
  }

  /** Configurations held. */
  get count(): number {
    return this.#count;
  }

  /**
   * Adds the first `length` of `words`, unless they are there.
   *
   * @param hash A function of those words: equal words never come with different hashes.
   * @returns `full` if they are new but there is no room.
   */
  add(hash: number, words: Uint32Array, length: number): "added" | "known" | "full" {
    const mask = this.#table.length - 1;
    const wanted = hash >>> 0;
    let slot = spread(wanted) & mask;
    for (let entry = this.#table[slot]!; entry !== 0; entry = this.#table[slot]!) {
      if (this.#isEntry(entry - 1, wanted, words, length)) return "known";
      slot = (slot + 1) & mask;
    }
    if (this.#used + length + 2 > this.#wordsMax) return "full";
    this.#table[slot] = this.#append(wanted, words, length) + 1;
    this.#count++;
    if (this.#count * 2 > this.#table.length) this.#growTable();
    return "added";
  }

  #isEntry(at: number, hash: number, words: Uint32Array, length: number): boolean {
    const pool = this.#pool;
    if (pool[at] !== hash || pool[at + 1] !== length) return false;
    for (let word = 0; word < length; word++) {
      if (pool[at + 2 + word] !== words[word]) return false;
    }
    return true;
  }

  #append(hash: number, words: Uint32Array, length: number): number {
    const at = this.#used;
    const end = at + 2 + length;
    if (end > this.#pool.length) {
      const larger = new Uint32Array(Math.max(end, this.#pool.length * 2));
      larger.set(this.#pool);
      this.#pool = larger;
    }
    this.#pool[at] = hash;
    this.#pool[at + 1] = length;
    for (let word = 0; word < length; word++) this.#pool[at + 2 + word] = words[word]!;
    this.#used = end;
    return at;
  }

  #growTable(): void {
    const table = new Int32Array(this.#table.length * 2);
    const mask = table.length - 1;
    for (const entry of this.#table) {
      if (entry === 0) continue;
      let slot = spread(this.#pool[entry - 1]!) & mask;
      while (table[slot] !== 0) slot = (slot + 1) & mask;
      table[slot] = entry;
    }
    this.#table = table;
  }
}

/** A permutation of 32-bit numbers that moves every bit: for hashes and table slots. */
export function spread(value: number): number {
  let mixed = Math.imul(value ^ (value >>> 16), 0x21f0aaad);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
  return (mixed ^ (mixed >>> 15)) >>> 0;
}
