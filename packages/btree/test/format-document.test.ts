import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ByteWriter, hexdump } from "@kvs/codec";
import { PAGE_BYTES, PAGE_HEADER_BYTES, type PageId, PageView } from "@kvs/pager";
import { describePage } from "../src/inspect.ts";
import {
  DIRECT_RUNS_MAX,
  OVERFLOW_PAGE_BYTES,
  TREE_VALUE_BYTES_MAX,
  isLongValue,
  readOverflow,
  writeOverflow,
} from "../src/overflow-value.ts";
import { checkPage } from "../src/page-check.ts";
import { PageEditor } from "../src/page-editor.ts";
import { PageOps } from "../src/page-op.ts";
import { Probe } from "../src/probe.ts";
import { writeRowInsert } from "../src/row.ts";
import { lowerBound } from "../src/search.ts";
import {
  INFO_TOMBSTONE,
  LEAF_CELL_BYTES_MAX,
  LEVEL_MAX,
  PREFIX_OFFSET,
  TREE_KEY_BYTES_MAX,
} from "../src/tree-page.ts";
import { utf8 } from "./test-tree.ts";

const PAGE = 5 as PageId;

function readDocument(): Promise<string> {
  const path = join(import.meta.dirname, "../../../docs/formats/btree-page.md");
  return readFile(path, "utf8");
}

/** The lines of the block with this name. */
async function blockOf(name: string): Promise<string[]> {
  const block = new RegExp(`^\`\`\`${name}\n(.*?)^\`\`\`$`, "ms").exec(await readDocument())!;
  return block[1]!.trimEnd().split("\n");
}

/** Bytes of a block of dump lines; what it does not show is zero. */
async function bytesOf(name: string, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  for (const line of await blockOf(name)) {
    const [, offset, hex] = /^([0-9a-f]{8}) {2}((?:[0-9a-f]{2} ?)+)/.exec(line)!;
    const row = hex!.trim().split(" ");
    bytes.set(
      row.map((byte) => Number.parseInt(byte, 16)),
      Number.parseInt(offset!, 16),
    );
  }
  return bytes;
}

/** Makes the example's page from its rows; returns it with the last op. */
async function makeExample(): Promise<[page: PageView, op: Uint8Array]> {
  const [head, ...rows] = await blockOf("rows");
  const page = PageView.of(new Uint8Array(PAGE_BYTES));
  const none = 0 as PageId;
  const shape = { id: PAGE, level: 0, treeId: 2, next: 9 as PageId, firstChild: none };
  new PageEditor().format(page, shape, utf8(head!.replace("prefix: ", "")));
  const probe = new Probe();
  const writer = new ByteWriter();
  for (const row of rows) {
    const [, key, version, value] = /^"(.*?)" @(\d+) = (.*)$/.exec(row)!;
    const bytes = value === "deleted" ? new Uint8Array(0) : utf8(value!.slice(1, -1));
    const flags = value === "deleted" ? INFO_TOMBSTONE : 0;
    probe.set(utf8(key!), key!.length, Number(version));
    writer.reset();
    const rowValue = { flags, bytes, from: 0, to: bytes.length };
    writeRowInsert(writer, page, lowerBound(page, probe), { probe, value: rowValue });
    new PageOps().apply(page, writer.view(), 0);
  }
  return [page, writer.toBytes()];
}

test("the example's page is what the code writes, and reads as the rows", async () => {
  const [page] = await makeExample();
  const rows = (await blockOf("rows")).slice(1);

  expect(hexdump(page.u8)).toBe(hexdump(await bytesOf("page", PAGE_BYTES)));
  const read = PageView.of(await bytesOf("page", PAGE_BYTES));
  expect(checkPage(read)).toEqual([]);
  const lines = describePage(read).split("\n").slice(1);
  expect(lines.map((line) => line.trim()).toSorted()).toEqual(rows.toSorted());
});

test("the example's op is what the code writes", async () => {
  const [, op] = await makeExample();

  expect(hexdump(op)).toBe(hexdump(await bytesOf("op", op.length)));
});

test("the example's descriptor is what the code writes, and reads as the text says", async () => {
  const bytes = await bytesOf("descriptor", 24);
  const value = readOverflow(bytes, 0, bytes.length);

  expect(value).toEqual({
    length: 10_000,
    checksum: 0x89ab_cdef,
    freedRuns: 0,
    plainLength: 0,
    listedRuns: 0,
    runs: [
      { first: 10, count: 2 },
      { first: 20, count: 1 },
    ],
  });
  const writer = new ByteWriter();
  writeOverflow(writer, value);
  expect(hexdump(writer.view())).toBe(hexdump(bytes));
});

test("the document's figures are the code's", async () => {
  const text = (await readDocument()).replaceAll("\n", " ");

  expect(text).toContain(`at most ${LEAF_CELL_BYTES_MAX.toLocaleString("en")} bytes`);
  expect(text).toContain(`at most ${TREE_KEY_BYTES_MAX.toLocaleString("en")} bytes`);
  expect(text).toContain(`more than ${DIRECT_RUNS_MAX} runs`);
  expect(text).toContain(`bodies of ${OVERFLOW_PAGE_BYTES.toLocaleString("en")} bytes`);
  expect(text).toContain(`1 to ${TREE_VALUE_BYTES_MAX / 2 ** 20} MiB`);
  expect(text).toContain(`0 to ${LEVEL_MAX}`);
  expect([isLongValue(0, 991), isLongValue(0, 992)]).toEqual([false, true]);
  expect([isLongValue(1100, 16), isLongValue(1100, 17)]).toEqual([false, true]);
});

test("the page's table covers every byte from the header to the prefix once", async () => {
  const [table] = /^\| offset \| size \|(?:.*\n)*?\n/m.exec(await readDocument())!;
  const rows = [...table.matchAll(/^\| (\d+) \| (\d+) \|/gm)];
  const end = rows.reduce((at, [, offset, size]) => {
    expect(Number(offset)).toBe(at);
    return at + Number(size);
  }, PAGE_HEADER_BYTES);

  expect(end).toBe(PREFIX_OFFSET);
});
