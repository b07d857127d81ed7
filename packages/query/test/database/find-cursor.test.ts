import { type DocumentObject } from "@kvs/codec";
import { type FindQuery } from "@kvs/protocol";
import { expect, test } from "vitest";
import { FindCursor } from "../../src/database/find-cursor.ts";
import { collect } from "./fixture.ts";

interface Source {
  readonly cursor: (query: FindQuery) => FindCursor<DocumentObject>;
  readonly walked: () => number;
  readonly isReleased: () => boolean;
}

/** Documents with `_id` and `n` from 0 on, some at a time. */
function source(count: number, chunk = 7): Source {
  const documents = Array.from({ length: count }, (_, n) => ({ _id: `id-${n}`, n }));
  let walked = 0;
  let isReleased = false;
  async function* walk(): AsyncGenerator<{ document: DocumentObject; bytes: number }[]> {
    try {
      for (let at = 0; at < count; at += chunk) {
        walked += chunk;
        yield documents.slice(at, at + chunk).map((document) => ({ document, bytes: 10 }));
      }
    } finally {
      isReleased = true;
    }
  }
  const byId = async (
    id: string,
  ): Promise<{ document: DocumentObject; bytes: number } | undefined> => {
    const document = documents.find(({ _id }) => _id === id);
    return document === undefined ? undefined : { document, bytes: 10 };
  };
  return {
    cursor: (query) => new FindCursor(query, { byId, walk }),
    walked: () => walked,
    isReleased: () => isReleased,
  };
}

test("skip and limit cut at every place, also within a step of the walk", async () => {
  for (let skip = 0; skip < 25; skip++) {
    for (let limit = 0; limit < 25; limit++) {
      const { cursor } = source(20);
      const found = await cursor({ skip, limit }).toArray();
      const expected = Array.from({ length: 20 }, (_, n) => n).slice(skip, skip + limit);
      expect(found.map(({ n }) => n)).toEqual(expected);
      expect(await cursor({ skip, limit }).count()).toBe(expected.length);
      const sorted = await collect(cursor({ skip, limit, sort: { n: -1 } }));
      const reversed = Array.from({ length: 20 }, (_, n) => 19 - n).slice(skip, skip + limit);
      expect(sorted.map(({ n }) => n)).toEqual(reversed);
    }
  }
});

test("a walk goes no further than it has to, and is let go", async () => {
  const limited = source(1000);
  await limited.cursor({ limit: 10 }).toArray();
  expect([limited.walked(), limited.isReleased()]).toEqual([14, true]);
  const first = source(1000);
  expect((await first.cursor({ filter: { n: { $gte: 3 } } }).first())!["n"]).toBe(3);
  expect([first.walked(), first.isReleased()]).toEqual([7, true]);
  const left = source(1000);
  for await (const { n } of left.cursor({})) if (n === 20) break;
  expect([left.walked(), left.isReleased()]).toEqual([21, true]);
  const none = source(1000);
  expect(await none.cursor({ limit: 0 }).toArray()).toEqual([]);
  expect(none.walked()).toBe(0);
});

test("a filter with an _id asks for that document alone", async () => {
  const { cursor, walked } = source(100);
  expect(await cursor({ filter: { _id: "id-5" } }).toArray()).toEqual([{ _id: "id-5", n: 5 }]);
  expect(await cursor({ filter: { _id: "id-5", n: 6 } }).toArray()).toEqual([]);
  expect(await cursor({ filter: { _id: "none" } }).first()).toBeUndefined();
  expect(await cursor({ filter: { _id: "id-5" }, skip: 1 }).count()).toBe(0);
  expect(walked()).toBe(0);
  expect(await cursor({ filter: { _id: { $in: ["id-5"] } } }).count()).toBe(1);
  expect(walked()).toBeGreaterThan(0);
});

test("a cursor is used once, whatever the use", async () => {
  const { cursor } = source(3);
  const one = cursor({});
  expect(await one.count()).toBe(3);
  await expect(one.toArray()).rejects.toMatchObject({ code: "BAD_OPTION" });
  const other = cursor({});
  expect(await other.first()).toEqual({ _id: "id-0", n: 0 });
  await expect(other.count()).rejects.toMatchObject({ code: "BAD_OPTION" });
});

test("nothing is walked for a query that is none", async () => {
  const { cursor, walked } = source(3);
  for (const query of [
    { skip: -1 },
    { limit: 0.5 },
    { filter: { $x: 1 } },
    { sort: { n: 3 as 1 } },
  ]) {
    await expect(cursor(query).toArray()).rejects.toMatchObject({ outcome: "none" });
    await expect(cursor(query).count()).rejects.toMatchObject({ outcome: "none" });
  }
  expect(walked()).toBe(0);
});
