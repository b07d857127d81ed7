import * as fc from "fast-check";
import { expect, test } from "vitest";
import { inMemory } from "./databases.ts";

/** Short keys over two letters, so that keys, bounds and targets meet. */
const someKey = fc.string({ unit: fc.constantFrom("a", "b"), maxLength: 4 });
const bound = fc.option(someKey, { nil: undefined });

/** What a walk over sorted keys gives, by the rules of `level`. */
function model(
  keys: readonly string[],
  options: {
    readonly gt?: string | undefined;
    readonly gte?: string | undefined;
    readonly lt?: string | undefined;
    readonly lte?: string | undefined;
    readonly reverse: boolean;
    readonly limit: number;
  },
  target: string | undefined,
): string[] {
  const { gt, gte, lt, lte, reverse, limit } = options;
  const isWithin = (each: string): boolean => {
    if (gte !== undefined ? each < gte : gt !== undefined && each <= gt) return false;
    return !(lte !== undefined ? each > lte : lt !== undefined && each >= lt);
  };
  if (target !== undefined && !isWithin(target)) return [];
  const found = keys
    .filter((each) => isWithin(each))
    .filter((each) => target === undefined || (reverse ? each <= target : each >= target));
  return (reverse ? found.toReversed() : found).slice(0, limit);
}

test("a walk in any range and direction, from any target, gives what a sorted list gives", async () => {
  const database = inMemory();
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(someKey, { maxLength: 20 }),
      fc.record({
        gt: bound,
        gte: bound,
        lt: bound,
        lte: bound,
        reverse: fc.boolean(),
        limit: fc.integer({ min: 1, max: 30 }),
      }),
      bound,
      async (keys, options, target) => {
        await database.clear();
        await database.batch(keys.map((each) => ({ type: "put", key: each, value: `${each}!` })));
        const { gt, gte, lt, lte, ...rest } = options;
        const range = {
          ...rest,
          ...(gt === undefined ? {} : { gt }),
          ...(gte === undefined ? {} : { gte }),
          ...(lt === undefined ? {} : { lt }),
          ...(lte === undefined ? {} : { lte }),
        };
        const iterator = database.iterator(range);
        if (target !== undefined) iterator.seek(target);
        const found = await iterator.all();
        const expected = model(keys.toSorted(), options, target);
        expect(found).toEqual(expected.map((each) => [each, `${each}!`]));
      },
    ),
    { numRuns: 300 },
  );
});

test("a long walk in pieces, forwards and backwards, while others write", async () => {
  const database = inMemory();
  const keys = Array.from({ length: 2000 }, (_, at) => String(at).padStart(6, "0"));
  await database.batch(keys.map((each) => ({ type: "put", key: each, value: each.repeat(20) })));
  for (const reverse of [false, true]) {
    const iterator = database.iterator({ reverse });
    const found: string[] = [];
    for (let size = 1; ; size = (size * 3) % 700) {
      const some = await iterator.nextv(Math.max(1, size));
      if (some.length === 0) break;
      found.push(...some.map(([each]) => each));
      await database.batch([
        { type: "del", key: keys[(found.length * 7) % keys.length]! },
        { type: "put", key: `new ${found.length}`, value: "" },
      ]);
    }
    await iterator.close();
    expect(found).toEqual(reverse ? keys.toReversed() : keys);
    await database.clear();
    await database.batch(keys.map((each) => ({ type: "put", key: each, value: each })));
  }
});

test("a seek counts with what was read before it towards the limit", async () => {
  const database = inMemory();
  await database.batch(
    ["a", "b", "c", "d"].map((each) => ({ type: "put", key: each, value: each })),
  );
  const iterator = database.keys({ limit: 3 });
  expect(await iterator.next()).toBe("a");
  expect(await iterator.next()).toBe("b");
  iterator.seek("a");
  expect(await iterator.next()).toBe("a");
  expect(await iterator.next()).toBeUndefined();
  await iterator.close();
});

test("what an iterator gives is the reader's own", async () => {
  const database = inMemory<Uint8Array, Uint8Array>({ keyEncoding: "view", valueEncoding: "view" });
  await database.put(Uint8Array.of(1), Uint8Array.of(2));
  const [[key, value]] = (await database.iterator().all()) as [[Uint8Array, Uint8Array]];
  expect([key.buffer.byteLength, value.buffer.byteLength]).toEqual([1, 1]);
  key[0] = 9;
  value[0] = 9;
  expect(await database.get(Uint8Array.of(1))).toEqual(Uint8Array.of(2));
});

test("closed iterators let old values go", async () => {
  const database = inMemory();
  await database.put("a", "1");
  const walks = [database.iterator(), database.keys(), database.values()];
  for (const walk of walks) await walk.next();
  const unread = database.iterator();
  await database.put("a", "2");
  for (const walk of [...walks, unread]) await walk.close();
  expect(database.stats().openSnapshots).toBe(0);
});
