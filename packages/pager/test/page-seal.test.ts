import { createRandom } from "@kvs/env";
import { expect, test } from "vitest";
import { PAGE_LEAF, PAGE_OVERFLOW, PageView, formatPage, toPageId } from "../src/index.ts";
import { findPageFault, sealPage } from "../src/page-seal.ts";

const OWNER = { fileId: 7, epoch: 3 };
const EXPECTED = { id: toPageId(42), fileId: 7 };

function sealedPage(): Uint8Array {
  const page = new Uint8Array(4096);
  createRandom(1).fill(page);
  const view = PageView.of(page);
  const body = page.slice(64);
  formatPage(view, EXPECTED.id, PAGE_LEAF);
  page.set(body, 64);
  sealPage(page, OWNER);
  return page;
}

test("a sealed page is sound", () => {
  expect(findPageFault(sealedPage(), EXPECTED)).toBeUndefined();
});

test("REL-W4: a change of any byte of a page is found", () => {
  const page = sealedPage();
  for (let at = 0; at < page.length; at++) {
    page[at]! ^= 1 << (at % 8);
    expect(findPageFault(page, EXPECTED)?.reason).toBe("checksum");
    page[at]! ^= 1 << (at % 8);
  }
  expect(findPageFault(page, EXPECTED)).toBeUndefined();
});

test("REL-W4: every inverted byte of the header is found", () => {
  const page = sealedPage();
  for (let at = 0; at < 64; at++) {
    page[at]! ^= 0xff;
    expect(findPageFault(page, EXPECTED)).toBeDefined();
    page[at]! ^= 0xff;
  }
});

test("REL-P1: a page of which only some sectors were written is found", () => {
  const before = sealedPage();
  const after = sealedPage();
  for (let sector = 0; sector < 8; sector++) after[sector * 512 + 100]! ^= 0x55;
  sealPage(after, OWNER);
  for (let mask = 1; mask < 255; mask++) {
    const torn = before.slice();
    for (let sector = 0; sector < 8; sector++) {
      if (((mask >>> sector) & 1) === 0) continue;
      torn.set(after.subarray(sector * 512, (sector + 1) * 512), sector * 512);
    }
    expect(findPageFault(torn, EXPECTED)?.reason).toBe("checksum");
  }
});

test("REL-W8: a page of zeros is no page", () => {
  expect(findPageFault(new Uint8Array(4096), EXPECTED)?.reason).toBe("checksum");
});

test("REL-W3: a sound page in the wrong place is found, and so is one of another file", () => {
  const page = sealedPage();

  expect(findPageFault(page, { id: toPageId(43), fileId: 7 })).toEqual({
    reason: "page-id",
    expected: 43,
    found: 42,
  });
  expect(findPageFault(page, { id: toPageId(42), fileId: 8 })).toEqual({
    reason: "file-id",
    expected: 8,
    found: 7,
  });
});

test("a type that does not exist is found although the checksum is right", () => {
  const page = sealedPage();
  page[4] = PAGE_OVERFLOW + 1;
  sealPage(page, OWNER);

  expect(findPageFault(page, EXPECTED)).toEqual({ reason: "type", expected: 0, found: 6 });
});

test("a page that the file's end cuts off is found", () => {
  expect(findPageFault(sealedPage().subarray(0, 4095), EXPECTED)).toEqual({
    reason: "short",
    expected: 4096,
    found: 4095,
  });
});

test("page numbers and epochs of 32 bits are sealed whole", () => {
  const page = new Uint8Array(4096);
  for (const id of [2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1].map(toPageId)) {
    formatPage(PageView.of(page), id, PAGE_LEAF);
    sealPage(page, { fileId: 2 ** 32 - 1, epoch: 2 ** 32 - 1 });
    expect(findPageFault(page, { id, fileId: 2 ** 32 - 1 })).toBeUndefined();
    expect(findPageFault(page, { id, fileId: 2 ** 31 })?.reason).toBe("file-id");
  }
});

test("a page without a type is not sealed", () => {
  expect(() => sealPage(new Uint8Array(4096), OWNER)).toThrow("a page has a type");
});
