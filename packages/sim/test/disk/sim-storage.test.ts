import { type Disk, createRandom, writeFullyAt } from "@kvs/env";
import { expect, test } from "vitest";

import {
  type DiskFaultKind,
  type DiskVerdict,
  instantContext,
} from "../../src/disk/disk-faults.ts";
import { SimStorage } from "../../src/disk/sim-storage.ts";
import { ManualContext, fateOf, filled, makeFile, makeToyDisk } from "./toy-disk.ts";

test("a clone and its origin do not see each other's changes", async () => {
  const { storage, disk } = makeToyDisk();
  const file = await makeFile(disk, "file", filled(10_000, 1));
  await file.writeAt(filled(10, 2), 0);
  const clone = storage.clone();
  const cloned = clone.attach(instantContext());

  await file.writeAt(filled(5000, 3), 0);
  await disk.unlink("file");
  const clonedFile = await cloned.open("file");
  await clonedFile.writeAt(filled(10, 4), 9990);
  await cloned.open("new", { create: true });

  expect(storage.files()).toEqual([]);
  expect(await file.size()).toBe(10_000);
  expect(clone.files()).toEqual(["file", "new"]);
  const bytes = clone.readFile("file");
  expect([...bytes.subarray(8, 12)]).toEqual([2, 2, 1, 1]);
  expect(bytes[9990]).toBe(4);
  expect(clone.worstCase().readFile("file")).toEqual(filled(10_000, 1));
});

test("a clone keeps what is pending as pending", async () => {
  const { storage, disk } = makeToyDisk();
  const file = await makeFile(disk, "file");
  await file.writeAt(filled(1024, 1), 0);
  const clone = storage.clone();
  await file.datasync();

  expect(clone.pendingSectors()).toBe(2);
  expect(clone.worstCase().readFile("file")).toHaveLength(0);
  expect([...clone.crashImages({ lastSectors: 8 })]).toHaveLength(4);
});

test("the images of a call under way hold any part of its effect", async () => {
  const { storage, disk } = makeToyDisk();
  const file = await makeFile(disk, "file", filled(1024, 1));
  const seen: string[][] = [];
  const observe = (): DiskVerdict | undefined => {
    const images = [...storage.crashImages({ lastSectors: 8 })];
    seen.push(
      images.map((image) =>
        image
          .files()
          .map((path) => [path, image.readFile(path)[0], image.readFile(path)[512]].join())
          .join(" "),
      ),
    );
    return undefined;
  };
  const watched = storage.attach(instantContext(createRandom(1), { onCall: observe }));
  const again = await watched.open("file");
  await again.writeDurableAt(filled(1024, 2), 0);
  await watched.rename("file", "moved");
  await again.truncate(0);
  await again.allocate(0, 512);
  await watched.open("new", { create: true });
  await file.close();

  expect(seen.slice(0, 3)).toEqual([
    ["file,1,1"],
    ["file,1,1", "file,2,1", "file,1,2", "file,2,2"],
    ["file,2,2", "moved,2,2"],
  ]);
  expect(seen[3]).toContain("moved,,");
  expect(seen[4]).toContain("file,0,2");
  expect(seen[5]).toContain("moved,0, new,,");
});

test("a process that dies keeps what was answered", async () => {
  const { storage, disk } = makeToyDisk();
  const file = await makeFile(disk, "file");
  await file.writeAt(filled(100, 1), 0);
  await disk.open("new", { create: true });
  await disk.unlink("file");

  storage.processDied();

  expect(storage.files()).toEqual(["new"]);
  const next = storage.attach(instantContext());
  expect((await next.space("/")).freeBytes).toBe((await next.space("/")).totalBytes);
});

test("an unanswered call of a dead process took effect whole, in part, or not", async () => {
  const seen = new Set<string>();
  for (let seed = 0; seed < 100; seed++) {
    const storage = new SimStorage({ random: createRandom(seed) });
    const verdict: DiskVerdict = { type: "halt" };
    const disk = storage.attach(
      instantContext(createRandom(1), {
        onCall: ({ operation }) => (operation === "open" ? undefined : verdict),
      }),
    );
    const file = await disk.open("file", { create: true });
    const writing = file.writeAt(filled(100, 1), 0);
    const renaming = disk.rename("file", "moved");
    expect(await fateOf(writing)).toBe("waiting");
    storage.processDied(disk);
    const size = storage.readFile(storage.files()[0]!).length;
    seen.add(`${storage.files().join()} ${size === 0 ? "none" : size < 100 ? "part" : "whole"}`);
    expect(await fateOf(renaming)).toBe("waiting");
  }
  expect([...seen].toSorted()).toEqual(
    expect.arrayContaining(["file none", "file part", "moved none", "moved part"]),
  );
});

