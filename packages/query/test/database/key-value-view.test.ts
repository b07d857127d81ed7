import { expect, test } from "vitest";
import { codeIs, collect, newStorage, withDatabase } from "./fixture.ts";

test("options out of their range are refused, and nothing happens", async () => {
  await withDatabase(newStorage(), async ({ kv }) => {
    const refused = codeIs("BAD_OPTION") as object;
    for (const ifVersion of [-1, 0.5, Number.NaN]) {
      await expect(kv.put("key", 1, { ifVersion })).rejects.toMatchObject(refused);
      await expect(kv.delete("key", { ifVersion })).rejects.toMatchObject(refused);
    }
    for (const ttlMs of [0, 0.5, 2 ** 41]) {
      await expect(kv.put("key", 1, { ttlMs })).rejects.toMatchObject(refused);
      const batch = kv.batch([{ type: "put", key: "key", value: 1, ttlMs }]);
      await expect(batch).rejects.toMatchObject(refused);
    }
    await expect(collect(kv.scan({ limit: -1 }))).rejects.toMatchObject(refused);
    const many = Array.from({ length: 100_001 }, (_, key) => ({ type: "delete" as const, key }));
    await expect(kv.batch(many)).rejects.toMatchObject(codeIs("BATCH_TOO_LARGE") as object);
    expect(await collect(kv.scan())).toEqual([]);
  });
});

test("an empty batch answers the newest version, and makes none", async () => {
  await withDatabase(newStorage(), async ({ kv }) => {
    const { version } = await kv.put("key", 1);
    expect(await kv.batch([])).toEqual({ version });
    expect(await kv.batch([{ type: "delete", key: "key" }])).not.toEqual({ version });
    expect(await kv.get("key")).toBeUndefined();
  });
});

test("conditions on what was never there", async () => {
  await withDatabase(newStorage(), async ({ kv }) => {
    const mismatch = codeIs("VERSION_MISMATCH") as object;
    expect(await kv.delete("key", { ifVersion: 0 })).toBe(false);
    await expect(kv.delete("key", { ifVersion: 1 })).rejects.toMatchObject(mismatch);
    await expect(kv.put("key", 1, { ifVersion: 1 })).rejects.toMatchObject(mismatch);
    expect(await kv.getEntry("key")).toBeUndefined();
    await kv.put("key", 1, { ifVersion: 0 });
    expect(await kv.delete("other", { ifVersion: 0 })).toBe(false);
    await expect(kv.delete("other", { ifVersion: 1 })).rejects.toMatchObject(mismatch);
  });
});
