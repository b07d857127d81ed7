import { expect, test } from "vitest";
import { PageView, formatPage, inspectPage, printPage, setPageLsn } from "../src/index.ts";
import { PAGE_INTERIOR, toPageId, toPageLsn } from "../src/index.ts";
import { sealPage } from "../src/page-seal.ts";
import { HEADER, PATH, TestKeys, makeWorld, openPager, writePage } from "./fixture.ts";

function samplePage(): Uint8Array {
  const page = new Uint8Array(4096);
  const view = PageView.of(page);
  formatPage(view, toPageId(5), PAGE_INTERIOR);
  setPageLsn(view, toPageLsn(2 ** 40));
  page.set([1, 2, 3], 4000);
  sealPage(page, { fileId: 7, epoch: 3 });
  return page;
}

test("a page is printed with what each byte of its header means", () => {
  expect(printPage(samplePage(), toPageId(5))).toMatchInlineSnapshot(`
    "page 5 (interior), intact
    00005000  30 4d c0 ff                                      |0M..|              checksum ffc04d30
    00005004  04                                               |.|                 type 4
    00005005  00                                               |.|                 flags 0
    00005006  00 00                                            |..|                reserved
    00005008  00 00 00 00 00 01 00 00                          |........|          pageLsn 1099511627776
    00005010  05 00 00 00                                      |....|              pageId 5
    00005014  07 00 00 00                                      |....|              fileId 7
    00005018  03 00 00 00                                      |....|              epoch 3
    0000501c  00 00 00 00                                      |....|              keyId 0
    00005020  00 00 00 00 00 00 00 00 00 00 00 00              |............|      nonce
    0000502c  00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00  |................|  tag
    0000503c  00 00 00 00                                      |....|              reserved
    00005040  00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00  |................|  body
    *
    00005fa0  01 02 03 00 00 00 00 00 00 00 00 00 00 00 00 00  |................|
    00005fb0  00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00  |................|
    *
    00005ff0  00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00  |................|"
  `);
});

test("a damaged page is printed, and said to be", () => {
  const page = samplePage();
  page[100] = 1;
  expect(printPage(page, toPageId(5))).toMatch(/^page 5 \(interior\), damaged: checksum, expected/);
  page[4] = 99;
  expect(printPage(page, toPageId(5))).toMatch(/^page 5 \(unknown type 99\), damaged/);
  expect(printPage(samplePage(), toPageId(6))).toMatch(/damaged: page-id, expected 6, found 5/);
  expect(printPage(page.subarray(0, 10), toPageId(5))).toBe(
    "page 5: the file ends 10 bytes into it",
  );
});

test("a page is read from a file and printed as it is there", async () => {
  const world = makeWorld();
  await (await openPager(world)).close();

  expect(await inspectPage(world.environment, PATH, toPageId(1))).toMatch(
    /^page 1 \(header\), intact/,
  );
  expect(await inspectPage(world.environment, PATH, toPageId(7))).toBe(
    "page 7: the file ends 0 bytes into it",
  );
  await expect(inspectPage(world.environment, "nothing", toPageId(0))).rejects.toThrow(
    "DISK_NOT_FOUND",
  );
});

test("a sealed page is printed as it is, with the key that it needs", async () => {
  const world = makeWorld();
  const keys = new TestKeys(3);
  const pager = await openPager(world, { keys });
  await pager.grow(5);
  await writePage(pager, toPageId(4), 0x41414141);
  await pager.flushBefore(toPageLsn(1));
  await pager.writeHeader(HEADER);
  await pager.close();

  const page = await inspectPage(world.environment, PATH, toPageId(4));
  expect(page).toMatch(/^page 4 \(leaf\), intact, sealed with key 3\n/);
  expect(page).toContain("keyId 3");
  expect(page).not.toContain("AAAA");
  const header = await inspectPage(world.environment, PATH, toPageId(0));
  expect(header).toMatch(/^page 0 \(header\), intact, authenticated with key 3\n/);
});
