import { expect, test } from "vitest";
import * as api from "../src/index.ts";

test("the package exports these names", () => {
  expect(Object.keys(api).toSorted()).toMatchInlineSnapshot(`
    [
      "BITMAP_BITS",
      "FIRST_BITMAP_PAGE",
      "NO_PAGE",
      "PAGE_BITMAP",
      "PAGE_BYTES",
      "PAGE_HEADER",
      "PAGE_HEADER_BYTES",
      "PAGE_INTERIOR",
      "PAGE_LEAF",
      "PAGE_LSN_OFFSET",
      "PAGE_OVERFLOW",
      "PAGE_TYPE_OFFSET",
      "PageMiss",
      "PageView",
      "Pager",
      "bitOf",
      "bitmapPageOf",
      "createPageFile",
      "findPageFault",
      "formatPage",
      "hasBit",
      "inspectPage",
      "noLog",
      "pageIdOf",
      "pageLsn",
      "pageType",
      "printPage",
      "reservedBits",
      "sealedKeyOf",
      "setBits",
      "setPageLsn",
      "toPageId",
      "toPageLsn",
      "verifyPages",
    ]
  `);
});
