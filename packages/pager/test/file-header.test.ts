import { forEachSeed } from "@kvs/sim";
import { expect, test } from "vitest";
import {
  type PageFileHeader,
  decodeFileHeader,
  encodeFileHeader,
  headerPageOf,
} from "../src/file-header.ts";
import { toPageId, toPageLsn } from "../src/index.ts";
import { sealPage } from "../src/page-seal.ts";
import { HEADER } from "./fixture.ts";

const FIRST: PageFileHeader = { ...HEADER, sequence: 4 };

test("what is encoded is decoded, for counters of every size", () => {
  forEachSeed({ seeds: 200 }, ({ random }) => {
    const counter = (): number => Math.floor(2 ** random.below(54) * random.nextFloat());
    const header: PageFileHeader = {
      storeId: [random.nextUint32(), random.nextUint32()],
      fileId: random.nextUint32(),
      sequence: counter(),
      checkpointLsn: toPageLsn(counter()),
      redoLsn: toPageLsn(counter()),
      catalogRoot: toPageId(random.nextUint32()),
      regionCount: random.below(133_154),
      epoch: random.nextUint32(),
      publishedTimestamp: counter(),
      nextTreeId: random.nextUint32(),
      isClean: random.chance(0.5),
    };
    const id = headerPageOf(header.sequence);
    expect(decodeFileHeader(encodeFileHeader(header), id, "x")).toEqual(header);
  });
});

test("counters at 2^31, 2^32 and 2^53 - 1 are exact", () => {
  for (const value of [2 ** 31, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER]) {
    const header = { ...FIRST, sequence: value, publishedTimestamp: value };
    const page = encodeFileHeader({ ...header, redoLsn: toPageLsn(value) });
    expect(decodeFileHeader(page, headerPageOf(value), "x")).toMatchObject({
      sequence: value,
      redoLsn: value,
      publishedTimestamp: value,
    });
  }
  expect(() => encodeFileHeader({ ...FIRST, sequence: 2 ** 53 })).toThrow("below 2^53");
});

test("copies alternate between pages 0 and 1", () => {
  expect([0, 1, 2, 3, 2 ** 53 - 1].map(headerPageOf)).toEqual([0, 1, 0, 1, 1]);
});

test("REL-W4: a change of any byte of a header copy is found", () => {
  const page = encodeFileHeader(FIRST);
  for (let at = 0; at < page.length; at++) {
    page[at]! ^= 0x10;
    expect(decodeFileHeader(page, toPageId(0), "x")).toBeUndefined();
    page[at]! ^= 0x10;
  }
  expect(decodeFileHeader(page, toPageId(0), "x")).toEqual(FIRST);
});

test("a copy in the other place, a short one, and pages that are no headers do not count", () => {
  const page = encodeFileHeader(FIRST);
  expect(decodeFileHeader(page, toPageId(1), "x")).toBeUndefined();
  expect(decodeFileHeader(page.subarray(0, 512), toPageId(0), "x")).toBeUndefined();

  const leaf = page.slice();
  leaf[4] = 3;
  sealPage(leaf, FIRST);
  expect(decodeFileHeader(leaf, toPageId(0), "x")).toBeUndefined();

  const other = page.slice();
  other[64] = 0x4c;
  sealPage(other, FIRST);
  expect(decodeFileHeader(other, toPageId(0), "x")).toBeUndefined();
});

test("an intact header of another format names both versions", () => {
  const page = encodeFileHeader(FIRST);
  page[72] = 9;
  sealPage(page, FIRST);

  expect(() => decodeFileHeader(page, toPageId(0), "db/pages")).toThrow(
    expect.objectContaining({
      code: "PAGER_UNKNOWN_VERSION",
      details: { path: "db/pages", found: 9, known: 1 },
    }),
  );
});

test("another page size, a counter beyond 2^53 or more regions than there can be: no header of format 1", () => {
  const change = (fill: (page: Uint8Array) => void): Uint8Array => {
    const page = encodeFileHeader(FIRST);
    fill(page);
    sealPage(page, FIRST);
    return page;
  };
  const changed = [
    change((page) => void (page[77] = 0x20)),
    ...[8, 88, 96, 104, 112].map((at) => change((page) => void page.fill(0xff, at, at + 8))),
    change((page) => void page.fill(0xff, 124, 128)),
  ];

  for (const page of changed) expect(decodeFileHeader(page, toPageId(0), "x")).toBeUndefined();
});
