import { PAGE_BYTES, PAGE_HEADER_BYTES, type PageId, type PageView } from "@kvs/pager";

/**
 * The body of a leaf or interior page.
 *
 *   offset  size  field          integers are little-endian unless said
 *       64     1  level          0 for leaves; a parent's is its children's plus 1
 *       65     1  flags          zero
 *       66     2  count          entries n
 *       68     2  prefixLength   p, the bytes that all keys of this page begin with
 *       70     2  heapStart      lowest byte in use by cells; cells grow down from 4096
 *       72     2  garbageBytes   bytes of removed cells inside the heap
 *       74     2  reserved       zero
 *       76     4  next           right sibling on the same level; 0 if this is the last
 *       80     4  firstChild     interior: the child left of all separators; leaf: 0
 *       84     4  treeId         the tree this page belongs to
 *       88     p  prefix         padded with zeros to a multiple of 4
 *        …    8n  entries        in order, see below
 *        …     …  free
 * heapStart    …  cells          in any order, with garbage between
 *
 * An entry: head (4: the first four key bytes behind the prefix as one number, zero-padded),
 * cellOffset (2), info (2: bits 0–10 length of the key behind the prefix, bit 11 tombstone, bit 12
 * overflow, bit 13 has a version, 14–15 zero). The binary search runs over heads alone and looks
 * into cells only where heads are equal. Tombstone and overflow together: no reader can need the row,
 * and its pages are being given back (row-removal.ts).
 *
 * A leaf's cell: version (7, big-endian), valueLength (2), the key behind prefix and head, value. With
 * the overflow bit the value is a descriptor of pages (overflow-value.ts).
 * An interior page's cell: child (4), the key behind prefix and head, version (7) if bit 13 is set.
 *
 * Invariants:
 * 1. Entries are in strict order: key by memcmp, a shorter key first; then version, newest first.
 * 2. Every key under a page lies between the separators around it in its ancestors (its fences), and
 *    the prefix is common to both fences. So a key that belongs here has the prefix: no search
 *    compares it.
 * 3. An entry lies under child i if it is not before separator i and before separator i + 1. A
 *    separator without version stands before all versions of its key.
 * 4. heapStart, garbageBytes and the cells' lengths add up to the page.
 *
 * Format: docs/formats/btree-page.md. Source: Graefe, "Modern B-Tree Techniques" (2011), prefix and
 * suffix truncation, poor man's normalized keys; Bayer & Unterauer, "Prefix B-Trees" (1977).
 */
export const LEVEL_OFFSET: number = PAGE_HEADER_BYTES;
export const COUNT_OFFSET: number = PAGE_HEADER_BYTES + 2;
export const PREFIX_LENGTH_OFFSET: number = PAGE_HEADER_BYTES + 4;
export const HEAP_START_OFFSET: number = PAGE_HEADER_BYTES + 6;
export const GARBAGE_OFFSET: number = PAGE_HEADER_BYTES + 8;
export const NEXT_OFFSET: number = PAGE_HEADER_BYTES + 12;
export const FIRST_CHILD_OFFSET: number = PAGE_HEADER_BYTES + 16;
export const TREE_ID_OFFSET: number = PAGE_HEADER_BYTES + 20;
export const PREFIX_OFFSET: number = PAGE_HEADER_BYTES + 24;

export const ENTRY_BYTES = 8;
/** Key bytes that the head holds, so that cells leave them out. */
export const HEAD_BYTES = 4;
export const VERSION_BYTES = 7;
/** Where the rest of the key begins in a leaf's cell: behind version and value length. */
export const LEAF_REST_OFFSET: number = VERSION_BYTES + 2;
/** Where the rest of the key begins in an interior page's cell: behind the child. */
export const INTERIOR_REST_OFFSET = 4;

export const INFO_LENGTH_MASK = 0x7ff;
export const INFO_TOMBSTONE = 0x800;
export const INFO_OVERFLOW = 0x1000;
export const INFO_VERSION = 0x2000;

