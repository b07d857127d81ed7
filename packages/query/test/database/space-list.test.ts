import { encodeDocument, encodeKey } from "@kvs/codec";
import { expect, test } from "vitest";
import { SpaceList } from "../../src/database/space-list.ts";
import { SPACE_LIST, rowKey } from "../../src/database/rows.ts";
import { codeIs, newStorage, withRows } from "./fixture.ts";

test("a hundred concurrent first writes make one space", async () => {
  await withRows(newStorage(), async (rows) => {
    const lists = [new SpaceList(rows), new SpaceList(rows)];
    const made = await Promise.all(
      Array.from({ length: 100 }, async (_, at) =>
        lists[at % 2]!.ensure("app", "collection", "things"),
      ),
    );
    expect(new Set(made)).toEqual(new Set([16]));
    expect(await lists[0]!.collections("app")).toEqual(["things"]);
  });
});

test("different spaces have different numbers, which last", async () => {
  const storage = newStorage();
  const names = Array.from({ length: 40 }, (_, at) => `c-${String(at).padStart(2, "0")}`);
  const made = await withRows(storage, async (rows) => {
    const list = new SpaceList(rows);
    return Promise.all(names.map(async (name) => list.ensure("app", "collection", name)));
  });
  expect(new Set(made).size).toBe(names.length);
  await withRows(storage, async (rows) => {
    const list = new SpaceList(rows);
    for (const [at, name] of names.entries()) {
      expect(await list.find("app", "collection", name)).toBe(made[at]);
      expect(list.find("app", "collection", name)).toBe(made[at]);
    }
    expect(await list.collections("app")).toEqual(names);
    expect(await list.ensure("app", "kv", "")).toBe(Math.max(...made) + 1);
  });
});

test("databases and kinds are told apart; what was never written to has no space", async () => {
  await withRows(newStorage(), async (rows) => {
    const list = new SpaceList(rows);
    expect(await list.databases()).toEqual([]);
    const made = [
      await list.ensure("b", "kv", ""),
      await list.ensure("a", "kv", ""),
      await list.ensure("a", "collection", "x"),
      await list.ensure("ab", "collection", "x"),
    ];
    expect(new Set(made).size).toBe(4);
    expect(await list.databases()).toEqual(["a", "ab", "b"]);
    expect(await list.collections("a")).toEqual(["x"]);
    expect(await list.collections("b")).toEqual([]);
    expect(await list.find("b", "collection", "x")).toBeUndefined();
  });
});

test("a damaged list is a typed error", async () => {
  await withRows(newStorage(), async (rows, store) => {
    const key = rowKey(SPACE_LIST, encodeKey(["app", "kv", ""]));
    for (const value of [{ space: 3 }, { space: "x" }, {}, [1]]) {
      await store.batch([{ type: "put", key, value: encodeDocument(value) }]);
      const list = new SpaceList(rows);
      await expect(list.find("app", "kv", "")).rejects.toMatchObject(
        codeIs("QUERY_DAMAGED_ROW") as object,
      );
    }
  });
});
