/**
 * Who owns which page, read from the bytes of a page file at rest, sealed by no key: from the header
 * to the catalog, from there to each tree, down to the pages of long values. It shares no code with
 * the store, whose own check may err.
 *
 * Format: docs/formats/page.md, docs/formats/btree-page.md.
 */

const PAGE_BYTES = 4096;
const BODY = 64;
const BITMAP_BITS = 32_256;
const [TYPE_HEADER, TYPE_BITMAP, TYPE_LEAF, TYPE_INTERIOR, TYPE_OVERFLOW] = [1, 2, 3, 4, 5];
const OVERFLOW_BYTES: number = PAGE_BYTES - BODY;
const CATALOG_TREE = 1;
const TOMBSTONE = 0x800;
const OVERFLOW = 0x1000;
const LENGTH_MASK = 0x7ff;
/** In the length of a long value: its pages hold it compressed. */
const COMPRESSED: number = 2 ** 31;
/** A cell names fewer runs than this. */
const RUNS_MAX = 100;

/** What a page file's pages are for. */
export interface PagePartition {
  readonly pages: number;
  /** Marked as used in the bitmaps. */
  readonly used: number;
  readonly byTree: ReadonlyMap<number, number>;
  /** Pages that are owned twice, owned and marked free, or marked used and owned by nobody. */
  readonly faults: readonly string[];
}

/** Looks at a whole page file of a store that was closed in good order. */
export function readPagePartition(file: Uint8Array): PagePartition {
  return new PartitionReader(file).read();
}

interface Run {
  readonly first: number;
  readonly count: number;
}

class PartitionReader {
  readonly #view: DataView;
  readonly #pages: number;
  /** Page → what owns it. */
  readonly #owners = new Map<number, string>();
  readonly #byTree = new Map<number, number>();
  readonly #faults: string[] = [];

  constructor(file: Uint8Array) {
    this.#view = new DataView(file.buffer, file.byteOffset, file.length);
    this.#pages = Math.floor(file.length / PAGE_BYTES);
  }

