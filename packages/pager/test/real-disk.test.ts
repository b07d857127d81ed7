import { createNodeEnvironment } from "@kvs/node";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { createPageFile, toPageId, toPageLsn, verifyPages } from "../src/index.ts";
import { HEADER, openExisting, readPage, readPageSync, writePage } from "./fixture.ts";

test("pages are kept on a real disk, with frames for a tenth of them", async () => {
  const root = await mkdtemp(join(tmpdir(), "kvs-pager-"));
  onTestFinished(() => rm(root, { recursive: true }));
  const environment = createNodeEnvironment({ root });
  await environment.disk.makeDirectory("db");
  await createPageFile(environment, "db/pages", HEADER);
  const pager = await openExisting(environment, { frames: 20 });
  await pager.grow(200);
  for (let id = 2; id < 202; id++) await writePage(pager, toPageId(id), id);
  await pager.flushBefore(toPageLsn(1));
  await pager.datasync();
  await pager.writeHeader({ ...HEADER, isClean: true });
  await pager.close();

  const again = await openExisting(environment, { frames: 20 });
  expect(again.header.isClean).toBe(true);
  const words = await Promise.all(
    Array.from({ length: 200 }, (_, at) => readPage(again, toPageId(2 + at))),
  );
  expect(words).toEqual(Array.from({ length: 200 }, (_, at) => 2 + at));
  for (let id = 2; id < 202; id += 7) expect(readPageSync(again, toPageId(id))).toBe(id);
  await again.close();
  expect(await verifyPages(environment, "db/pages")).toMatchObject({ problemCount: 0 });
});