/** The highest level: more than 2^32 pages of three children each can have. */
export const LEVEL_MAX = 31;
/** The longest key of a tree: three cells with such keys still fit a page. */
export const TREE_KEY_BYTES_MAX = 1100;
/** The longest leaf cell whose value stays inside, unless the value is tiny. */
export const INLINE_CELL_BYTES_MAX = 1000;
/** Bytes that prefix, entries and cells share. */
export const BODY_BYTES: number = PAGE_BYTES - PREFIX_OFFSET;
/** The longest leaf cell of all: a full page holds three at least, so that it can be split. */
export const LEAF_CELL_BYTES_MAX: number = Math.floor(BODY_BYTES / 3) - ENTRY_BYTES;

export function pageLevel(page: PageView): number {
  return page.u8[page.base + LEVEL_OFFSET]!;
}

export function entryCount(page: PageView): number {
  return page.u16[(page.base + COUNT_OFFSET) >>> 1]!;
}

export function prefixLength(page: PageView): number {
  return page.u16[(page.base + PREFIX_LENGTH_OFFSET) >>> 1]!;
}

export function heapStart(page: PageView): number {
  return page.u16[(page.base + HEAP_START_OFFSET) >>> 1]!;
}

export function garbageBytes(page: PageView): number {
  return page.u16[(page.base + GARBAGE_OFFSET) >>> 1]!;
}

/** The right sibling, 0 if this is the last page of its level. */
export function nextPage(page: PageView): PageId {
  return page.u32[(page.base + NEXT_OFFSET) >>> 2] as PageId;
}

export function firstChild(page: PageView): PageId {
  return page.u32[(page.base + FIRST_CHILD_OFFSET) >>> 2] as PageId;
}

export function treeIdOf(page: PageView): number {
  return page.u32[(page.base + TREE_ID_OFFSET) >>> 2]!;
}

/** Links a page to another right sibling. */
export function setNextPage(page: PageView, next: PageId): void {
  page.u32[(page.base + NEXT_OFFSET) >>> 2] = next;
}

/** Puts another child in the place of the one that `childAt` tells for this slot. */
export function setChildAt(page: PageView, slot: number, child: PageId): void {
  if (slot < 0) {
    page.u32[(page.base + FIRST_CHILD_OFFSET) >>> 2] = child;
    return;
  }
  const at = cellAt(page, slot);
  page.u8[at] = child;
  page.u8[at + 1] = child >>> 8;
  page.u8[at + 2] = child >>> 16;
  page.u8[at + 3] = child >>> 24;
}

/** Offset of the first entry in a page whose prefix has this length. */
export function entriesOffset(prefixBytes: number): number {
  return (PREFIX_OFFSET + prefixBytes + 3) & ~3;
}

/** Index into `page.u32` of the entry at `slot`; its info and cell offset share the next word. */
export function entryWord(page: PageView, slot: number): number {
  return ((page.base + entriesOffset(prefixLength(page))) >>> 2) + 2 * slot;
}

/** Length of the key behind the prefix, and flags. */
export function entryInfo(page: PageView, slot: number): number {
  return page.u16[2 * entryWord(page, slot) + 3]!;
}

/** Index into `page.u8` of the cell of the entry at `slot`. */
export function cellAt(page: PageView, slot: number): number {
  return page.base + page.u16[2 * entryWord(page, slot) + 2]!;
}

/** Key bytes that the cell itself holds, for an entry with this info. */
export function restLength(info: number): number {
  const length = info & INFO_LENGTH_MASK;
  return length > HEAD_BYTES ? length - HEAD_BYTES : 0;
}

/** Length of the key of the entry at `slot`, prefix included. */
export function keyLength(page: PageView, slot: number): number {
  return prefixLength(page) + (entryInfo(page, slot) & INFO_LENGTH_MASK);
}

/** The first four of the `length` bytes of a key that begin at `offset`, as one number, zero-padded. */
export function headOf(key: Uint8Array, offset: number, length: number): number {
  let head = 0;
  for (let at = 0; at < length && at < HEAD_BYTES; at++) head |= key[offset + at]! << (24 - 8 * at);
  return head >>> 0;
}

/** Bytes between the last entry and the first cell. */
export function contiguousFreeBytes(page: PageView): number {
  return heapStart(page) - entriesOffset(prefixLength(page)) - ENTRY_BYTES * entryCount(page);
}

/** Bytes that a compaction would make free. */
export function freeBytes(page: PageView): number {
  return contiguousFreeBytes(page) + garbageBytes(page);
}

/** Bytes of entries and cells in use. */
export function usedBytes(page: PageView): number {
  return PAGE_BYTES - entriesOffset(prefixLength(page)) - freeBytes(page);
}

