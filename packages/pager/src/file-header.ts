import { assert } from "@kvs/env";
import { BITMAP_BITS } from "./bitmap.ts";
import { PAGE_BYTES, PAGE_HEADER, PAGE_HEADER_BYTES, PAGE_TYPE_OFFSET } from "./page-header.ts";
import { PAGE_ID_OFFSET, PAGE_LSN_OFFSET } from "./page-header.ts";
import { type PageId, type PageLsn, toPageLsn } from "./page-id.ts";
import { findPageFault, sealPage } from "./page-seal.ts";
import { unknownVersion } from "./pager-error.ts";

/**
 * The header of a page file: the body of pages 0 and 1, two copies of which the one with the higher
 * sequence number holds.
 *
 *   offset  size  field           integers are little-endian
 *       64     8  magic           "KVSPAGES"
 *       72     4  format          version of all that docs/formats/page.md describes: 1
 *       76     4  pageBytes       4096
 *       80     8  storeId         two random u32: which store the file belongs to
 *       88     8  sequence        1 more at every write of the header
 *       96     8  checkpointLsn   end of the record that began the last checkpoint
 *      104     8  redoLsn         where redo starts reading the log
 *      112     8  published       newest timestamp that readers had been given
 *      120     4  catalogRoot     root page of the tree that lists all trees; 0 before there is one
 *      124     4  regionCount     bitmap pages that exist
 *      128     4  nextTreeId      the number that the next new tree gets
 *      132     4  flags           bit 0: the store was closed in good order
 *      136     -  reserved        zero
 *
 * File id and epoch are in the page's own header, whose pageLsn is `checkpointLsn`.
 *
 * Format: docs/formats/page.md.
 */
export interface PageFileHeader {
  /** Two random u32. */
  readonly storeId: readonly [high: number, low: number];
  readonly fileId: number;
  /** Chosen by the pager on every write. */
  readonly sequence: number;
  readonly checkpointLsn: PageLsn;
  readonly redoLsn: PageLsn;
  readonly catalogRoot: PageId;
  readonly regionCount: number;
  /** The life of the store that wrote this. */
  readonly epoch: number;
  readonly publishedTimestamp: number;
  readonly nextTreeId: number;
  readonly isClean: boolean;
}

const FILE_FORMAT = 1;
/** Pages 0 and 1. */
export const HEADER_COPIES = 2;

const MAGIC_OFFSET: number = PAGE_HEADER_BYTES;
const FORMAT_OFFSET = 72;
const PAGE_BYTES_OFFSET = 76;
const STORE_ID_OFFSET = 80;
const SEQUENCE_OFFSET = 88;
const CHECKPOINT_LSN_OFFSET = 96;
const REDO_LSN_OFFSET = 104;
const PUBLISHED_OFFSET = 112;
const CATALOG_ROOT_OFFSET = 120;
const REGION_COUNT_OFFSET = 124;
const NEXT_TREE_ID_OFFSET = 128;
const FLAGS_OFFSET = 132;

const FLAG_CLEAN = 1;
const FILE_ID_OFFSET = 20;
const EPOCH_OFFSET = 24;
const MAGIC = [0x4b, 0x56, 0x53, 0x50, 0x41, 0x47, 0x45, 0x53];
const TWO_21 = 0x20_0000;
const TWO_32 = 0x1_0000_0000;
/** Fields of 64 bits, each below 2^53. */
const LONG_OFFSETS = [SEQUENCE_OFFSET, CHECKPOINT_LSN_OFFSET, REDO_LSN_OFFSET, PUBLISHED_OFFSET];
/** Regions that page ids can count. */
const REGIONS_MAX: number = Math.ceil(TWO_32 / BITMAP_BITS);

/** The page that the copy with this sequence number is written to. */
export function headerPageOf(sequence: number): PageId {
  return (sequence % HEADER_COPIES) as PageId;
}

