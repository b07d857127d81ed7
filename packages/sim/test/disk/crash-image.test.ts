import { createRandom, pick, writeFullyAt } from "@kvs/env";
import { expect, test } from "vitest";

import { type CrashMode, DRAWN_CRASH_MODES } from "../../src/disk/crash-image.ts";
import { type SimStorage } from "../../src/disk/sim-storage.ts";
import { filled, makeFile, makeToyDisk } from "./toy-disk.ts";

/** One digit for each sector of a file: what its first byte is, "?" if it is not uniform. */
function sectorsOf(storage: SimStorage, path: string): string {
  const bytes = storage.readFile(path);
  let text = "";
  for (let from = 0; from < bytes.length; from += 512) {
    const sector = bytes.subarray(from, from + 512);
    text += sector.every((byte) => byte === sector[0]) ? String(sector[0]) : "?";
  }
  return text;
}

function sampled(storage: SimStorage, mode: CrashMode, describe: (image: SimStorage) => string) {
  const seen = new Set<string>();
  for (let seed = 0; seed < 300; seed++) {
    seen.add(describe(storage.sampleCrashImage(createRandom(seed), mode)));
  }
  return [...seen].toSorted();
}

/** A stored file of two sectors "11", then a pending write "22" over the second and one more. */
async function overlappingWrite(): Promise<SimStorage> {
  const { storage, disk } = makeToyDisk();
  const file = await makeFile(disk, "file", filled(1024, 1));
  await writeFullyAt(file, filled(1024, 2), 512);
  return storage;
}

test("a prefix holds the changes in order, the last one cut at a sector", async () => {
  const { storage, disk } = makeToyDisk();
  const file = await makeFile(disk, "file");
  await file.writeAt(filled(1024, 1), 0);
  await file.writeAt(filled(512, 2), 0);
  await file.truncate(512);

  const seen = sampled(storage, "prefix", (image) => sectorsOf(image, "file"));

  expect(seen).toEqual(["", "1", "11", "2", "21"]);
});

test("a subset holds any changes, each one whole", async () => {
  const { storage, disk } = makeToyDisk();
  const file = await makeFile(disk, "file");
  await file.writeAt(filled(1024, 1), 0);
  await file.writeAt(filled(512, 2), 0);
  await file.truncate(512);

  const seen = sampled(storage, "subset", (image) => sectorsOf(image, "file"));

  expect(seen).toEqual(["", "0", "1", "11", "2", "21"]);
});

test("a torn write's sectors are new, old, zeros or garbage", async () => {
  const storage = await overlappingWrite();

  const seen = sampled(storage, "torn", (image) => sectorsOf(image, "file"));

  const states = ["1", "2", "0", "?"].flatMap((middle) =>
    ["", "2", "0", "?"].map((last) => `1${middle}${last}`),
  );
  expect(seen).toEqual(states.toSorted());
});

test("a torn write keeps what is beside its ends", async () => {
  const { storage, disk } = makeToyDisk();
  const file = await makeFile(disk, "file", filled(3000, 1));
  await file.writeAt(filled(1000, 2), 700);

  for (let seed = 0; seed < 200; seed++) {
    const bytes = storage.sampleCrashImage(createRandom(seed), "torn").readFile("file");
    expect(bytes.length).toBe(3000);
    expect(bytes.subarray(0, 700).every((byte) => byte === 1)).toBe(true);
    expect(bytes.subarray(1700).every((byte) => byte === 1)).toBe(true);
  }
});

test("a size may be stored without the data", async () => {
  const storage = await overlappingWrite();

  const seen = sampled(storage, "size-without-data", (image) => sectorsOf(image, "file"));

  expect(seen).toEqual(["11", "110"]);
});

test("garbage is only where nothing was stored", async () => {
  const storage = await overlappingWrite();

  const seen = sampled(storage, "garbage-after-end", (image) => sectorsOf(image, "file"));

  expect(seen).toEqual(["11", "122", "12?"]);
});

test("the worst case holds only what is certain, and `keep-all` everything", async () => {
  const storage = await overlappingWrite();

  expect(sectorsOf(storage.worstCase(), "file")).toBe("11");
  expect(sampled(storage, "worst-case", (image) => sectorsOf(image, "file"))).toEqual(["11"]);
  expect(sampled(storage, "keep-all", (image) => sectorsOf(image, "file"))).toEqual(["122"]);
});

