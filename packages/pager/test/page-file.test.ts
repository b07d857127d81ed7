import { createRandom, isKvsError } from "@kvs/env";
import { type SimStorage } from "@kvs/sim";
import { expect, test } from "vitest";
import { createPageFile, Pager, toPageLsn } from "../src/index.ts";
import { encodeFileHeader } from "../src/file-header.ts";
import { HEADER, PATH, type World, makeWorld, openExisting, openPager } from "./fixture.ts";

/** Every disk a power cut could leave now: the last sectors in every combination, and torn ones. */
function* imagesOf(world: World): Generator<SimStorage> {
  yield* world.storage.crashImages({ lastSectors: 8 });
  const random = createRandom(1);
  for (let count = 0; count < 8; count++) yield world.storage.sampleCrashImage(random);
  yield world.storage.worstCase();
}

function readHeaderOf(storage: SimStorage): ReturnType<typeof Pager.readHeader> {
  return Pager.readHeader(makeWorld({ storage }).environment, PATH);
}

test("a file that does not exist has no header and is not opened", async () => {
  const world = makeWorld();
  expect(await Pager.readHeader(world.environment, PATH)).toBeUndefined();
  await expect(openExisting(world.environment)).rejects.toThrow("DISK_NOT_FOUND");
});

test("a new page file has two copies of its header, and is not made twice", async () => {
  const world = makeWorld();
  const pager = await openPager(world);

  expect(pager.header).toEqual({ ...HEADER, sequence: 1 });
  expect(pager.pageCount).toBe(2);
  await pager.close();
  await expect(createPageFile(world.environment, PATH, HEADER)).rejects.toThrow("DISK_EXISTS");
});

test("a crash at any call while a page file is made leaves none, or a whole one", async () => {
  const world = makeWorld();
  const images: SimStorage[] = [];
  world.onCall = () => void images.push(...imagesOf(world));
  await openPager(world);
  images.push(...imagesOf(world));

  const found = new Set<number | undefined>();
  for (const storage of images) {
    const header = await readHeaderOf(storage);
    if (header !== undefined) expect(header).toEqual({ ...HEADER, sequence: 1 });
    found.add(header?.sequence);
    // What a crash left behind is in nobody's way.
    await (await openPager(makeWorld({ storage }))).close();
  }
  expect(found).toEqual(new Set([1, undefined]));
  expect(await readHeaderOf(world.storage.worstCase())).toBeDefined();
});

test("a page file is made beside the root and in it", async () => {
  const { environment } = makeWorld();
  await createPageFile(environment, "here", HEADER);
  await createPageFile(environment, "/there", HEADER);

  expect(await Pager.readHeader(environment, "/here")).toBeDefined();
  expect(await Pager.readHeader(environment, "there")).toBeDefined();
});

test("a crash at any call of header writes leaves the last answered header, or a later one", async () => {
  const world = makeWorld();
  const pager = await openPager(world);
  let answered = 1;
  const images: { storage: SimStorage; least: number }[] = [];
  world.onCall = () => {
    for (const storage of imagesOf(world)) images.push({ storage, least: answered });
    return undefined;
  };
  for (let sequence = 2; sequence <= 5; sequence++) {
    await pager.writeHeader({ ...HEADER, redoLsn: toPageLsn(sequence * 100) });
    answered = sequence;
  }

  expect(images.length).toBeGreaterThan(2000);
  for (const { storage, least } of images) {
    const header = await readHeaderOf(storage);
    expect(header!.sequence).toBeGreaterThanOrEqual(least);
    expect(header!.sequence).toBeLessThanOrEqual(least + 1);
    expect(header!.redoLsn).toBe(header!.sequence === 1 ? 0 : header!.sequence * 100);
  }
});

test("the sabotage pager.skip-header-sync is caught", async () => {
  const world = makeWorld({ mutants: ["pager.skip-header-sync"] });
  const pager = await openPager(world);
  await pager.writeHeader(HEADER); // answered with sequence 2

  expect((await readHeaderOf(world.storage.worstCase()))!.sequence).toBe(1);
});

test("a header of a process that died unsynced is made durable before the other copy is written", async () => {
  const world = makeWorld();
  const pager = await openPager(world);
  await pager.writeHeader(HEADER);
  // The next one reaches the disk's cache only; then the process dies, not the machine.
  const file = await world.disk.open(PATH);
  await file.writeAt(encodeFileHeader({ ...HEADER, sequence: 3 }), 4096);
  world.storage.processDied();

  const second = makeWorld({ storage: world.storage });
  const again = await openPager(second);
  expect(again.header.sequence).toBe(3);
  const found: number[] = [];
  second.onCall = (call) => {
    if (call.operation !== "writeAt") return undefined;
    for (const storage of imagesOf(second)) images.push(storage);
    return undefined;
  };
  const images: SimStorage[] = [];
  await again.writeHeader(HEADER);
  for (const storage of images) found.push((await readHeaderOf(storage))!.sequence);

  expect(new Set(found)).toEqual(new Set([3, 4]));
});

