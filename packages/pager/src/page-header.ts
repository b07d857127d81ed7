import { type PageId, type PageLsn } from "./page-id.ts";
import { type PageView } from "./page-view.ts";

/**
 * The header at the start of every page.
 *
 *   offset  size  field       integers are little-endian
 *        0     4  checksum    CRC-32 of bytes [4, PAGE_BYTES)
 *        4     1  type        never 0, so that a zeroed page never decodes
 *        5     1  flags       bit 0: the body is sealed; bit 1: the page is plain, and authenticated
 *        6     2  reserved    zero
 *        8     8  pageLsn     the last log record applied to this page
 *       16     4  pageId      self-reference: exposes a misdirected read or write
 *       20     4  fileId      the same across files
 *       24     4  epoch       the life of the store in which the page was written
 *       28     4  keyId       which data key sealed the body; 0 if none
 *       32    12  nonce       of AES-256-GCM; zero if keyId is
 *       44    16  tag         of AES-256-GCM; zero if keyId is
 *       60     4  reserved    zero
 *
 * In a frame, type, pageLsn and pageId are always right, flags, keyId, nonce and tag are zero, and the
 * body is plain; the other fields are filled in when a copy is sealed for the disk.
 *
 * Format: docs/formats/page.md. Source: Mohan et al., "ARIES" (1992): the page LSN.
 */
export const PAGE_HEADER_BYTES = 64;

/** The size of every page. */
export const PAGE_BYTES = 4096;

export const PAGE_TYPE_OFFSET = 4;
export const PAGE_FLAGS_OFFSET = 5;
export const PAGE_LSN_OFFSET = 8;
export const PAGE_ID_OFFSET = 16;
export const PAGE_FILE_ID_OFFSET = 20;
export const PAGE_EPOCH_OFFSET = 24;
export const PAGE_KEY_ID_OFFSET = 28;
export const PAGE_NONCE_OFFSET = 32;
export const PAGE_TAG_OFFSET = 44;

/** The body is sealed. */
export const FLAG_SEALED = 1;
/** The page is plain, and the tag is of all of it: a copy of the file's header. */
export const FLAG_AUTHENTICATED = 2;

/** What a page holds. Numbers are part of the format. */
export type PageType =
  | typeof PAGE_HEADER
  | typeof PAGE_BITMAP
  | typeof PAGE_LEAF
  | typeof PAGE_INTERIOR
  | typeof PAGE_OVERFLOW;
export const PAGE_HEADER = 1;
export const PAGE_BITMAP = 2;
export const PAGE_LEAF = 3;
export const PAGE_INTERIOR = 4;
export const PAGE_OVERFLOW = 5;

const TWO_32 = 0x1_0000_0000;

export function pageType(page: PageView): PageType {
  return page.u8[page.base + PAGE_TYPE_OFFSET] as PageType;
}

export function pageLsn(page: PageView): PageLsn {
  const at = (page.base + PAGE_LSN_OFFSET) >>> 2;
  return (page.u32[at]! + page.u32[at + 1]! * TWO_32) as PageLsn;
}

export function setPageLsn(page: PageView, lsn: PageLsn): void {
  const at = (page.base + PAGE_LSN_OFFSET) >>> 2;
  page.u32[at] = lsn >>> 0;
  page.u32[at + 1] = Math.floor(lsn / TWO_32);
}

export function pageIdOf(page: PageView): PageId {
  return page.u32[(page.base + PAGE_ID_OFFSET) >>> 2] as PageId;
}

/** Makes the frame an empty page of this type: all zeros behind a header that names it. */
export function formatPage(page: PageView, id: PageId, type: PageType): void {
  page.u8.fill(0, page.base, page.base + PAGE_BYTES);
  page.u8[page.base + PAGE_TYPE_OFFSET] = type;
  page.u32[(page.base + PAGE_ID_OFFSET) >>> 2] = id;
}