test("names survive in order or in any subset, but a rename is one change", async () => {
  const { storage, disk } = makeToyDisk();
  await makeFile(disk, "current", filled(1, 1));
  await makeFile(disk, "next", filled(1, 2));
  const unsynced = await disk.open("new", { create: true });
  await unsynced.writeDurableAt(filled(1, 3), 0);
  await disk.rename("next", "current");

  const describe = (image: SimStorage) =>
    image
      .files()
      .map((path) => `${path}${image.readFile(path)[0]}`)
      .join(" ");
  const seen = sampled(storage, "subset", describe);

  expect(seen).toEqual(["current1 new3 next2", "current1 next2", "current2", "current2 new3"]);
});

test("a move across directories may keep either half", async () => {
  const { storage, disk } = makeToyDisk();
  await disk.makeDirectory("a");
  await disk.makeDirectory("b");
  await makeFile(disk, "a/file", filled(1, 1));
  await disk.syncDirectory("a");
  await disk.rename("a/file", "b/file");

  const seen = sampled(storage, "subset", (image) => image.files().join(" "));

  expect(seen).toEqual(["", "a/file", "a/file b/file", "b/file"]);
});

test("a directory that half a move left in two places is kept once", async () => {
  const { storage, disk } = makeToyDisk();
  await disk.makeDirectory("a/inner");
  await disk.makeDirectory("b");
  await makeFile(disk, "a/inner/file", filled(1, 1));
  for (const path of ["a", "a/inner"]) await disk.syncDirectory(path);
  await disk.rename("a/inner", "b/inner");

  const seen = sampled(storage, "subset", (image) => image.files().join(" "));

  expect(seen).toEqual(["", "a/inner/file", "b/inner/file"]);
});

test("enumeration gives every subset of the last sectors once, in order", async () => {
  const { storage, disk } = makeToyDisk();
  const file = await makeFile(disk, "file");
  await file.writeAt(filled(512 * 3, 1), 0);

  const images = [...storage.crashImages({ lastSectors: 8 })];

  expect(storage.pendingSectors()).toBe(3);
  expect(images.map((image) => sectorsOf(image, "file"))).toEqual([
    "",
    "1",
    "01",
    "11",
    "001",
    "101",
    "011",
    "111",
  ]);
});

test("with more pending than asked for, the earlier are all lost, then all kept", async () => {
  const { storage, disk } = makeToyDisk();
  const file = await makeFile(disk, "file");
  await file.writeAt(filled(512 * 4, 1), 0);
  await file.writeAt(filled(512, 2), 512 * 2);

  const images = [...storage.crashImages({ lastSectors: 2 })];

  expect(storage.pendingSectors()).toBe(5);
  expect(images.map((image) => sectorsOf(image, "file"))).toEqual([
    "",
    "0001",
    "002",
    "0021",
    "111",
    "1111",
    "112",
    "1121",
  ]);
});

test("names and truncations count as sectors, across files", async () => {
  const { storage, disk } = makeToyDisk();
  const one = await makeFile(disk, "one", filled(600, 1));
  const two = await disk.open("two", { create: true });
  await two.writeAt(filled(600, 2), 0);
  await one.truncate(0);

  const images = [...storage.crashImages({ lastSectors: 4 })];

  expect(storage.pendingSectors()).toBe(4);
  expect(images).toHaveLength(16);
  const sizes = new Set(
    images.map((image) =>
      image
        .files()
        .map((path) => image.readFile(path).length)
        .join(),
    ),
  );
  expect([...sizes].toSorted()).toEqual([
    "0",
    "0,0",
    "0,512",
    "0,600",
    "600",
    "600,0",
    "600,512",
    "600,600",
  ]);
});

test("nothing pending gives one image, and no more than 2^20 are enumerated", async () => {
  const { storage, disk } = makeToyDisk();
  await makeFile(disk, "file", filled(5000, 1));

  expect([...storage.crashImages({ lastSectors: 8 })]).toHaveLength(1);
  expect(() => storage.crashImages({ lastSectors: 21 })).toThrow("at most 20");
});

test("images are of the moment they were asked for", async () => {
  const { storage, disk } = makeToyDisk();
  const file = await makeFile(disk, "file");
  await file.writeAt(filled(512, 1), 0);
  const images = storage.crashImages({ lastSectors: 8 });
  await file.writeDurableAt(filled(1024, 2), 0);

  expect([...images].map((image) => sectorsOf(image, "file"))).toEqual(["", "1"]);
});

/** What is known of one file, byte by byte. */
interface FileModel {
  /** Bytes stored for certain, by position. */
  readonly certain: Map<number, number>;
  /** Every value a byte may have after a crash that adds no garbage. */
  possible: Set<number>[];
  content: number[];
}

interface HostModel {
  readonly files: Map<string, FileModel>;
  /** Names stored for certain. */
  certainNames: Map<string, FileModel>;
}

const NAMES = ["a", "b", "c"];
const LENGTH = 3000;

