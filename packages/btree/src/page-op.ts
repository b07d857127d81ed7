import { type ByteWriter } from "@kvs/codec";
import {
  BITMAP_BITS,
  PAGE_BITMAP,
  PAGE_BYTES,
  PAGE_INTERIOR,
  PAGE_LEAF,
  PAGE_OVERFLOW,
  PAGE_TYPE_OFFSET,
  type PageId,
  PageView,
  formatPage,
  pageIdOf,
  pageLsn,
  pageType,
  setBits,
  setPageLsn,
} from "@kvs/pager";
import { damagedOp } from "./btree-error.ts";
import { infoFault, layoutFault } from "./page-check.ts";
import { type NewEntry, PageEditor } from "./page-editor.ts";
import {
  ENTRY_BYTES,
  INFO_LENGTH_MASK,
  INFO_VERSION,
  INTERIOR_REST_OFFSET,
  LEAF_REST_OFFSET,
  TREE_KEY_BYTES_MAX,
  VERSION_BYTES,
  entriesOffset,
  entryCount,
  freeBytes,
  heapStart,
  pageLevel,
  prefixLength,
  restLength,
} from "./tree-page.ts";

/**
 * A page op: the smallest change of one page, as bytes. A change is encoded once and executed by
 * {@link PageOps.apply}, at first as in redo: what was done and what is redone cannot differ.
 *
 *   every op:     opcode (1), page id (4), then
 *   IMAGE         gapFrom (2), gapTo (2), bytes [4, 8) of the header, bytes [64, gapFrom) and
 *                 [gapTo, 4096): the page as it became; the gap is zeros
 *   INSERT        slot (2), info (2), head (4), cellLength (2), cell
 *   REMOVE        slot (2), count (2)
 *   KEEP_FIRST    count (2), prefixLength (2), next (4)
 *   BITS          first (2), count (2), value (1): of a bitmap page
 *
 * Integers are little-endian. Format: docs/formats/btree-page.md. Source: physiological logging,
 * Gray & Reuter, "Transaction Processing" (1993), §10.3.6.
 */
export const OP_IMAGE = 1;
export const OP_INSERT = 2;
export const OP_REMOVE = 3;
export const OP_KEEP_FIRST = 4;
export const OP_BITS = 5;

/** Bytes before the body of every op. */
const OP_HEADER_BYTES = 5;
/** Where the part of a page begins that an image holds without a gap. */
const IMAGE_FROM = 64;
/** Bytes of an image's body before that part. */
const IMAGE_HEAD_BYTES = 8;
const INSERT_HEAD_BYTES = 10;

export function writeOpHeader(writer: ByteWriter, opcode: number, page: PageId): void {
  const at = writer.claim(OP_HEADER_BYTES);
  const { buffer } = writer;
  buffer[at] = opcode;
  buffer[at + 1] = page;
  buffer[at + 2] = page >>> 8;
  buffer[at + 3] = page >>> 16;
  buffer[at + 4] = page >>> 24;
}

/** Writes the page as it is now, header of the op included. */
export function writeImage(writer: ByteWriter, page: PageView): void {
  const { u8, base } = page;
  const [gapFrom, gapTo] = gapOf(page);
  writeOpHeader(writer, OP_IMAGE, pageIdOf(page));
  writer.u16(gapFrom);
  writer.u16(gapTo);
  writer.bytes(u8.subarray(base + PAGE_TYPE_OFFSET, base + 8));
  writer.bytes(u8.subarray(base + IMAGE_FROM, base + gapFrom));
  writer.bytes(u8.subarray(base + gapTo, base + PAGE_BYTES));
}

/** The page's longest known run of zeros: the free space of tree pages, the tail of others. */
function gapOf(page: PageView): [from: number, to: number] {
  if (isTreePage(page)) {
    return [entriesOffset(prefixLength(page)) + ENTRY_BYTES * entryCount(page), heapStart(page)];
  }
  let end = PAGE_BYTES;
  while (end > IMAGE_FROM && page.u32[((page.base + end) >>> 2) - 1] === 0) end -= 4;
  return [end, PAGE_BYTES];
}