  read(): PagePartition {
    const header = this.#newestHeader();
    this.#own({ first: 0, count: 2 }, "the header");
    const regions = this.#u32(header + 124);
    for (let region = 0; region < regions; region++) {
      this.#own({ first: 2 + region * BITMAP_BITS, count: 1 }, "a bitmap");
    }
    const roots: [tree: number, root: number][] = [];
    this.#walk(CATALOG_TREE, this.#u32(header + 120), (value) => {
      const [tree, at] = varint(value, 0);
      roots.push([tree, varint(value, at)[0]]);
    });
    for (const [tree, root] of new Map(roots)) this.#walk(tree, root);
    const used = this.#compareBitmaps(regions);
    return { pages: this.#pages, used, byTree: this.#byTree, faults: this.#faults };
  }

  #newestHeader(): number {
    const copies = [0, PAGE_BYTES].filter((at) => this.#view.getUint8(at + 4) === TYPE_HEADER);
    const sequenceOf = (at: number): number => this.#u32(at + 88);
    return copies.toSorted((one, other) => sequenceOf(other) - sequenceOf(one))[0] ?? 0;
  }

  /** Visits a tree's pages; gives the catalog's values to `onValue`. */
  #walk(tree: number, root: number, onValue?: (value: Uint8Array) => void): void {
    const toVisit = [root];
    for (let page = toVisit.pop(); page !== undefined; page = toVisit.pop()) {
      if (!this.#own({ first: page, count: 1 }, `tree ${tree}`)) continue;
      this.#byTree.set(tree, (this.#byTree.get(tree) ?? 0) + 1);
      const base = page * PAGE_BYTES;
      const type = this.#view.getUint8(base + 4);
      const isTreePage = type === TYPE_LEAF || type === TYPE_INTERIOR;
      if (!isTreePage || this.#u32(base + 84) !== tree) {
        this.#faults.push(`page ${page} is reached in tree ${tree}, but is none of its pages`);
        continue;
      }
      if (type === TYPE_INTERIOR) toVisit.push(this.#u32(base + 80));
      for (let slot = 0; slot < this.#u16(base + 66); slot++) {
        if (type === TYPE_INTERIOR) toVisit.push(this.#u32(base + this.#entry(base, slot).cell));
        else this.#visitRow(tree, base, slot, onValue);
      }
    }
  }

  #visitRow(
    tree: number,
    base: number,
    slot: number,
    onValue: ((value: Uint8Array) => void) | undefined,
  ): void {
    const { cell, info } = this.#entry(base, slot);
    const from = base + cell + 9 + Math.max(0, (info & LENGTH_MASK) - 4);
    if ((info & OVERFLOW) !== 0) {
      for (const run of this.#runsOf(from)) this.#own(run, `a value of tree ${tree}`);
    } else if ((info & TOMBSTONE) === 0) {
      const length = this.#u16(base + cell + 7);
      onValue?.(new Uint8Array(this.#view.buffer, this.#view.byteOffset + from, length));
    }
  }

  #entry(base: number, slot: number): { readonly cell: number; readonly info: number } {
    const prefix = Math.ceil(this.#u16(base + 68) / 4) * 4;
    const at = base + 88 + prefix + 8 * slot;
    return { cell: this.#u16(at + 4), info: this.#u16(at + 6) };
  }

  /** The runs that a row owns: of its value, without those given back, and of the list of them. */
  #runsOf(descriptor: number): Run[] {
    const freed = this.#u16(descriptor + 8);
    const listed = this.#u16(descriptor + 10);
    const length = this.#u32(descriptor);
    const from = descriptor + (length >= COMPRESSED ? 16 : 12);
    if (listed === 0) {
      const pages = Math.ceil((length % COMPRESSED) / OVERFLOW_BYTES);
      return this.#takeRuns(from, pages).slice(freed);
    }
    const listPages = Math.ceil((4 + 6 * listed) / OVERFLOW_BYTES);
    const list = this.#takeRuns(from, listPages);
    const bodies = list.flatMap(({ first, count }) =>
      Array.from({ length: count }, (_, page) => (first + page) * PAGE_BYTES + BODY),
    );
    // A run of six bytes may lie across two pages: the list is copied into one piece.
    const bytes = new Uint8Array(bodies.length * OVERFLOW_BYTES);
    for (const [index, body] of bodies.entries()) {
      const { buffer, byteOffset } = this.#view;
      bytes.set(new Uint8Array(buffer, byteOffset + body, OVERFLOW_BYTES), index * OVERFLOW_BYTES);
    }
    const view = new DataView(bytes.buffer);
    const runs: Run[] = [];
    for (let at = 4; runs.length < listed; at += 6) {
      runs.push({ first: view.getUint32(at, true), count: view.getUint16(at + 4, true) });
    }
    return [...list, ...runs.slice(freed)];
  }

  #takeRuns(from: number, pages: number): Run[] {
    const runs: Run[] = [];
    let taken = 0;
    for (let at = from; taken < pages && runs.length < RUNS_MAX; at += 6) {
      const run = { first: this.#u32(at), count: this.#u16(at + 4) };
      runs.push(run);
      taken += run.count;
    }
    return runs;
  }

  #own({ first, count }: Run, owner: string): boolean {
    let isNew = true;
    for (let page = first; page < first + count; page++) {
      const other = this.#owners.get(page);
      if (page >= this.#pages) this.#faults.push(`${owner} has page ${page}, behind the file`);
      if (other !== undefined) this.#faults.push(`page ${page} is of ${owner} and of ${other}`);
      isNew &&= other === undefined && page < this.#pages;
      this.#owners.set(page, owner);
      const isOverflow = page < this.#pages && this.#typeOf(page) === TYPE_OVERFLOW;
      if (owner.startsWith("a value") && !isOverflow) {
        this.#faults.push(`page ${page} is of a value, but is no overflow page`);
      }
    }
    return isNew;
  }

  /** @returns Pages marked as used. */
  #compareBitmaps(regions: number): number {
    let used = 0;
    for (let page = 0; page < Math.min(this.#pages, regions * BITMAP_BITS); page++) {
      const region = Math.floor(page / BITMAP_BITS);
      const bitmap = (2 + region * BITMAP_BITS) * PAGE_BYTES;
      const bit = page - region * BITMAP_BITS;
      const isMarked = ((this.#view.getUint8(bitmap + BODY + (bit >>> 3)) >>> (bit & 7)) & 1) === 1;
      if (isMarked) used++;
      if (page === 2 && this.#typeOf(page) !== TYPE_BITMAP)
        this.#faults.push("page 2 is no bitmap");
      const owner = this.#owners.get(page);
      if (isMarked && owner === undefined) this.#faults.push(`page ${page} is used by nobody`);
      if (!isMarked && owner !== undefined) {
        this.#faults.push(`page ${page} of ${owner} is marked as free`);
      }
    }
    return used;
  }

  #typeOf(page: number): number {
    return this.#view.getUint8(page * PAGE_BYTES + 4);
  }

  #u16(at: number): number {
    return this.#view.getUint16(at, true);
  }

  #u32(at: number): number {
    return this.#view.getUint32(at, true);
  }
}

/** A number of seven bits a byte, the lowest first; and where it ends. */
function varint(bytes: Uint8Array, from: number): [value: number, end: number] {
  let value = 0;
  for (let at = from, factor = 1; at < bytes.length; at++, factor *= 128) {
    value += (bytes[at]! & 0x7f) * factor;
    if (bytes[at]! < 0x80) return [value, at + 1];
  }
  return [value, bytes.length];
}
