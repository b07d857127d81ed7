import { createRandom } from "@kvs/env";
import { type PageId } from "@kvs/pager";
import { expect, test } from "vitest";

import { NO_ENTRY, RedoIndex } from "../src/redo-index.ts";

interface Op {
  readonly isImage: boolean;
  readonly from: number;
  readonly to: number;
  readonly lsn: number;
}

function chainsOf(index: RedoIndex): [number, Op[]][] {
  return [...index.pagesInOrder()].map((page) => {
    const ops: Op[] = [];
    for (let entry = index.firstEntry(page); entry !== NO_ENTRY; entry = index.nextEntry(entry)) {
      const isImage = ops.length === 0 && index.startsWithImage(page);
      const [from, to, lsn] = [index.fromOf(entry), index.toOf(entry), index.lsnOf(entry)];
      ops.push({ isImage, from, to, lsn });
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
      const place = { from: at * 16, to: at * 16 + 10, lsn: 2 ** 40 + at };
      const op = { isImage: random.below(5) === 0, ...place };
      index.add(id as PageId, op.isImage, place);
      const before = expected.get(id) ?? [];
      expected.set(id, op.isImage ? [op] : [...before, op]);
    }
    expect(index.pageCount).toBe(expected.size);
    expect(chainsOf(index)).toEqual([...expected].toSorted(([one], [other]) => one - other));
  }
});

test("the ops of one record on one page are one entry, unless an image is among them", () => {
  const index = new RedoIndex();
  const [one, other] = [7 as PageId, 9 as PageId];
  index.add(one, false, { from: 0, to: 10, lsn: 100 });
  index.add(one, false, { from: 10, to: 25, lsn: 100 });
  index.add(other, false, { from: 25, to: 30, lsn: 100 });
  index.add(one, false, { from: 30, to: 40, lsn: 100 });
  index.add(one, false, { from: 40, to: 50, lsn: 200 });
  expect(chainsOf(index)).toEqual([
    [
      7,
      [
        { isImage: false, from: 0, to: 25, lsn: 100 },
        { isImage: false, from: 30, to: 40, lsn: 100 },
        { isImage: false, from: 40, to: 50, lsn: 200 },
      ],
    ],
    [9, [{ isImage: false, from: 25, to: 30, lsn: 100 }]],
  ]);

  index.add(one, true, { from: 50, to: 90, lsn: 200 });

  expect(chainsOf(index)[0]).toEqual([7, [{ isImage: true, from: 50, to: 90, lsn: 200 }]]);
});

test("an LSN that is too far from the first cannot be told, until the index is empty again", () => {
  const index = new RedoIndex();
  index.add(7 as PageId, false, { from: 0, to: 10, lsn: 1000 });

  expect([index.canTell(1000 + 2 ** 31 - 1), index.canTell(1000 + 2 ** 31)]).toEqual([true, false]);

  index.clear();
  expect(index.canTell(2 ** 50)).toBe(true);
});
