import { assert } from "@kvs/env";
import { type PageId } from "@kvs/pager";

const ENTRIES_FIRST = 256;
const PAGES_FIRST = 64;
/** No entry follows. */
export const NO_ENTRY = -1;

/** Where an op lies, and the LSN of its record. */
export interface OpPlace {
  readonly from: number;
  readonly to: number;
  readonly lsn: number;
}

/** Words of an entry: where its ops lie, from and to; the entry behind it, plus 1; its LSN. */
const FROM_WORD = 0;
const TO_WORD = 1;
const NEXT_WORD = 2;
const LSN_WORD = 3;
const ENTRY_WORDS = 4;
/** LSNs are kept as distances from the first. */
const DISTANCE_MAX = 2 ** 31;

/**
 * The ops of a stretch of log, by page: for each page a chain of entries in the order of the log. An
 * entry is where the ops of one record lie that change this page, and the record's LSN.
 *
 * An image says all that came before it: the page's chain starts anew there.
 *
 * Kept in flat arrays, which grow by doubling and are used again: millions of ops cost no object. An
 * entry is 16 bytes that lie together, for who follows a chain has them in no cache.
 */
export class RedoIndex {
  #entries = new Uint32Array(ENTRY_WORDS * ENTRIES_FIRST);
  #firstLsn = 0;
  #entryCount = 0;
  #pageIds = new Uint32Array(PAGES_FIRST);
  #heads = new Int32Array(PAGES_FIRST);
  #tails = new Int32Array(PAGES_FIRST);
  #startsWithImage = new Uint8Array(PAGES_FIRST);
  #pageCount = 0;
  /** Hash table of page ids: the page's number plus one, 0 for an empty slot. At most half full. */
  #slots = new Int32Array(4 * PAGES_FIRST);

  /** Pages that have entries; they are numbered from 0. */
  get pageCount(): number {
    return this.#pageCount;
  }

  /** Whether an entry can tell this LSN: the log may have gone on for too long. */
  canTell(lsn: number): boolean {
    return this.#entryCount === 0 || lsn - this.#firstLsn < DISTANCE_MAX;
  }

  /** Adds an op that lies at [from, to). The ops of a record come one after the other. */
  add(id: PageId, isImage: boolean, { from, to, lsn }: OpPlace): void {
    const page = this.#pageOf(id);
    if (this.#entryCount === 0) this.#firstLsn = lsn;
    const distance = lsn - this.#firstLsn;
    assert(distance >= 0 && distance < DISTANCE_MAX, "the window of a log has a bounded length");
    const isFirst = this.#heads[page] === NO_ENTRY;
    if (!isFirst && !isImage && this.#isEndOf(page, from, distance)) {
      this.#entries[ENTRY_WORDS * this.#tails[page]! + TO_WORD] = to;
      return;
    }
    const entry = this.#append(from, to, distance);
    if (isFirst || isImage) {
      this.#heads[page] = entry;
      this.#startsWithImage[page] = isImage ? 1 : 0;
    } else {
      this.#entries[ENTRY_WORDS * this.#tails[page]! + NEXT_WORD] = entry + 1;
    }
    this.#tails[page] = entry;
  }

  /** The numbers of all pages, in the order of their ids. */
  pagesInOrder(): Uint32Array {
    // Id and number side by side in one double: ids have 32 bits, numbers fewer than 21.
    const keys = new Float64Array(this.#pageCount);
    for (let page = 0; page < keys.length; page++)
      keys[page] = this.#pageIds[page]! * 2 ** 21 + page;
    keys.sort();
    const pages = new Uint32Array(keys.length);
    for (let at = 0; at < pages.length; at++) pages[at] = keys[at]! % 2 ** 21;
    return pages;
  }

  idOf(page: number): PageId {
    return this.#pageIds[page]! as PageId;
  }

  /** Whether the page's first entry is an image, so that nothing of the page before is needed. */
  startsWithImage(page: number): boolean {
    return this.#startsWithImage[page] === 1;
  }

  /** The page's first entry. */
  firstEntry(page: number): number {
    return this.#heads[page]!;
  }

  /** The entry behind this one, or `NO_ENTRY`. */
  nextEntry(entry: number): number {
    return this.#entries[ENTRY_WORDS * entry + NEXT_WORD]! - 1;
  }

  /** Where the entry's first op lies. */
  fromOf(entry: number): number {
    return this.#entries[ENTRY_WORDS * entry + FROM_WORD]!;
  }

  /** Where its last op ends. */
  toOf(entry: number): number {
    return this.#entries[ENTRY_WORDS * entry + TO_WORD]!;
  }

  lsnOf(entry: number): number {
    return this.#firstLsn + this.#entries[ENTRY_WORDS * entry + LSN_WORD]!;
  }

  /** Forgets everything, but keeps the memory. */
  clear(): void {
    this.#entryCount = 0;
    this.#pageCount = 0;
    this.#slots.fill(0);
  }

  /** The page's number; the next one if it has no entry yet. */
  #pageOf(id: PageId): number {
    const mask = this.#slots.length - 1;
    let slot = hash(id) & mask;
    for (; this.#slots[slot] !== 0; slot = (slot + 1) & mask) {
      const page = this.#slots[slot]! - 1;
      if (this.#pageIds[page] === id) return page;
    }
    if (this.#pageCount === this.#pageIds.length) {
      this.#growPages();
      return this.#pageOf(id);
    }
    const page = this.#pageCount++;
    this.#slots[slot] = page + 1;
    this.#pageIds[page] = id;
    this.#heads[page] = NO_ENTRY;
    return page;
  }

  /** Whether the page's last entry ends here, and is of the same record. */
  #isEndOf(page: number, from: number, distance: number): boolean {
    const at = ENTRY_WORDS * this.#tails[page]!;
    return this.#entries[at + TO_WORD] === from && this.#entries[at + LSN_WORD] === distance;
  }

  #append(from: number, to: number, distance: number): number {
    const entry = this.#entryCount++;
    const at = ENTRY_WORDS * entry;
    if (at === this.#entries.length) {
      this.#entries = copyInto(new Uint32Array(2 * at), this.#entries);
    }
    this.#entries[at + FROM_WORD] = from;
    this.#entries[at + TO_WORD] = to;
    this.#entries[at + NEXT_WORD] = 0;
    this.#entries[at + LSN_WORD] = distance;
    return entry;
  }

  #growPages(): void {
    const length = 2 * this.#pageIds.length;
    this.#pageIds = copyInto(new Uint32Array(length), this.#pageIds);
    this.#heads = copyInto(new Int32Array(length), this.#heads);
    this.#tails = copyInto(new Int32Array(length), this.#tails);
    this.#startsWithImage = copyInto(new Uint8Array(length), this.#startsWithImage);
    const slots = new Int32Array(4 * length);
    const mask = slots.length - 1;
    for (let page = 0; page < this.#pageCount; page++) {
      let slot = hash(this.#pageIds[page]!) & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = page + 1;
    }
    this.#slots = slots;
  }
}

/** Spreads neighbours. Source: Knuth, "The Art of Computer Programming" 3, §6.4: by multiplication. */
function hash(id: number): number {
  return Math.imul(id, 0x9e37_79b1) >>> 8;
}

function copyInto<T extends { set(source: T): void }>(target: T, source: T): T {
  target.set(source);
  return target;
}
