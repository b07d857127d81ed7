import { createRandom } from "@kvs/env";
import { expect, test } from "vitest";
import { PAGE_BYTES, type PageView, toPageId, toPageLsn } from "../src/index.ts";
import { writeChecksum } from "../src/page-seal.ts";
import {
  HEADER,
  PATH,
  TestKeys,
  makeWorld,
  openExisting,
  openPager,
  readPageSync,
  writePage,
} from "./fixture.ts";
import { fuzzPages } from "./page-fuzz.ts";

const PAGER_CODE = /^PAGER_(CORRUPT_PAGE|NOT_AUTHENTIC|KEY_UNKNOWN)$/;

// REL-W4
test("of 60,000 changed pages, bitmaps and headers each is a typed error or a right value", () => {
  const tally = fuzzPages({ seed: 1, inputs: 60_000 });

  expect([...tally.values()].reduce((sum, count) => sum + count)).toBe(60_000);
  // All of it was reached, not only the checksum.
  for (const outcome of [
    "checksum",
    "type",
    "lsn",
    "flags",
    "page-id",
    "file-id",
    "short",
    "passed",
    "same",
    "header",
    "no header",
    "PAGER_NOT_AUTHENTIC",
    "PAGER_KEY_UNKNOWN",
    "PAGER_UNKNOWN_VERSION",
  ]) {
    expect(tally.get(outcome), outcome).toBeGreaterThan(0);
  }
});

test("the fuzzer asks a check of bodies for each page that passes, and tells what it finds", () => {
  let asked = 0;
  const check = (page: PageView): string[] => {
    asked++;
    return page.u8[page.base + 64]! % 2 === 0 ? ["an even byte"] : [];
  };
  const tally = fuzzPages({ seed: 2, inputs: 3000, check });
  expect(asked).toBeGreaterThan(100);
  expect(tally.get("refused by the check")).toBeGreaterThan(0);

  const failing = (): string[] => {
    throw new TypeError("a check that cannot take any bytes");
  };
  expect(() => fuzzPages({ seed: 3, inputs: 3000, check: failing })).toThrow(/^seed 3, input \d+$/);
});

test("a pager on a file of changed pages answers with what was written, or with a typed error", async () => {
  const random = createRandom(4);
  for (const keys of [undefined, new TestKeys(1)]) {
    const world = makeWorld();
    const made = await openPager(world, keys === undefined ? {} : { keys });
    await made.grow(20);
    for (let id = 3; id < 20; id++) await writePage(made, toPageId(id), id);
    await made.flushBefore(toPageLsn(1));
    await made.writeHeader(HEADER);
    await made.close();
    const options = keys === undefined ? {} : { keys, onlySealed: true };
    const pager = await openExisting(world.environment, options);
    const good = world.storage.readFile(PATH);
    for (let input = 0; input < 1500; input++) {
      const id = toPageId(3 + random.below(17));
      const page = good.slice(id * PAGE_BYTES, (id + 1) * PAGE_BYTES);
      const at = random.below(random.chance(0.5) ? 64 : PAGE_BYTES);
      page[at] = random.below(256);
      const isMended = random.chance(0.5);
      if (isMended) writeChecksum(page);
      world.storage.overwrite(PATH, id * PAGE_BYTES, page);
      // Of a plain page that somebody mended only the pager's own fields can be judged.
      if (keys === undefined && isMended && at >= 24) continue;
      try {
        expect(readPageSync(pager, id)).toBe(id);
      } catch (error) {
        expect((error as { code?: string }).code).toMatch(PAGER_CODE);
      }
      pager.drop(id);
    }
    await pager.close();
  }
});
