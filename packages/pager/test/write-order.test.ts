import { type Disk, type File, createRandom, shuffle } from "@kvs/env";
import { expect, test } from "vitest";
import { toPageId, toPageLsn } from "../src/index.ts";
import { CountingLog, type World, makeWorld, openPager, readPage, writePage } from "./fixture.ts";

/** Where writes began, in order, and how many pages each had. */
function watchWrites(world: World): { first: number; count: number }[] {
  const writes: { first: number; count: number }[] = [];
  world.onCall = ({ operation, position, bytes }) => {
    if (operation === "writeAt") writes.push({ first: position! / 4096, count: bytes! / 4096 });
    return undefined;
  };
  return writes;
}

test("a checkpoint writes in the order of the file, whatever the order of the changes; measured: pages a write", async () => {
  const shapes = [
    { name: "a loaded range", spread: 1, most: 0.05 },
    { name: "every other page", spread: 2, most: 1 },
  ];
  for (const { spread, most } of shapes) {
    const world = makeWorld();
    const pager = await openPager(world, { frames: 1400 });
    await pager.grow(2 * 1024);
    const ids = Array.from({ length: 600 }, (_, at) => 2 + at * spread);
    shuffle(createRandom(1), ids);
    for (const id of ids) await writePage(pager, toPageId(id), id);
    const writes = watchWrites(world);
    await pager.flushBefore(toPageLsn(1));

    for (let at = 1; at < writes.length; at++) {
      expect(writes[at]!.first).toBeGreaterThan(writes[at - 1]!.first);
    }
    expect(writes.reduce((sum, { count }) => sum + count, 0)).toBe(600);
    expect(writes.length / 600).toBeLessThanOrEqual(most);
    await pager.close();
  }
});

test("the background goes round the file like a lift", async () => {
  const world = makeWorld();
  const pager = await openPager(world, { frames: 200 });
  await pager.grow(20_000);
  const random = createRandom(2);
  const writes = watchWrites(world);
  for (let step = 0; step < 3000; step++) {
    await writePage(pager, toPageId(2 + random.below(20_000)), step, toPageLsn(step + 1));
  }
  let turns = 0;
  for (let at = 1; at < writes.length; at++) {
    if (writes[at]!.first < writes[at - 1]!.first) turns++;
  }
  expect(writes.length).toBeGreaterThan(2000);
  expect(turns).toBeLessThan(60); // each round takes 50 pages or more
  await pager.close();
});

test("with a slow disk the dirty share stays within its bound, however fast pages change", async () => {
  const world = makeWorld({ seed: 3 });
  const slow = new SlowDisk(world);
  const pager = await openPager(slow.world, { frames: 64 });
  await pager.grow(1000);
  const random = createRandom(1);
  let most = 0;
  const writer = async (): Promise<void> => {
    for (let step = 0; step < 150; step++) {
      const id = toPageId(2 + random.below(1000));
      await writePage(pager, id, id, toPageLsn(step + 1));
      most = Math.max(most, pager.stats().dirtyFrames);
    }
  };
  await Promise.all([writer(), writer(), writer()]);

  expect(slow.writes).toBeGreaterThan(100);
  expect(most).toBeGreaterThan(32); // the disk was too slow for half
  expect(most).toBeLessThanOrEqual(48 + 1); // three quarters, and the change under way
  await pager.close();
});

/** A disk whose writes take twenty turns each. */
class SlowDisk {
  writes = 0;
  readonly world: World;

  constructor(world: World) {
    const { disk } = world.environment;
    const open = async (...args: Parameters<Disk["open"]>): Promise<File> => {
      const file = await disk.open(...args);
      const writeAt = async (source: Uint8Array, position: number): Promise<number> => {
        this.writes++;
        for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
        return file.writeAt(source, position);
      };
      return new Proxy(file, {
        get: (target, name) => {
          if (name === "writeAt") return writeAt;
          const value: unknown = Reflect.get(target, name);
          return typeof value === "function" ? (value.bind(target) as unknown) : value;
        },
      });
    };
    const slow = new Proxy(disk, {
      get: (target, name) => {
        if (name === "open") return open;
        const value: unknown = Reflect.get(target, name);
        return typeof value === "function" ? (value.bind(target) as unknown) : value;
      },
    });
    this.world = { ...world, environment: { ...world.environment, disk: slow } };
  }
}

/** Changes more pages than there are frames, with a log that takes its time; then reads them all. */
async function changeAndReadBack(world: World, frames: number): Promise<number> {
  const log = new CountingLog(() => new Promise(setImmediate));
  const pager = await openPager(world, { frames, gate: log });
  await pager.grow(100);
  const words = new Map<number, number>();
  const random = createRandom(frames);
  for (let step = 1; step <= 400; step++) {
    const id = toPageId(2 + random.below(60));
    words.set(id, step);
    await writePage(pager, id, step, log.append());
  }
  let wrong = 0;
  for (const [id, word] of words) {
    const found = await readPage(pager, toPageId(id)).catch(() => -1);
    if (found !== word) wrong++;
  }
  await pager.close();
  return wrong;
}

// REL-P12
test("REL-P12: with 4 to 16 frames no page is evicted that is dirty, or before its log is durable", async () => {
  for (let frames = 4; frames <= 16; frames++) {
    const world = makeWorld({ seed: frames });
    expect(await changeAndReadBack(world, frames)).toBe(0);
  }
});

test("the sabotage pager.evict-dirty is caught", async () => {
  const world = makeWorld({ mutants: ["pager.evict-dirty"] });

  expect(await changeAndReadBack(world, 4)).toBeGreaterThan(0);
});
