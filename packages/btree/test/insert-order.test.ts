import { expect, test } from "vitest";
import { createRandom, shuffle } from "@kvs/env";
import { MemoryPages } from "./memory-pages.ts";
import { TestTree, utf8 } from "./test-tree.ts";

/** Share of the leaves' room that rows take. */
const FILL = { ascending: 0.7, descending: 0.7, random: 0.62 } as const;

test.each([
  ["ascending", 30_000],
  ["descending", 30_000],
  ["random", 100_000],
] as const)(
  "REL-P5 keys in %s order, %i of them, are all there, once, and gone when removed",
  async (order, count) => {
    const tree = new TestTree(new MemoryPages({ hasTwins: false }));
    const keys = Array.from({ length: count }, (_, at) =>
      utf8(`key_${String(at).padStart(10, "0")}`),
    );
    const sequence = keys.slice();
    if (order === "descending") sequence.reverse();
    if (order === "random") shuffle(createRandom(1), sequence);
    for (const key of sequence) tree.insert(key, 1, key);

    const report = await tree.check();
    const fill = report.leafBytes / (report.leaves * 4008);
    console.log(
      `${order}: ${report.levels} levels, ${report.leaves} leaves, ${(fill * 100).toFixed(1)} % full`,
    );

    expect(report.rows).toBe(count);
    expect(fill).toBeGreaterThan(FILL[order]);
    const cursor = tree.cursor(new Uint8Array(0));
    for (const key of keys) {
      cursor.next();
      if (Buffer.compare(cursor.key.subarray(0, cursor.keyBytes), key) !== 0)
        throw new Error(Buffer.from(key).toString());
      if (tree.findFast(key, 1) !== 1) throw new Error(Buffer.from(key).toString());
    }
    expect(cursor.next()).toBe(false);

    for (const key of sequence) tree.remove(key, 1);
    expect((await tree.check()).pages).toEqual([tree.state.rootId]);
  },
);
