import { expect, test } from "vitest";
import {
  PAGE_INTERIOR,
  PageView,
  formatPage,
  pageIdOf,
  pageLsn,
  pageType,
  setPageLsn,
  toPageId,
  toPageLsn,
} from "../src/index.ts";

test("formatting a frame leaves nothing of what was there, and touches no neighbour", () => {
  const memory = new Uint8Array(3 * 4096).fill(0xee);
  const page = PageView.of(memory.subarray(4096, 8192));

  formatPage(page, toPageId(2 ** 32 - 1), PAGE_INTERIOR);

  expect(pageIdOf(page)).toBe(2 ** 32 - 1);
  expect(pageType(page)).toBe(PAGE_INTERIOR);
  expect(pageLsn(page)).toBe(0);
  expect(memory.subarray(4096, 8192).filter((byte) => byte !== 0)).toHaveLength(5);
  expect(memory[4095]).toBe(0xee);
  expect(memory[8192]).toBe(0xee);
});

test("a pageLsn is a safe integer of any size", () => {
  const page = PageView.of(new Uint8Array(4096));
  for (const lsn of [0, 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1]) {
    setPageLsn(page, toPageLsn(lsn));
    expect(pageLsn(page)).toBe(lsn);
  }
});

test("what is no page id or no LSN is refused", () => {
  for (const value of [-1, 0.5, 2 ** 32, Number.NaN]) {
    expect(() => toPageId(value)).toThrow("a page id is an integer in [0, 2^32)");
  }
  for (const value of [-1, 0.5, 2 ** 53, Number.NaN]) {
    expect(() => toPageLsn(value)).toThrow("an LSN is an integer in [0, 2^53)");
  }
});
