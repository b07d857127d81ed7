import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createRandom } from "@kvs/env";
import { createNodeEnvironment } from "@kvs/node";
import { BTree } from "../src/btree.ts";
import { drawKey, drawValue } from "./test-tree.ts";

test("a map on a real disk agrees with a model after each reopening", async () => {
  const root = await mkdtemp(join(tmpdir(), "kvs-btree-"));
  try {
    const environment = createNodeEnvironment({ root });
    await BTree.createFile(environment, "map");
    await (await BTree.create(await BTree.openPager(environment, "map"))).flush();
    const random = createRandom(4);
    const model = new Map<string, Uint8Array>();
    for (let life = 0; life < 4; life++) {
      const pager = await BTree.openPager(environment, "map", 64 << 10);
      const tree = await BTree.open(pager);
      for (let step = 0; step < 300; step++) {
        const key = drawKey(random);
        const value = drawValue(random, key.length);
        const name = Buffer.from(key).toString("hex");
        if (value === undefined) {
          expect(await tree.delete(key)).toBe(model.delete(name));
        } else {
          await tree.put(key, value);
          model.set(name, value);
        }
      }
      await tree.flush();
      for await (const { key, value } of tree.scan()) {
        const expected = model.get(Buffer.from(key).toString("hex"))!;
        expect(Buffer.compare(value, expected)).toBe(0);
      }
      expect(await tree.check()).toMatchObject({ findings: [], rows: model.size });
      await pager.close();
    }
  } finally {
    await rm(root, { recursive: true });
  }
});
