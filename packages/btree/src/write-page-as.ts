import {
  PAGE_BYTES,
  PAGE_HEADER_BYTES,
  type PageId,
  type PageView,
  formatPage,
  pageLsn,
  pageType,
  setPageLsn,
} from "@kvs/pager";

/** Makes a frame the page `id` with type and content of another. Its LSN is the caller's to move on. */
export function writePageAs(target: PageView, id: PageId, source: PageView): void {
  const lsn = pageLsn(target);
  formatPage(target, id, pageType(source));
  setPageLsn(target, lsn);
  const body = source.u8.subarray(source.base + PAGE_HEADER_BYTES, source.base + PAGE_BYTES);
  target.u8.set(body, target.base + PAGE_HEADER_BYTES);
}
