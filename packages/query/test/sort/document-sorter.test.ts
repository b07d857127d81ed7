import * as fc from "fast-check";
import { expect, test } from "vitest";
import { DocumentSorter, parseSort, type SorterOptions } from "../../src/index.ts";

interface Numbered {
  readonly [name: string]: number;
  readonly at: number;
  readonly a: number;
}

function sort(documents: readonly Numbered[], options: SorterOptions = {}): readonly Numbered[] {
  const sorter = new DocumentSorter<Numbered>(parseSort({ a: 1 }), options);
  for (const document of documents) sorter.add(document, 10);
  return sorter.finish();
}

test("the sort is stable, with and without a limit", () => {
  const documents = fc
    .array(fc.nat({ max: 5 }), { maxLength: 50 })
    .map((values) => values.map((a, at) => ({ a, at })));
  const count = fc.nat({ max: 12 });
  fc.assert(
    fc.property(documents, count, count, (subjects, skip, limit) => {
      const expected = subjects.toSorted((left, right) => left.a - right.a || left.at - right.at);
      expect(sort(subjects)).toEqual(expected);
      expect(sort(subjects, { skip })).toEqual(expected.slice(skip));
      expect(sort(subjects, { limit })).toEqual(expected.slice(0, limit));
      expect(sort(subjects, { skip, limit })).toEqual(expected.slice(skip, skip + limit));
    }),
    { numRuns: 500 },
  );
});

test("with a limit only skip + limit documents are held", () => {
  const sorter = new DocumentSorter(parseSort({ a: -1 }), { skip: 2, limit: 3 });
  let most = 0;
  for (let a = 0; a < 1000; a++) {
    sorter.add({ a }, 1000);
    most = Math.max(most, sorter.bytes);
  }
  expect(most).toBeLessThan(6 * 1200);
  expect(sorter.finish()).toEqual([{ a: 997 }, { a: 996 }, { a: 995 }]);
});

test("a sort that would hold too much is refused", () => {
  const tooLarge = expect.objectContaining({ code: "QUERY_SORT_TOO_LARGE" });
  const documents = Array.from({ length: 1000 }, (_, at) => ({ a: -at, at }));
  expect(() => sort(documents, { maxBytes: 50_000 })).toThrow(tooLarge);
  expect(() => sort(documents, { maxBytes: 50_000, limit: 900 })).toThrow(tooLarge);
  expect(sort(documents, { maxBytes: 50_000, limit: 5 })).toHaveLength(5);
  expect(sort(documents, { limit: Number.MAX_SAFE_INTEGER, skip: 998 })).toHaveLength(2);
});

test("options out of range are bugs of the caller", () => {
  expect(() => sort([], { skip: -1 })).toThrow("a skip");
  expect(() => sort([], { limit: 0.5 })).toThrow("a limit");
  const sorter = new DocumentSorter(parseSort({}));
  expect(() => sorter.add({}, NaN)).toThrow("a size");
});