/** Reads and executes page ops. Holds scratch space: one for each user. */
export class PageOps {
  readonly #editor = new PageEditor();
  readonly #image: PageView = PageView.of(new Uint8Array(PAGE_BYTES));
  readonly #entry: { -readonly [Field in keyof NewEntry]: NewEntry[Field] } = {
    head: 0,
    info: 0,
    from: 0,
    to: 0,
  };

  /** The page that the op at `at` changes. */
  static pageOf(bytes: Uint8Array, at: number): PageId {
    return readU32(bytes, at + 1) as PageId;
  }

  /** Whether the op at `at` needs nothing of the page's old content. */
  static isImage(bytes: Uint8Array, at: number): boolean {
    return bytes[at] === OP_IMAGE;
  }

  /**
   * Where the op at `at` ends: the offset of the next one.
   *
   * @throws {KvsError} `BTREE_DAMAGED_OP`.
   */
  static endOf(bytes: Uint8Array, at: number): number {
    const end = at + OP_HEADER_BYTES + bodyLength(bytes, at);
    if (end > bytes.length) throw damagedOp(at, "longer than its record");
    return end;
  }

  /**
   * Executes the op at `at` on its page.
   *
   * @throws {KvsError} `BTREE_DAMAGED_OP` if the bytes are no op that fits this page; the page is
   *   unchanged.
   */
  apply(page: PageView, bytes: Uint8Array, at: number): void {
    PageOps.endOf(bytes, at);
    const opcode = bytes[at]!;
    if (opcode === OP_IMAGE) return this.#applyImage(page, bytes, at);
    if (PageOps.pageOf(bytes, at) !== pageIdOf(page)) throw damagedOp(at, "it is of another page");
    const body = at + OP_HEADER_BYTES;
    if (opcode === OP_BITS) return applyBits(page, bytes, body);
    if (!isTreePage(page)) throw damagedOp(at, "its page is of another type");
    if (opcode === OP_INSERT) this.#insert(page, bytes, body);
    else if (opcode === OP_REMOVE) this.#remove(page, bytes, body);
    else this.#keepFirst(page, bytes, body);
  }

  #insert(page: PageView, bytes: Uint8Array, body: number): void {
    const slot = readU16(bytes, body);
    const entry = this.#entry;
    entry.info = readU16(bytes, body + 2);
    entry.head = readU32(bytes, body + 4);
    entry.from = body + INSERT_HEAD_BYTES;
    entry.to = entry.from + readU16(bytes, body + 8);
    if (slot > entryCount(page)) throw damagedOp(body, "insert behind the end");
    if (freeBytes(page) < entry.to - entry.from + ENTRY_BYTES) {
      throw damagedOp(body, "insert into a full page");
    }
    checkCell(page, entry, bytes);
    this.#editor.insert(page, slot, entry, bytes);
  }

  #remove(page: PageView, bytes: Uint8Array, body: number): void {
    const slot = readU16(bytes, body);
    const count = readU16(bytes, body + 2);
    if (slot + count > entryCount(page)) throw damagedOp(body, "remove behind the end");
    this.#editor.remove(page, slot, count);
  }

  #keepFirst(page: PageView, bytes: Uint8Array, body: number): void {
    const count = readU16(bytes, body);
    const prefix = readU16(bytes, body + 2);
    if (count < 1 || count > entryCount(page)) throw damagedOp(body, "keep more than there is");
    if (!this.#editor.canKeepFirst(page, count, prefix)) {
      throw damagedOp(body, "a prefix that the keys do not have");
    }
    this.#editor.keepFirst(page, count, prefix, readU32(bytes, body + 4) as PageId);
  }

  /** Puts the image together aside, so that a bad one leaves the page as it was. */
  #applyImage(page: PageView, bytes: Uint8Array, at: number): void {
    const body = at + OP_HEADER_BYTES;
    const gapFrom = readU16(bytes, body);
    const gapTo = readU16(bytes, body + 2);
    const image = this.#image;
    formatPage(image, PageOps.pageOf(bytes, at), PAGE_OVERFLOW);
    image.u8.set(bytes.subarray(body + 4, body + IMAGE_HEAD_BYTES), PAGE_TYPE_OFFSET);
    const middle = body + IMAGE_HEAD_BYTES + gapFrom - IMAGE_FROM;
    image.u8.set(bytes.subarray(body + IMAGE_HEAD_BYTES, middle), IMAGE_FROM);
    image.u8.set(bytes.subarray(middle, middle + PAGE_BYTES - gapTo), gapTo);
    const fault = imageFault(image);
    if (fault !== undefined) throw damagedOp(at, `an image of no page: ${fault}`);
    setPageLsn(image, pageLsn(page)); // the caller moves it on
    page.u8.set(image.u8, page.base);
  }
}

