import { expect, test } from "vitest";
import { createRandom, pick, shuffle } from "@kvs/env";
import { NO_PAGE, type PageId, PageView, bitOf, bitmapPageOf, hasBit } from "@kvs/pager";
import { BTree, type ScanOptions } from "../src/btree.ts";
import { type MapEntry } from "../src/load-rows.ts";
import { PATH, createTree, makeWorld, openTree } from "./stand-alone.ts";
import { drawKey, drawValue, utf8 } from "./test-tree.ts";

async function entriesOf(tree: BTree, options: ScanOptions = {}): Promise<MapEntry[]> {
  const entries: MapEntry[] = [];
  for await (const entry of tree.scan(options)) entries.push(entry);
  return entries;
}

function code(name: string): unknown {
  return expect.objectContaining({ code: name });
}

test("a map keeps what was put, over a reopening", async () => {
  const world = makeWorld();
  const tree = await createTree(world);
  for (let at = 0; at < 2000; at++) await tree.put(utf8(`key_${at}`), utf8(`value ${at}`));
  await tree.put(utf8("long"), new Uint8Array(300_000).fill(7));
  expect(await tree.delete(utf8("key_1"))).toBe(true);
  expect(await tree.delete(utf8("key_1"))).toBe(false);
  await tree.put(utf8("key_2"), utf8("other"));
  await tree.flush();

  const again = await openTree(world);

  expect(await again.get(utf8("key_0"))).toEqual(utf8("value 0"));
  expect(await again.get(utf8("key_1"))).toBeUndefined();
  expect(await again.get(utf8("key_2"))).toEqual(utf8("other"));
  expect(await again.get(utf8("long"))).toEqual(new Uint8Array(300_000).fill(7));
  expect(await again.check()).toMatchObject({ findings: [], rows: 2000 });
});

test("a map in four frames agrees with a model, and owns exactly the pages in use", async () => {
  for (let seed = 1; seed <= 4; seed++) {
    const world = makeWorld(seed);
    let tree = await createTree(world, 4);
    const random = createRandom(seed);
    const model = new Map<string, { key: Uint8Array; value: Uint8Array }>();
    for (let step = 0; step < 300; step++) {
      const key =
        random.chance(0.4) && model.size > 0
          ? pick(random, [...model.values()]).key
          : drawKey(random);
      const name = Buffer.from(key).toString("hex");
      const value = drawValue(random, key.length);
      if (value === undefined) expect(await tree.delete(key)).toBe(model.delete(name));
      else {
        await tree.put(key, value);
        model.set(name, { key, value });
      }
      if (step % 100 === 50) {
        await tree.flush();
        tree = await openTree(world, 4);
      }
    }
    const expected = [...model.values()].toSorted((a, b) => Buffer.compare(a.key, b.key));
    expect(await entriesOf(tree)).toEqual(expected);
    expect(await entriesOf(tree, { reverse: true })).toEqual(expected.toReversed());
    for (const { key, value } of expected) expect(await tree.get(key)).toEqual(value);
    expect((await tree.check()).findings).toEqual([]);
    await tree.flush();
    await expectNoLeak(world);
  }
});

/** Every page in use is reached from the root, and every page reached is in use. */
async function expectNoLeak(world: ReturnType<typeof makeWorld>): Promise<void> {
  const pager = await BTree.openPager(world.environment, PATH);
  const tree = await BTree.open(pager);
  const { pages, runs } = await tree.check();
  const owned = new Set<PageId>([...pages, 0 as PageId, 1 as PageId, 2 as PageId]);
  for (const run of runs) {
    for (let page = 0; page < run.count; page++) owned.add((run.first + page) as PageId);
  }
  const used = new Set<PageId>();
  const view = new PageView();
  for (let id = 0 as PageId; id < pager.pageCount; id++) {
    await pager.attempt(() => pager.fetch(bitmapPageOf(id), view));
    if (hasBit(view, bitOf(id))) used.add(id);
  }
  expect(used).toEqual(owned);
  await pager.close();
}

test("an attempt that missed gives back what it had picked", async () => {
  const { environment } = makeWorld();
  await BTree.createFile(environment, PATH);
  const pager = await BTree.openPager(environment, PATH, 4 * 4096);
  const tree = await BTree.create(pager);
  for (let at = 0; at < 400; at++) await tree.put(utf8(`${at}`), new Uint8Array(at * 7));

  const { pages, runs } = await tree.check();

  const owned = pages.length + runs.reduce((sum, run) => sum + run.count, 0);
  expect(pager.space.freePages).toBe(pager.pageCount - owned - 3); // two headers and a bitmap
  expect(pager.stats().evictions).toBeGreaterThan(100);
});