/** The header as a sealed page. */
export function encodeFileHeader(header: PageFileHeader): Uint8Array {
  const page = new Uint8Array(PAGE_BYTES);
  const view = new DataView(page.buffer);
  page[PAGE_TYPE_OFFSET] = PAGE_HEADER;
  setUint64(view, PAGE_LSN_OFFSET, header.checkpointLsn);
  view.setUint32(PAGE_ID_OFFSET, headerPageOf(header.sequence), true);
  page.set(MAGIC, MAGIC_OFFSET);
  view.setUint32(FORMAT_OFFSET, FILE_FORMAT, true);
  view.setUint32(PAGE_BYTES_OFFSET, PAGE_BYTES, true);
  view.setUint32(STORE_ID_OFFSET, header.storeId[1], true);
  view.setUint32(STORE_ID_OFFSET + 4, header.storeId[0], true);
  setUint64(view, SEQUENCE_OFFSET, header.sequence);
  setUint64(view, CHECKPOINT_LSN_OFFSET, header.checkpointLsn);
  setUint64(view, REDO_LSN_OFFSET, header.redoLsn);
  setUint64(view, PUBLISHED_OFFSET, header.publishedTimestamp);
  view.setUint32(CATALOG_ROOT_OFFSET, header.catalogRoot, true);
  view.setUint32(REGION_COUNT_OFFSET, header.regionCount, true);
  view.setUint32(NEXT_TREE_ID_OFFSET, header.nextTreeId, true);
  view.setUint32(FLAGS_OFFSET, header.isClean ? FLAG_CLEAN : 0, true);
  sealPage(page, header);
  return page;
}

/**
 * Reads one copy.
 *
 * @param page Its bytes, perhaps fewer than a page.
 * @param path For the error's text.
 * @returns `undefined` if the copy is damaged, or says what cannot be.
 * @throws {KvsError} `PAGER_UNKNOWN_VERSION` if it is intact, and of another format.
 */
export function decodeFileHeader(
  page: Uint8Array,
  id: PageId,
  path: string,
): PageFileHeader | undefined {
  if (page.length < PAGE_BYTES) return undefined;
  const view = new DataView(page.buffer, page.byteOffset, PAGE_BYTES);
  // The two copies are all there is to say which file this is, so any file id will do.
  const fileId = view.getUint32(FILE_ID_OFFSET, true);
  if (findPageFault(page, { id, fileId }) !== undefined) return undefined;
  if (page[PAGE_TYPE_OFFSET] !== PAGE_HEADER) return undefined;
  if (MAGIC.some((byte, at) => page[MAGIC_OFFSET + at] !== byte)) return undefined;
  const format = view.getUint32(FORMAT_OFFSET, true);
  if (format !== FILE_FORMAT) throw unknownVersion(path, format, FILE_FORMAT);
  const isInRange =
    view.getUint32(PAGE_BYTES_OFFSET, true) === PAGE_BYTES &&
    view.getUint32(REGION_COUNT_OFFSET, true) <= REGIONS_MAX &&
    LONG_OFFSETS.every((at) => view.getUint32(at + 4, true) < TWO_21);
  if (!isInRange) return undefined;
  return {
    storeId: [view.getUint32(STORE_ID_OFFSET + 4, true), view.getUint32(STORE_ID_OFFSET, true)],
    fileId,
    sequence: getUint64(view, SEQUENCE_OFFSET),
    checkpointLsn: toPageLsn(getUint64(view, CHECKPOINT_LSN_OFFSET)),
    redoLsn: toPageLsn(getUint64(view, REDO_LSN_OFFSET)),
    catalogRoot: view.getUint32(CATALOG_ROOT_OFFSET, true) as PageId,
    regionCount: view.getUint32(REGION_COUNT_OFFSET, true),
    epoch: view.getUint32(EPOCH_OFFSET, true),
    publishedTimestamp: getUint64(view, PUBLISHED_OFFSET),
    nextTreeId: view.getUint32(NEXT_TREE_ID_OFFSET, true),
    isClean: (view.getUint32(FLAGS_OFFSET, true) & FLAG_CLEAN) !== 0,
  };
}

function setUint64(view: DataView, offset: number, value: number): void {
  assert(Number.isSafeInteger(value) && value >= 0, "a 64-bit field holds an integer below 2^53");
  view.setUint32(offset, value >>> 0, true);
  view.setUint32(offset + 4, Math.floor(value / TWO_32), true);
}

function getUint64(view: DataView, offset: number): number {
  const value = view.getUint32(offset, true) + view.getUint32(offset + 4, true) * TWO_32;
  assert(Number.isSafeInteger(value), "a 64-bit field holds an integer below 2^53");
  return value;
}