test("nothing of a dead process happens any more", async () => {
  const storage = new SimStorage({ random: createRandom(1) });
  const context = new ManualContext({ latencyMinMicros: 100 });
  const disk = storage.attach(context);
  const file = await context.wait(disk.open("file", { create: true }));
  const lock = await context.wait(disk.lock("lock"));
  const writing = file.writeAt(filled(10, 1), 0);
  storage.processDied();
  const before = storage.clone();

  const later = [writing, file.writeAt(filled(10, 2), 0), disk.open("x", { create: true })];
  const releasing = lock.release();
  await context.runAll();

  for (const call of [...later, releasing]) expect(await fateOf(call)).toBe("waiting");
  expect(() => file.readAtSync(new Uint8Array(1), 0)).toThrow("DISK_IO");
  expect(storage.files()).toEqual(before.files());
  expect(storage.readFile("file")).toEqual(before.readFile("file"));
});

test("the power may be cut inside a call, and the next process finds an image", async () => {
  const found = new Set<number>();
  for (let seed = 0; seed < 60; seed++) {
    const storage = new SimStorage({ random: createRandom(seed) });
    storage.writeFile("dir/file", filled(512, 1));
    const disk = storage.attach(
      instantContext(createRandom(1), {
        onCall: ({ operation }) => {
          if (operation === "writeAt") storage.crash("subset");
          return undefined;
        },
      }),
    );
    const file = await disk.open("dir/file");
    expect(await fateOf(file.writeAt(filled(512, 2), 0))).toBe("waiting");
    found.add(storage.readFile("dir/file")[0]!);
  }
  expect(found).toEqual(new Set([1, 2]));
});

test("a synchronous read that would never be answered fails", async () => {
  const { disk, verdicts } = makeToyDisk();
  const file = await makeFile(disk, "file", filled(1, 1));
  verdicts.set("readAtSync", { type: "halt" });

  expect(() => file.readAtSync(new Uint8Array(1), 0)).toThrow("DISK_IO");
});

test("after a crash the disk shows an image, and crashing again changes nothing", async () => {
  for (let seed = 0; seed < 30; seed++) {
    const { storage, disk } = makeToyDisk({ random: createRandom(seed) });
    const file = await makeFile(disk, "file", filled(2000, 1));
    await writeFullyAt(file, filled(3000, 2), 1000);
    storage.crash();
    const bytes = storage.readFile("file");

    expect(bytes.subarray(0, 1000)).toEqual(filled(1000, 1));
    expect(storage.pendingSectors()).toBe(0);
    expect(storage.worstCase().readFile("file")).toEqual(bytes);
    storage.crash();
    expect(storage.readFile("file")).toEqual(bytes);
  }
});

test("the same seed gives the same faults, the same images and the same bytes", async () => {
  const run = async (seed: number): Promise<string> => {
    const storage = new SimStorage({ random: createRandom(seed) });
    const log: string[] = [];
    const plan = { shortWrite: 0.3, shortRead: 0.3, writeError: 0.1, bitFlip: 0.1, lostWrite: 0.2 };
    for (let life = 0; life < 5; life++) {
      const random = createRandom(seed + life);
      const countFault = (kind: DiskFaultKind): number => log.push(kind);
      const disk = storage.attach(instantContext(random, { plan, countFault }));
      const file = await disk.open("file", { create: true });
      await disk.syncDirectory("/");
      for (let call = 0; call < 10; call++) {
        const written = await file.writeAt(filled(3000, call), random.below(9000)).catch(String);
        log.push(String(written), String(await file.readAt(new Uint8Array(500), 0)));
        if (random.chance(0.3)) await file.datasync();
      }
      storage.crash();
      log.push(storage.readFile("file").join());
    }
    return log.join("\n");
  };

  expect(await run(1)).toBe(await run(1));
  expect(await run(1)).not.toBe(await run(2));
});

test("cloning and sampling do not shift what the disk itself draws", async () => {
  const finish = async (isWatched: boolean): Promise<string> => {
    const { storage, disk } = makeToyDisk();
    const file = await makeFile(disk, "file");
    await writeFullyAt(file, filled(20_000, 1), 0);
    if (isWatched) {
      storage.clone().crash();
      storage.worstCase();
      storage.sampleCrashImage(createRandom(5));
      for (const image of storage.crashImages({ lastSectors: 3 })) image.crash();
    }
    storage.crash("torn");
    return storage.readFile("file").join();
  };

  expect(await finish(true)).toBe(await finish(false));
});