test("a scan respects its bounds, direction and limit", async () => {
  const tree = await createTree(makeWorld());
  for (let at = 0; at < 500; at++) await tree.put(utf8(String(at).padStart(3, "0")), utf8(`${at}`));
  const keys = async (options: ScanOptions): Promise<string[]> =>
    (await entriesOf(tree, options)).map(({ key }) => Buffer.from(key).toString());

  expect(await keys({ gte: utf8("100"), lt: utf8("103") })).toEqual(["100", "101", "102"]);
  expect(await keys({ gte: utf8("100"), lt: utf8("103"), reverse: true })).toEqual([
    "102",
    "101",
    "100",
  ]);
  expect(await keys({ gte: utf8("497x"), limit: 1 })).toEqual(["498"]);
  expect(await keys({ reverse: true, limit: 2 })).toEqual(["499", "498"]);
  expect(await keys({ gte: utf8("3"), lt: utf8("3") })).toEqual([]);
  expect(await keys({ gte: utf8("4"), lt: utf8("3") })).toEqual([]);
  expect(await keys({ limit: 0 })).toEqual([]);
});

test("REL-P7 a scan meets what stays exactly once, while other keys come and go", async () => {
  for (const reverse of [false, true]) {
    const tree = await createTree(makeWorld(), 6);
    const stays = Array.from({ length: 300 }, (_, at) => utf8(String(at * 3).padStart(4, "0")));
    for (const key of stays) await tree.put(key, new Uint8Array(1500));
    const random = createRandom(5);
    const scanning = { isOver: false };
    const churn = (async () => {
      while (!scanning.isOver) {
        const key = utf8(String(random.below(300) * 3 + 1).padStart(4, "0"));
        if (random.chance(0.5)) await tree.put(key, new Uint8Array(random.below(3000)));
        else await tree.delete(key);
      }
    })();

    const seen: string[] = [];
    for await (const { key, value } of tree.scan({ reverse })) {
      const name = Buffer.from(key).toString();
      if (Number(name) % 3 === 0) {
        seen.push(name);
        expect(value).toHaveLength(1500);
      }
    }
    scanning.isOver = true;
    await churn;

    const expected = stays.map((key) => Buffer.from(key).toString());
    expect(seen).toEqual(reverse ? expected.toReversed() : expected);
    expect((await tree.check()).findings).toEqual([]);
  }
});

test("changes of many callers at once happen in their order", async () => {
  const tree = await createTree(makeWorld(), 5);
  const puts: Promise<void>[] = [];
  for (let at = 0; at < 300; at++) puts.push(tree.put(utf8(`key ${at % 7}`), utf8(`${at}`)));
  await Promise.all(puts);

  const values = (await entriesOf(tree)).map(({ value }) => Number(Buffer.from(value)));

  expect(values.toSorted((a, b) => a - b)).toEqual([293, 294, 295, 296, 297, 298, 299]);
});

test("keys and values are copied before a change waits", async () => {
  const tree = await createTree(makeWorld());
  const key = utf8("key");
  const value = utf8("value");
  const done = tree.put(key, value);
  key.fill(0);
  value.fill(0);
  await done;

  expect(await tree.get(utf8("key"))).toEqual(utf8("value"));
});

test("what is too long is refused before anything happens", async () => {
  const tree = await createTree(makeWorld());
  const long = new Uint8Array(1101);

  await expect(tree.put(long, utf8(""))).rejects.toEqual(code("BTREE_KEY_TOO_LARGE"));
  await expect(tree.get(long)).rejects.toEqual(code("BTREE_KEY_TOO_LARGE"));
  await expect(tree.put(utf8("a"), new Uint8Array((64 << 20) + 1))).rejects.toEqual(
    code("BTREE_VALUE_TOO_LARGE"),
  );
  await tree.put(long.subarray(1), utf8("fits"));
  expect(await tree.get(long.subarray(1))).toEqual(utf8("fits"));
});

test("a file that a process left in the middle of changes is refused", async () => {
  const world = makeWorld();
  const tree = await createTree(world);
  await tree.put(utf8("a"), utf8("1"));

  await expect(openTree(world)).rejects.toEqual(code("BTREE_NOT_CLEAN"));
});

test("a file without a tree is told from one with a tree", async () => {
  const world = makeWorld();
  await BTree.createFile(world.environment, PATH);
  const pager = await BTree.openPager(world.environment, PATH);

  expect(pager.header.catalogRoot).toBe(NO_PAGE);
  await expect(BTree.open(pager)).rejects.toEqual(code("BTREE_NO_TREE"));
});

