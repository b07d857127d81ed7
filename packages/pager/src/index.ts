export { NO_PAGE, type PageId, type PageLsn, toPageId, toPageLsn } from "./page-id.ts";
export {
  PAGE_BITMAP,
  PAGE_BYTES,
  PAGE_HEADER,
  PAGE_HEADER_BYTES,
  PAGE_INTERIOR,
  PAGE_LEAF,
  PAGE_LSN_OFFSET,
  PAGE_OVERFLOW,
  PAGE_TYPE_OFFSET,
  type PageType,
  formatPage,
  pageIdOf,
  pageLsn,
  pageType,
  setPageLsn,
} from "./page-header.ts";
export { PageView } from "./page-view.ts";
export {
  BITMAP_BITS,
  FIRST_BITMAP_PAGE,
  type Run,
  bitOf,
  bitmapPageOf,
  hasBit,
  reservedBits,
  setBits,
} from "./bitmap.ts";
export { type Frame, PageMiss } from "./page-miss.ts";
export { type LogGate, noLog } from "./log-gate.ts";
export { type PageFileHeader } from "./file-header.ts";
export { createPageFile } from "./page-file.ts";
export { type PageExpectation, findPageFault, sealedKeyOf } from "./page-seal.ts";
export { type FreeSpace } from "./free-space.ts";
export { type TrimOptions } from "./tail-trimmer.ts";
export { type FlushOptions } from "./write-back.ts";
export { type OldKeyPages } from "./old-keys.ts";
export { Pager } from "./pager.ts";
export { type PagerOptions, type PagerStats } from "./pager-options.ts";
export { type CorruptionReason, type PagerErrorCode } from "./pager-error.ts";
export { type PageFileReport, type PageProblem, type VerifyOptions, verifyPages } from "./check.ts";
export { inspectPage, printPage } from "./inspect.ts";
