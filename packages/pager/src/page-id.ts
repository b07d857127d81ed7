import { assert } from "@kvs/env";

declare const pageIdBrand: unique symbol;
declare const lsnBrand: unique symbol;

/** The 0-based number of a page in its file: an integer in [0, 2^32). */
export type PageId = number & { readonly [pageIdBrand]: true };

/**
 * The position in a log just past the record that changed a page last: an integer in [0, 2^53).
 * The pager only compares LSNs; what they count is the log's business.
 */
export type PageLsn = number & { readonly [lsnBrand]: true };

/** No page: pages 0 and 1 are the file's headers, so 0 never names a page of content. */
export const NO_PAGE: PageId = 0 as PageId;

/** Names the page with this number. */
export function toPageId(value: number): PageId {
  assert(value >>> 0 === value, "a page id is an integer in [0, 2^32)");
  return value as PageId;
}

/** Names this position of the log. */
export function toPageLsn(value: number): PageLsn {
  assert(Number.isSafeInteger(value) && value >= 0, "an LSN is an integer in [0, 2^53)");
  return value as PageLsn;
}