test("damage at rest is done to what is stored and what is read, and is counted", async () => {
  const told: string[] = [];
  const storage = new SimStorage({
    random: createRandom(1),
    countFault: (kind) => told.push(kind),
  });
  const pages = new Uint8Array(3 * 4096);
  for (const page of [0, 1, 2]) pages.fill(page + 1, page * 4096, (page + 1) * 4096);
  storage.writeFile("file", pages);

  storage.flipBit("file", 8 * 5 + 1);
  storage.zeroSector("file", 1);
  storage.swapPages("file", 1, 2);
  storage.overwrite("file", 4096, filled(10, 9));
  storage.truncateFile("file", 3 * 4096 - 1);

  for (const bytes of [storage.readFile("file"), storage.worstCase().readFile("file")]) {
    expect(bytes[5]).toBe(1 ^ 2);
    expect([...bytes.subarray(511, 513), ...bytes.subarray(1023, 1025)]).toEqual([1, 0, 0, 1]);
    expect([bytes[4095], bytes[4096], bytes[4106], bytes[8192]]).toEqual([1, 9, 3, 2]);
    expect(bytes).toHaveLength(3 * 4096 - 1);
  }
  storage.removeFile("file");
  expect(storage.files()).toEqual([]);
  expect(told).toEqual([
    "disk.bit-flip",
    "disk.zeroed-sector",
    "disk.swapped-pages",
    "disk.overwritten",
    "disk.truncated-file",
    "disk.removed-file",
  ]);
});

test("damage past the end of a file changes nothing", () => {
  const storage = new SimStorage({ random: createRandom(1) });
  storage.writeFile("file", filled(100, 1));

  storage.flipBit("file", 8 * 200);
  storage.zeroSector("file", 5);
  storage.overwrite("file", 300, filled(10, 9));
  storage.truncateFile("file", 300);

  expect(storage.readFile("file")).toEqual(filled(100, 1));
});

test("a removed file is gone for certain, though its name was changed and not synced", async () => {
  const { storage, disk } = makeToyDisk();
  await makeFile(disk, "old", filled(1, 1));
  await disk.rename("old", "file");
  storage.removeFile("file");

  for (const image of storage.crashImages({ lastSectors: 8 })) {
    expect(image.files()).not.toContain("file");
  }
});

test("unreadable ranges fail until they are written, through power cuts too", async () => {
  const storage = new SimStorage({ random: createRandom(1) });
  storage.writeFile("file", filled(5000, 1));
  storage.failReads("file", 100, 612);
  storage.crash();
  const file = await storage.attach(instantContext()).open("file");

  await expect(file.readAt(new Uint8Array(10), 600)).rejects.toMatchObject({ code: "DISK_IO" });
  expect(await file.readAt(new Uint8Array(1000), 0)).toBe(100);
  await file.writeAt(filled(512, 2), 100);
  expect(await file.readAt(new Uint8Array(1000), 0)).toBe(1000);
});

test("a file put there for a test is stored, or refused if it does not fit", async () => {
  const storage = new SimStorage({ random: createRandom(1), totalBytes: 8192 });
  storage.writeFile("a/b/file", filled(5000, 1));
  storage.writeFile("a/b/file", filled(10, 2));

  expect([...storage.worstCase().readFile("a/b/file")]).toEqual([...filled(10, 2)]);
  expect(() => storage.writeFile("big", filled(10_000, 1))).toThrow("DISK_FULL");
  expect(() => storage.readFile("missing")).toThrow("DISK_NOT_FOUND");
});

test("thousands of images of a store are made and recovered from in a moment", async () => {
  const { storage, disk } = makeToyDisk();
  const file = await makeFile(disk, "file", filled(400_000, 1));
  for (let page = 0; page < 8; page++) await file.writeAt(filled(100, 2), page * 40_960);
  let recovered = 0;
  const recover = async (recovering: Disk): Promise<void> => {
    const opened = await recovering.open("file");
    await opened.writeDurableAt(filled(100, 3), 0);
    await opened.close();
    recovered += 1;
  };
  for (let round = 0; round < 10; round++) {
    for (const image of storage.crashImages({ lastSectors: 8 })) {
      await recover(image.attach(instantContext()));
    }
  }

  expect(recovered).toBe(2560);
  expect(storage.readFile("file")[0]).toBe(2);
});
