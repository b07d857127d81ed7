import { expect, test } from "vitest";
import { createRandom } from "@kvs/env";
import { type PageId, PageMiss } from "@kvs/pager";
import { MemoryPages } from "./memory-pages.ts";
import { TestTree, drawKey, drawValue, utf8 } from "./test-tree.ts";

interface Outcome {
  readonly fetches: number;
  readonly pages: ReadonlyMap<PageId, Buffer>;
  readonly seen: readonly string[];
}

/**
 * A scenario with splits and merges on two levels, prunings, replacements, values under several
 * bitmap pages, look-ups and scans, in which the n-th look at a page is a miss.
 */
function play(missAt: number): Outcome {
  const random = createRandom(11);
  const pages = new MemoryPages({ regions: 2, pickRegion: () => regions.next });
  const regions = { next: 0 };
  const tree = new TestTree(pages);
  const miss = new PageMiss();
  let fetches = 0;
  pages.onFetch = (id) => {
    if (fetches++ !== missAt) return;
    miss.pageId = id;
    throw miss;
  };
  pages.onEnd = () => (regions.next = 1 - regions.next);
  const seen: string[] = [];
  const note = (value: Uint8Array | undefined): void => {
    seen.push(value === undefined ? "none" : Buffer.from(value).toString("hex").slice(0, 16));
  };
  const wide = (at: number): Uint8Array => utf8(`${"wide".repeat(60)}${at}${"!".repeat(500)}`);
  for (let version = 1; version <= 26; version++) {
    const key = version % 3 === 0 ? drawKey(random) : wide((version * 7) % 26);
    tree.insert(key, version, drawValue(random, key.length), version - 5);
  }
  tree.insert(utf8("long"), 30, random.fill(new Uint8Array(20_000)));
  tree.insert(utf8("long"), 30, random.fill(new Uint8Array(9_000)));
  tree.insert(utf8("long"), 31, utf8("short"));
  note(tree.find(utf8("long"), 30)?.value);
  note(tree.find(wide(7))?.value);
  for (const reverse of [false, true]) {
    const cursor = tree.cursor(new Uint8Array(0));
    if (reverse) cursor.placeAtEnd();
    while (pages.run(() => (reverse ? cursor.previous() : cursor.next()))) {
      note(tree.rowAt(cursor).value);
    }
  }
  tree.vacuumAll(31);
  for (let at = 0; at < 26; at++) {
    const row = tree.find(wide(at));
    if (row !== undefined) tree.remove(row.key, row.version);
  }
  tree.vacuumAll(31);
  pages.compareWithTwins();
  const contents = pages.usedPages().map((id) => [id, Buffer.from(pages.bytesOf(id))] as const);
  return { fetches, pages: new Map(contents), seen };
}

test("a miss at any point of any operation changes nothing of the result", () => {
  const expected = play(-1);
  expect(expected.seen.length).toBeGreaterThan(40);
  expect(expected.fetches).toBeGreaterThan(400);

  for (let at = 0; at < expected.fetches; at++) {
    const outcome = play(at);
    expect(outcome.fetches).toBeGreaterThan(expected.fetches);
    expect(outcome.seen).toEqual(expected.seen);
    expect([...outcome.pages.keys()]).toEqual([...expected.pages.keys()]);
    for (const [id, bytes] of outcome.pages) {
      if (Buffer.compare(bytes, expected.pages.get(id)!) !== 0)
        throw new Error(`page ${id}, miss ${at}`);
    }
  }
});
