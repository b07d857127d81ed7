import { expect, test } from "vitest";
import { forEachSeedAsync } from "@kvs/sim";
import { type PageId, toPageId, toPageLsn } from "../src/index.ts";
import {
  CountingLog,
  changePage,
  makeWorld,
  openPager,
  readPage,
  readPageSync,
  writePage,
} from "./fixture.ts";

test("pages survive eviction, whatever is done in whatever order", async () => {
  await forEachSeedAsync({ seeds: 60, size: 300 }, async ({ random, size, seed }) => {
    const world = makeWorld({ seed });
    const log = new CountingLog();
    const pager = await openPager(world, { frames: 4 + random.below(13), gate: log });
    const pages = 160;
    await pager.grow(pages);
    const model = new Map<PageId, number>();
    for (let step = 0; step < size; step++) {
      const id = toPageId(2 + random.below(pages));
      const word = random.nextUint32();
      const known = model.get(id);
      const action = random.below(5);
      if (known === undefined || action === 0) {
        await writePage(pager, id, word, log.append());
        model.set(id, word);
      } else if (action === 1) {
        await changePage(pager, id, word, log.append());
        model.set(id, word);
      } else if (action === 2) expect(readPageSync(pager, id)).toBe(known);
      else expect(await readPage(pager, id)).toBe(known);
    }
    await pager.flushBefore(toPageLsn(log.endLsn));
    expect(pager.stats().dirtyFrames).toBe(0);
    await pager.datasync();
    await pager.close();

    const again = await openPager(world, { frames: 4 });
    for (const [id, word] of model) expect(await readPage(again, id)).toBe(word);
    await again.close();
  });
});
