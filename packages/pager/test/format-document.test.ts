import { hexdump } from "@kvs/codec";
import { createNodeEnvironment } from "@kvs/node";
import { createDecipheriv } from "node:crypto";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { decodeFileHeader, encodeFileHeader } from "../src/file-header.ts";
import {
  BITMAP_BITS,
  PAGE_BITMAP,
  PAGE_BYTES,
  PAGE_HEADER_BYTES,
  PAGE_LEAF,
  PageView,
  formatPage,
  hasBit,
  pageLsn,
  setBits,
  setPageLsn,
  toPageId,
  toPageLsn,
} from "../src/index.ts";
import { findPageFault, sealPage } from "../src/page-seal.ts";
import { PageSealer } from "../src/page-sealer.ts";

const HEADER = {
  storeId: [0x0123_4567, 0x89ab_cdef],
  fileId: 7,
  sequence: 3,
  checkpointLsn: toPageLsn(4_294_975_488),
  redoLsn: toPageLsn(4_294_975_232),
  publishedTimestamp: 4096,
  catalogRoot: toPageId(3),
  regionCount: 1,
  nextTreeId: 9,
  epoch: 5,
  isClean: true,
} as const;

function readDocument(): Promise<string> {
  return readFile(
    join(import.meta.dirname, "..", "..", "..", "docs", "formats", "page.md"),
    "utf8",
  );
}

/** Pages 0 to 2 of the example in docs/formats/page.md; what it does not show is zero. */
async function exampleFile(): Promise<Uint8Array> {
  const block = /^```bytes\n(.*?)^```$/ms.exec(await readDocument())![1]!;
  const file = new Uint8Array(3 * PAGE_BYTES);
  for (const line of block.trimEnd().split("\n")) {
    const [, offset, hex] = /^([0-9a-f]{8}) {2}((?:[0-9a-f]{2} ?)+)/.exec(line)!;
    const bytes = hex!.trim().split(" ");
    file.set(
      bytes.map((byte) => Number.parseInt(byte, 16)),
      Number.parseInt(offset!, 16),
    );
  }
  return file;
}

test("the example's header reads as the document says, and is what the code writes", async () => {
  const page = (await exampleFile()).subarray(PAGE_BYTES, 2 * PAGE_BYTES);

  expect(decodeFileHeader(page, toPageId(1), "example")).toEqual(HEADER);
  expect(hexdump(encodeFileHeader(HEADER))).toBe(hexdump(page));
});

test("the example's bitmap page reads as the document says, and is what the code writes", async () => {
  const bytes = (await exampleFile()).slice(2 * PAGE_BYTES);
  const page = PageView.of(bytes);

  expect(findPageFault(bytes, { id: toPageId(2), fileId: 7 })).toBeUndefined();
  expect(pageLsn(page)).toBe(4_294_975_360);
  const used = Array.from({ length: BITMAP_BITS }, (_, bit) => hasBit(page, bit));
  expect(used.lastIndexOf(true)).toBe(10);
  expect(used.indexOf(false)).toBe(11);

  const written = new Uint8Array(PAGE_BYTES);
  formatPage(PageView.of(written), toPageId(2), PAGE_BITMAP);
  setBits(PageView.of(written), { first: 0, count: 11 }, true);
  setPageLsn(PageView.of(written), toPageLsn(4_294_975_360));
  sealPage(written, { fileId: 7, epoch: 5 });
  expect(hexdump(written)).toBe(hexdump(bytes));
});

test("a sealed page and a header open as the document says, by the platform's cipher alone", () => {
  const { ciphers, random, ...rest } = createNodeEnvironment({ root: tmpdir() });
  const key = random.fill(new Uint8Array(32));
  const keys = { currentId: 7, cipherOf: () => ciphers.aes256Gcm(key) };
  const owner = { fileId: 7, epoch: 5 };
  const sealer = new PageSealer({ ...rest, ciphers, random }, { path: "x", owner, keys });
  const open = (page: Uint8Array, associated: Uint8Array, text: Uint8Array): Uint8Array => {
    const decipher = createDecipheriv("aes-256-gcm", key, page.subarray(32, 44));
    decipher.setAAD(associated);
    decipher.setAuthTag(page.subarray(44, 60));
    return Uint8Array.from(Buffer.concat([decipher.update(text), decipher.final()]));
  };
  const page = new Uint8Array(PAGE_BYTES);
  formatPage(PageView.of(page), toPageId(42), PAGE_LEAF);
  random.fill(page.subarray(64));
  const body = page.slice(64);
  sealer.seal(page);
  const header = encodeFileHeader(HEADER);
  sealer.authenticate(header);

  expect([page[5], header[5]]).toEqual([1, 2]);
  expect([page[28], header[28]]).toEqual([7, 7]);
  expect(open(page, page.subarray(4, 32), page.subarray(64))).toEqual(body);
  const bound = Uint8Array.from([
    ...header.subarray(4, 32),
    ...new Uint8Array(28),
    ...header.subarray(60),
  ]);
  expect(open(header, bound, new Uint8Array(0))).toHaveLength(0);
});

test("the tables cover every byte once", async () => {
  const tables = [...(await readDocument()).matchAll(/^\| offset \|(?:.*\n)*?\n/gm)];
  const ends = tables.map(([table]) => {
    const rows = [...table.matchAll(/^\| (\d+) \| (\d+) \|/gm)];
    return rows.reduce((end, [, offset, size]) => {
      if (end >= 0) expect(Number(offset)).toBe(end);
      return Number(offset) + Number(size);
    }, -1);
  });
  expect(ends).toEqual([PAGE_BYTES, PAGE_BYTES]);
  expect(PAGE_HEADER_BYTES).toBe(64);
});
