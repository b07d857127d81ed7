import { createRandom } from "@kvs/env";
import { type PageId } from "@kvs/pager";
import { expect, test } from "vitest";

import { NO_ENTRY, RedoIndex } from "../src/redo-index.ts";

interface Op {
  readonly isImage: boolean;
  readonly offset: number;
  readonly lsn: number;
}

function chainsOf(index: RedoIndex): [number, Op[]][] {
  return [...index.pagesInOrder()].map((page) => {
    const ops: Op[] = [];
    for (let entry = index.firstEntry(page); entry !== NO_ENTRY; entry = index.nextEntry(entry)) {
      const isImage = ops.length === 0 && index.startsWithImage(page);
      ops.push({ isImage, offset: index.offsetOf(entry), lsn: index.lsnOf(entry) });
    }
    return [index.idOf(page), ops];
  });
}

test("every page has its ops from its last image on, in the log's order, and pages come in theirs", () => {
  const random = createRandom(1);
  const index = new RedoIndex();
  for (const pages of [1, 3, 200, 5000]) {
    index.clear();
    const expected = new Map<number, Op[]>();
    for (let at = 0; at < 3 * pages; at++) {
      const id =
        random.below(2) === 0 ? random.below(pages) + 2 : 2 ** 32 - 1 - random.below(pages);
      const op = { isImage: random.below(5) === 0, offset: at * 16, lsn: 2 ** 40 + at };
      index.add(id as PageId, op.isImage, op.offset, op.lsn);
      const before = expected.get(id) ?? [];
      expected.set(id, op.isImage ? [op] : [...before, op]);
    }
    expect(index.pageCount).toBe(expected.size);
    expect(chainsOf(index)).toEqual([...expected].toSorted(([one], [other]) => one - other));
  }
});