/**
 * Copies the key of the entry at `slot` into `target` from `start` on, prefix included.
 *
 * @returns Its length.
 */
// oxlint-disable-next-line eslint/max-params -- an object for them would cost as much as the copy
export function copyKey(
  page: PageView,
  slot: number,
  target: Uint8Array,
  start: number = 0,
): number {
  const { u8, base } = page;
  const prefix = prefixLength(page);
  const word = entryWord(page, slot);
  const info = page.u16[2 * word + 3]!;
  const length = info & INFO_LENGTH_MASK;
  const head = page.u32[word]!;
  const from = base + PREFIX_OFFSET;
  for (let at = 0; at < prefix; at++) target[start + at] = u8[from + at]!;
  const behind = start + prefix;
  for (let at = 0; at < length && at < HEAD_BYTES; at++)
    target[behind + at] = head >>> (24 - 8 * at);
  const rest = restAt(page, word) - HEAD_BYTES;
  for (let at = HEAD_BYTES; at < length; at++) target[behind + at] = u8[rest + at]!;
  return prefix + length;
}

/** Index into `page.u8` of the key bytes that the cell holds. */
function restAt(page: PageView, word: number): number {
  const fixed = pageLevel(page) === 0 ? LEAF_REST_OFFSET : INTERIOR_REST_OFFSET;
  return page.base + page.u16[2 * word + 2]! + fixed;
}

/** Index into `page.u8` of the version of the entry at `slot`; an interior one must have it. */
export function versionAt(page: PageView, slot: number): number {
  const cell = cellAt(page, slot);
  if (pageLevel(page) === 0) return cell;
  return cell + INTERIOR_REST_OFFSET + restLength(entryInfo(page, slot));
}

/** The upper 24 bits of the version stored at this index of `u8`. */
export function versionHigh(u8: Uint8Array, at: number): number {
  return (u8[at]! << 16) | (u8[at + 1]! << 8) | u8[at + 2]!;
}

/** The lower 32 bits of the version stored at this index of `u8`. */
export function versionLow(u8: Uint8Array, at: number): number {
  return ((u8[at + 3]! << 24) | (u8[at + 4]! << 16) | (u8[at + 5]! << 8) | u8[at + 6]!) >>> 0;
}

/** The version of a leaf's entry. */
export function leafVersion(page: PageView, slot: number): number {
  const at = cellAt(page, slot);
  return versionHigh(page.u8, at) * 0x1_0000_0000 + versionLow(page.u8, at);
}

/** The version of an interior page's separator, newer than any if it has none. */
export function separatorVersion(page: PageView, slot: number): number {
  if ((entryInfo(page, slot) & INFO_VERSION) === 0) return Number.MAX_SAFE_INTEGER;
  const at = versionAt(page, slot);
  return versionHigh(page.u8, at) * 0x1_0000_0000 + versionLow(page.u8, at);
}

/** Length of the value bytes in a leaf's cell: the value, or the descriptor of its pages. */
export function cellValueLength(page: PageView, slot: number): number {
  const at = cellAt(page, slot) + VERSION_BYTES;
  return page.u8[at]! | (page.u8[at + 1]! << 8);
}

/** Index into `page.u8` of the value bytes in a leaf's cell. */
export function cellValueAt(page: PageView, slot: number): number {
  return cellAt(page, slot) + LEAF_REST_OFFSET + restLength(entryInfo(page, slot));
}

/** The child right of the separator at `slot`, or the first child for slot -1. */
export function childAt(page: PageView, slot: number): PageId {
  if (slot < 0) return firstChild(page);
  const { u8 } = page;
  const at = cellAt(page, slot);
  const low = u8[at]! | (u8[at + 1]! << 8) | (u8[at + 2]! << 16);
  return ((low | (u8[at + 3]! << 24)) >>> 0) as PageId;
}

/** Length of the cell of the entry at `slot`. */
export function cellLength(page: PageView, slot: number): number {
  const info = entryInfo(page, slot);
  if (pageLevel(page) === 0) {
    return LEAF_REST_OFFSET + restLength(info) + cellValueLength(page, slot);
  }
  const version = (info & INFO_VERSION) === 0 ? 0 : VERSION_BYTES;
  return INTERIOR_REST_OFFSET + restLength(info) + version;
}