test("one damaged or unreadable copy is replaced by the other; two are an error", async () => {
  const world = makeWorld();
  const pager = await openPager(world);
  await pager.writeHeader({ ...HEADER, nextTreeId: 99 }); // sequence 2, page 0
  await pager.close();
  const { storage } = world;

  const zeroed = storage.clone();
  zeroed.zeroSector(PATH, 0);
  expect((await readHeaderOf(zeroed))!.sequence).toBe(1);
  const unreadable = storage.clone();
  unreadable.failReads(PATH, 4096, 8192);
  expect((await readHeaderOf(unreadable))!.nextTreeId).toBe(99);
  const swapped = storage.clone();
  swapped.swapPages(PATH, 0, 1);
  await expect(readHeaderOf(swapped)).rejects.toMatchObject({
    code: "PAGER_NO_HEADER",
    details: { path: PATH },
  });
  const short = storage.clone();
  short.truncateFile(PATH, 100);
  await expect(openPager(makeWorld({ storage: short }))).rejects.toThrow("PAGER_NO_HEADER");
});

test("the damaged copy is the next to be written", async () => {
  const world = makeWorld();
  await (await openPager(world)).close();
  world.storage.flipBit(PATH, 8 * 4096 + 77); // the copy with sequence 1

  const pager = await openPager(world);
  expect(pager.header.sequence).toBe(0);
  await pager.writeHeader(HEADER);
  expect(pager.header.sequence).toBe(1);
  world.storage.flipBit(PATH, 77);
  expect((await readHeaderOf(world.storage))!.sequence).toBe(1);
});

test("a file whose header has another file id is refused", async () => {
  const world = makeWorld();
  await world.disk.makeDirectory("db");
  await createPageFile(world.environment, PATH, { ...HEADER, fileId: 8 });

  await expect(openExisting(world.environment)).rejects.toMatchObject({
    code: "PAGER_CORRUPT_PAGE",
    details: { reason: "file-id", expected: 7, found: 8 },
  });
});

test("a full disk while the header is written leaves the header before, and passes", async () => {
  const world = makeWorld();
  const pager = await openPager(world);
  let isFull = true;
  world.onCall = (call) =>
    isFull && call.operation === "writeAt" ? { type: "error", code: "DISK_FULL" } : undefined;

  await expect(pager.writeHeader(HEADER)).rejects.toThrow("DISK_FULL");
  expect(pager.header.sequence).toBe(1);
  expect((await readHeaderOf(world.storage.clone()))!.sequence).toBe(1);
  isFull = false;
  await pager.writeHeader(HEADER);
  expect((await readHeaderOf(world.storage.worstCase()))!.sequence).toBe(2);
});

// REL-W9
test("REL-W9: a failed sync is final, of the header and of pages", async () => {
  for (const call of ["writeHeader", "datasync"] as const) {
    const world = makeWorld();
    const pager = await openPager(world);
    world.onCall = ({ operation }) =>
      operation === "datasync" ? { type: "error", code: "DISK_IO" } : undefined;

    const first = call === "datasync" ? pager.datasync() : pager.writeHeader(HEADER);
    await expect(first).rejects.toThrow("PAGER_WRITE_FAILED");
    world.onCall = undefined;
    await expect(pager.datasync()).rejects.toThrow("PAGER_WRITE_FAILED");
    expect(pager.error).toMatchObject({ code: "PAGER_WRITE_FAILED" });
    await pager.close();
  }
});

test("the file grows ahead, by a share of its size", async () => {
  const pager = await openPager(makeWorld());
  await pager.grow(1);
  expect(pager.pageCount).toBe(18);
  await pager.grow(1000);
  expect(pager.pageCount).toBe(1018);
  await pager.grow(1);
  expect(pager.pageCount).toBe(1018 + 63);
  await Promise.all([pager.grow(5), pager.grow(6), pager.grow(1)]);
  expect(pager.pageCount).toBe(1081 + 67); // one step was enough for all
  await pager.close();
});

test("a growing file survives a power cut with its new length", async () => {
  const world = makeWorld();
  const pager = await openPager(world);
  await pager.grow(100);

  const again = await openPager(makeWorld({ storage: world.storage.worstCase() }));
  expect(again.pageCount).toBe(102);
});

test("REL-W11: a full disk stops growth without harm; less may still fit", async () => {
  const world = makeWorld();
  const pager = await openPager(world);
  let fits = 5;
  world.onCall = (call) =>
    call.operation === "allocate" && call.bytes! > fits * 4096
      ? { type: "error", code: "DISK_FULL" }
      : undefined;

  await pager.grow(5);
  expect(pager.pageCount).toBe(7);
  fits = 0;
  await expect(pager.grow(1)).rejects.toMatchObject({
    code: "DISK_FULL",
    retryable: true,
    outcome: "none",
  });
  expect(pager.pageCount).toBe(7);
  expect(pager.error).toBeUndefined();
  fits = 1000;
  await pager.grow(1);
  expect(pager.pageCount).toBe(23);
});

test("a failed sync of growth is final", async () => {
  const world = makeWorld();
  const pager = await openPager(world);
  world.onCall = ({ operation }) =>
    operation === "allocate" ? { type: "error", code: "DISK_IO" } : undefined;

  await expect(pager.grow(1)).rejects.toThrow("PAGER_WRITE_FAILED");
  expect(isKvsError(pager.error, "PAGER_WRITE_FAILED")).toBe(true);
});

// REL-P13
test("REL-P13: a file has no more pages than page ids", async () => {
  const pager = await openPager(makeWorld());
  await expect(pager.grow(2 ** 32)).rejects.toMatchObject({
    code: "PAGER_FILE_FULL",
    details: { path: PATH, pages: 2 },
  });
});