/** Does random calls to a disk and to a model of what must survive. */
async function randomHistory(seed: number): Promise<{ storage: SimStorage; model: HostModel }> {
  const random = createRandom(seed);
  const { storage, disk } = makeToyDisk();
  const model: HostModel = { files: new Map(), certainNames: new Map() };
  for (let step = 1; step <= 25; step++) {
    const name = pick(random, NAMES);
    const kind = random.below(10);
    if (kind === 0) {
      await disk.syncDirectory("/");
      model.certainNames = new Map(model.files);
      continue;
    }
    if (kind === 1 && model.files.has(name)) {
      const target = pick(random, NAMES);
      await disk.rename(name, target);
      const moved = model.files.get(name)!;
      if (target === name) continue;
      model.files.delete(name);
      model.files.set(target, moved);
      model.certainNames.delete(name);
      model.certainNames.delete(target);
      continue;
    }
    if (kind === 2 && model.files.has(name)) {
      await disk.unlink(name);
      model.files.delete(name);
      model.certainNames.delete(name);
      continue;
    }
    if (!model.files.has(name)) {
      model.files.set(name, { certain: new Map(), possible: [], content: [] });
      model.certainNames.delete(name);
    }
    const file = await disk.open(name, { create: true });
    await changeBoth(file, model.files.get(name)!, { random, step, kind });
    await file.close();
  }
  return { storage, model };
}

async function changeBoth(
  file: Awaited<ReturnType<ReturnType<typeof makeToyDisk>["disk"]["open"]>>,
  model: FileModel,
  draw: { random: ReturnType<typeof createRandom>; step: number; kind: number },
): Promise<void> {
  const { random, step, kind } = draw;
  const from = random.below(LENGTH);
  const to = from + 1 + random.below(LENGTH - from);
  const put = (byte: number): void => {
    for (let at = model.content.length; at < from; at++) setByte(model, at, 0);
    for (let at = from; at < to; at++) setByte(model, at, byte);
  };
  const makeCertain = (start: number, end: number): void => {
    for (let at = start; at < end; at++) {
      model.certain.set(at, model.content[at]!);
      model.possible[at] = new Set([model.content[at]!]);
    }
  };
  if (kind <= 5) {
    await writeFullyAt(file, filled(to - from, step), from);
    put(step);
  } else if (kind === 6) {
    await file.truncate(from);
    for (let at = model.content.length; at < from; at++) setByte(model, at, 0);
    model.content.length = from;
    for (const at of model.certain.keys()) if (at >= from) model.certain.delete(at);
  } else if (kind === 7) {
    await file.datasync();
    model.certain.clear();
    makeCertain(0, model.content.length);
    model.possible.length = model.content.length;
  } else if (kind === 8) {
    await file.writeDurableAt(filled(to - from, step), from);
    put(step);
    makeCertain(from, to);
  } else {
    await file.allocate(from, to);
    put(0);
    makeCertain(from, to);
  }
}

function setByte(model: FileModel, at: number, byte: number): void {
  model.content[at] = byte;
  model.certain.delete(at);
  (model.possible[at] ??= new Set([0])).add(byte).add(0);
}

test("what was stored survives every image, and nothing is invented", async () => {
  for (let seed = 0; seed < 60; seed++) {
    const { storage, model } = await randomHistory(seed);
    const images = [storage.worstCase()];
    for (const mode of DRAWN_CRASH_MODES) {
      images.push(storage.sampleCrashImage(createRandom(seed), mode));
    }
    images.push(...storage.crashImages({ lastSectors: 3 }));
    for (const [index, image] of images.entries()) {
      const paths = image.files();
      expect(paths.every((path) => NAMES.includes(path))).toBe(true);
      for (const [path, known] of model.certainNames) {
        expect(paths).toContain(path);
        checkImage(image.readFile(path), known, index < 3 || index > DRAWN_CRASH_MODES.length);
      }
    }
    expect(storage.files()).toEqual([...model.files.keys()].toSorted());
    for (const [path, known] of model.files) {
      expect([...storage.readFile(path)]).toEqual(known.content);
    }
  }
});

function checkImage(bytes: Uint8Array, known: FileModel, hasNoGarbage: boolean): void {
  let wrong = "";
  for (const [at, byte] of known.certain) {
    if (bytes[at] !== byte) wrong = `byte ${at} is ${bytes[at]}, not ${byte}`;
  }
  if (hasNoGarbage) {
    for (const [at, byte] of bytes.entries()) {
      if (known.possible[at]?.has(byte) !== true) wrong = `byte ${at} is never ${byte}`;
    }
  }
  expect(wrong).toBe("");
}