test("a full disk leaves the map as it was, and gives back the pages of the value", async () => {
  const world = makeWorld();
  const tree = await createTree(world, 64);
  await tree.put(utf8("a"), utf8("1"));
  world.onCall = ({ operation }) =>
    operation === "allocate" ? { type: "error", code: "DISK_FULL" } : undefined;

  await expect(tree.put(utf8("b"), new Uint8Array(2_000_000))).rejects.toEqual(code("DISK_FULL"));

  expect(await entriesOf(tree)).toHaveLength(1);
  world.onCall = undefined;
  await tree.put(utf8("b"), new Uint8Array(2_000_000));
  await tree.delete(utf8("b"));
  await tree.flush();
  await expectNoLeak(world);
});

test("a damaged page is an error for what lies in it, and a finding", async () => {
  const world = makeWorld();
  const tree = await createTree(world, 64);
  for (let at = 0; at < 3000; at++) await tree.put(utf8(String(at).padStart(5, "0")), utf8("x"));
  await tree.flush();
  const { pages } = await tree.check();
  world.storage.flipBit(PATH, (pages[3]! * 4096 + 500) * 8);
  const again = await openTree(world, 4);

  const { findings } = await again.check();

  expect(findings.map(({ type, page }) => [type, page])).toContainEqual(["unreadable", pages[3]]);
  await expect(entriesOf(again)).rejects.toEqual(code("PAGER_CORRUPT_PAGE"));
  expect(await again.get(utf8("02999"))).toEqual(utf8("x"));
});

const numbered = (at: number): MapEntry => ({
  key: utf8(String(at).padStart(6, "0")),
  value: at % 100 === 7 ? new Uint8Array(20_000 + at).fill(at) : utf8(`value ${at}`),
});

test("a map is loaded in order, from an iterable or an async one, and goes on as any other", async () => {
  const entries = Array.from({ length: 3000 }, (_, at) => numbered(at));
  async function* slowly(): AsyncGenerator<MapEntry> {
    for (const entry of entries) yield entry;
  }
  for (const source of [entries, slowly()]) {
    const world = makeWorld();
    const tree = await createTree(world, 16);
    expect(await tree.load(source)).toBe(3000);
    await tree.put(utf8("001000x"), utf8("between"));
    expect(await tree.delete(utf8("002000"))).toBe(true);
    await tree.flush();

    const again = await openTree(world, 16);

    expect(await again.check()).toMatchObject({ findings: [], rows: 3000 });
    expect(await again.get(utf8("000107"))).toEqual(numbered(107).value);
    const found = await entriesOf(again, { gte: utf8("000999"), lt: utf8("001002") });
    expect(found.map(({ value }) => new TextDecoder().decode(value))).toEqual([
      "value 999",
      "value 1000",
      "between",
      "value 1001",
    ]);
  }
});

test("a load that fails leaves the map empty, and no page in use", async () => {
  const world = makeWorld();
  const tree = await createTree(world, 16);
  const bad: [string, MapEntry[], string][] = [
    ["out of order", [numbered(2500), numbered(2500)], "BTREE_NOT_SORTED"],
    [
      "a key too long",
      [{ key: new Uint8Array(1101).fill(255), value: utf8("") }],
      "BTREE_KEY_TOO_LARGE",
    ],
    [
      "a value too long",
      [{ key: utf8("z"), value: new Uint8Array((64 << 20) + 1) }],
      "BTREE_VALUE_TOO_LARGE",
    ],
  ];
  for (const [, last, expected] of bad) {
    const entries = [...Array.from({ length: 2000 }, (_, at) => numbered(at)), ...last];
    await expect(tree.load(entries)).rejects.toMatchObject({ code: expected, outcome: "none" });
    expect(await entriesOf(tree)).toEqual([]);
    await tree.flush();
    await expectNoLeak(world);
  }
  await tree.load([numbered(1)]);
  await expect(tree.load([numbered(2)])).rejects.toMatchObject({ code: "BTREE_NOT_EMPTY" });
  expect(await entriesOf(tree)).toHaveLength(1);
});

test("a map that was emptied is loaded without a leak", async () => {
  for (let seed = 1; seed <= 3; seed++) {
    const world = makeWorld(seed);
    const tree = await createTree(world);
    const random = createRandom(seed);
    const keys = new Map<string, Uint8Array>();
    while (keys.size < 600) {
      const key = random.fill(new Uint8Array(1 + random.below(80 * seed)));
      keys.set(Buffer.from(key).toString("hex"), key);
      await tree.put(key, new Uint8Array(random.below(300)));
    }
    for (const key of shuffle(random, [...keys.values()])) await tree.delete(key);
    expect(await tree.load([{ key: utf8("a"), value: utf8("b") }])).toBe(1);
    expect((await tree.check()).findings).toEqual([]);
    await tree.flush();
    await expectNoLeak(world);
  }
});