function imageFault(image: PageView): string | undefined {
  const type = pageType(image);
  if (type === PAGE_OVERFLOW || type === PAGE_BITMAP) return undefined;
  return layoutFault(image);
}

/** Whether the cell is as long as it says, and can stand in this page. */
function checkCell(page: PageView, entry: NewEntry, bytes: Uint8Array): void {
  const { info, from } = entry;
  const isLeaf = pageLevel(page) === 0;
  const fault = infoFault(info, entry.head, isLeaf);
  if (fault !== undefined) throw damagedOp(from, fault);
  if (prefixLength(page) + (info & INFO_LENGTH_MASK) > TREE_KEY_BYTES_MAX) {
    throw damagedOp(from, "a key that is too long");
  }
  const length = entry.to - from;
  const rest = restLength(info);
  let expected = INTERIOR_REST_OFFSET + rest + ((info & INFO_VERSION) === 0 ? 0 : VERSION_BYTES);
  if (isLeaf) {
    const value = length < LEAF_REST_OFFSET ? 0 : readU16(bytes, from + VERSION_BYTES);
    expected = LEAF_REST_OFFSET + rest + value;
  }
  if (length !== expected) throw damagedOp(from, `a cell of ${length} bytes for ${expected}`);
}

function applyBits(page: PageView, bytes: Uint8Array, body: number): void {
  const first = readU16(bytes, body);
  const count = readU16(bytes, body + 2);
  const value = bytes[body + 4]!;
  if (pageType(page) !== PAGE_BITMAP) throw damagedOp(body, "bits of a page that has none");
  if (first + count > BITMAP_BITS) throw damagedOp(body, "bits behind the end");
  if (value > 1) throw damagedOp(body, "a bit is 0 or 1");
  setBits(page, { first, count }, value === 1);
}

function isTreePage(page: PageView): boolean {
  const type = pageType(page);
  return type === PAGE_LEAF || type === PAGE_INTERIOR;
}

/** Bytes behind the op's header, as far as they can be told; they may end after the record. */
function bodyLength(bytes: Uint8Array, at: number): number {
  const body = at + OP_HEADER_BYTES;
  switch (bytes[at] ?? 0) {
    case OP_IMAGE:
      return imageLength(bytes, body);
    case OP_INSERT:
      return INSERT_HEAD_BYTES + readU16(bytes, body + 8);
    case OP_REMOVE:
      return 4;
    case OP_KEEP_FIRST:
      return 8;
    case OP_BITS:
      return 5;
    default:
      throw damagedOp(at, `opcode ${bytes[at]}`);
  }
}

function imageLength(bytes: Uint8Array, body: number): number {
  const gapFrom = readU16(bytes, body);
  const gapTo = readU16(bytes, body + 2);
  if (gapFrom < IMAGE_FROM || gapFrom > gapTo || gapTo > PAGE_BYTES) {
    throw damagedOp(body, `an image with the gap ${gapFrom} to ${gapTo}`);
  }
  return IMAGE_HEAD_BYTES + (gapFrom - IMAGE_FROM) + (PAGE_BYTES - gapTo);
}

/** Bytes behind the end count as zero: `endOf` finds them missing. */
function readU16(bytes: Uint8Array, at: number): number {
  return (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8);
}

function readU32(bytes: Uint8Array, at: number): number {
  return (readU16(bytes, at) | (readU16(bytes, at + 2) << 16)) >>> 0;
}
