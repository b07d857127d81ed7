import { yieldTurn } from "@kvs/env";
import {
  NO_PAGE,
  PAGE_OVERFLOW,
  type PageId,
  PageView,
  Pager,
  createPageFile,
  formatPage,
  noLog,
  toPageId,
  toPageLsn,
} from "@kvs/pager";
import { InstantWorld } from "@kvs/sim";
import { expect, test } from "vitest";

import { newStorage } from "./fixture.ts";

test("a merge needs four pages at once; with four frames it gets them, whoever else reads", async () => {
  const world = new InstantWorld(newStorage(), { answers: "in-turn", turnsMax: 20_000 });
  await world.run(async (environment) => {
    const { disk } = environment;
    await disk.makeDirectory("store");
    await createPageFile(environment, "store/pages.kvs", {
      storeId: [1, 2],
      fileId: 7,
      checkpointLsn: toPageLsn(0),
      redoLsn: toPageLsn(0),
      catalogRoot: NO_PAGE,
      regionCount: 0,
      epoch: 0,
      publishedTimestamp: 0,
      nextTreeId: 1,
      isClean: true,
    });
    const pager = await Pager.open(environment, {
      path: "store/pages.kvs",
      memoryBytes: 4 * 4096,
      gate: noLog,
      fileId: 7,
      epoch: 1,
    });
    await pager.grow(12);
    const pages = Array.from({ length: 8 }, (_, at) => toPageId(3 + at));
    const view = new PageView();
    for (const page of pages) {
      await pager.attempt(() => {
        pager.requireFrames(1);
        const frame = pager.create(page, view);
        formatPage(view, page, PAGE_OVERFLOW);
        pager.dirtied(frame, toPageLsn(1));
      });
    }
    await pager.flushBefore(toPageLsn(1));

    const merging = { isDone: false };
    const merge = pager
      .attempt(() => {
        for (const page of pages.slice(0, 4)) pager.fetch(page, view);
      })
      .then(() => {
        merging.isDone = true;
      });
    const read = async (page: PageId): Promise<void> => {
      while (!merging.isDone) {
        await pager.attempt(() => void pager.fetch(page, view));
        await yieldTurn(environment.clock);
      }
    };
    await Promise.all([merge, read(pages[5]!), read(pages[6]!)]);

    expect(merging.isDone).toBe(true);
    await pager.close();
  });
});
