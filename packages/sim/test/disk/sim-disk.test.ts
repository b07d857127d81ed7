import { createRandom } from "@kvs/env";
import { expect, test } from "vitest";

import { instantContext } from "../../src/disk/disk-faults.ts";
import { SimStorage } from "../../src/disk/sim-storage.ts";
import { filled, makeFile, makeToyDisk } from "./toy-disk.ts";

test("a name is stored by syncing its directory, and only that", async () => {
  const { storage, disk } = makeToyDisk();
  await disk.makeDirectory("a/b");
  await disk.open("a/b/file", { create: true });
  await disk.syncDirectory("a/b");
  expect(storage.worstCase().files()).toEqual([]);

  await disk.syncDirectory("a");
  await disk.syncDirectory("/");

  expect(storage.worstCase().files()).toEqual(["a/b/file"]);
});

test("a directory's sync covers the changes answered before it was called", async () => {
  const { storage, disk } = makeToyDisk();
  await disk.open("early", { create: true });
  const late = disk.open("late", { create: true });
  await disk.syncDirectory("/");
  await late;

  expect(storage.worstCase().files()).toEqual(["early"]);
  expect(storage.files()).toEqual(["early", "late"]);
});

test("an unlink or rename that is not synced is undone by a power cut", async () => {
  const { storage, disk } = makeToyDisk();
  await makeFile(disk, "one", filled(1, 1));
  await makeFile(disk, "two", filled(1, 2));
  await disk.unlink("one");
  await disk.rename("two", "three");

  const image = storage.worstCase();

  expect(image.files()).toEqual(["one", "two"]);
  expect([...image.readFile("one"), ...image.readFile("two")]).toEqual([1, 2]);
});

test("an unlinked file that is open survives a sync of its directory, not a power cut", async () => {
  const { storage, disk } = makeToyDisk();
  const file = await makeFile(disk, "file", filled(10, 1));
  await disk.unlink("file");
  await disk.syncDirectory("/");

  await file.writeDurableAt(filled(10, 2), 5);

  expect(await file.size()).toBe(15);
  expect(storage.worstCase().files()).toEqual([]);
});

test("a failed sync of a directory is final, and some of its names are lost", async () => {
  const { storage, disk, verdicts } = makeToyDisk();
  const names = Array.from({ length: 20 }, (_, index) => `file-${index}`);
  for (const name of names) await disk.open(name, { create: true });
  verdicts.set("syncDirectory", { type: "error", code: "DISK_IO" });
  const late = disk.open("late", { create: true });
  const failing = disk.syncDirectory("/");
  await late;

  await expect(failing).rejects.toMatchObject({ code: "DISK_SYNC_FAILED", outcome: "unknown" });

  await expect(disk.syncDirectory(".")).rejects.toMatchObject({ code: "DISK_SYNC_FAILED" });
  const kept = storage.worstCase().files();
  expect(kept.length).toBeGreaterThan(0);
  expect(kept.length).toBeLessThan(names.length);
  expect(storage.files()).toHaveLength(21);
  const next = storage.attach(instantContext());
  await next.syncDirectory("/");
  expect(storage.worstCase().files()).toEqual([...kept, "late"].toSorted());
});

test("a lying device forgets the names it was told to store", async () => {
  const { storage, disk, verdicts } = makeToyDisk();
  await disk.open("file", { create: true });
  verdicts.set("syncDirectory", { type: "lose", what: "all" });
  await disk.syncDirectory("/");

  expect(storage.worstCase().files()).toEqual([]);
  expect(storage.stats.faults.get("disk.lost-write")).toBe(1);
});

test("a lock belongs to a living process", async () => {
  const storage = new SimStorage({ random: createRandom(1) });
  const [one, other] = [storage.attach(instantContext()), storage.attach(instantContext())];
  await one.lock("lock");
  await expect(other.lock("lock")).rejects.toMatchObject({
    code: "DISK_LOCKED",
    details: { owner: 1 },
  });
  await expect(other.lock("./lock")).rejects.toMatchObject({ code: "DISK_LOCKED" });

  storage.processDied(one);

  const lock = await other.lock("lock");
  await lock.release();
});

test("locks do not outlive a power cut", async () => {
  const { storage, disk } = makeToyDisk();
  await disk.lock("lock");
  await disk.syncDirectory("/");
  storage.crash();

  await storage.attach(instantContext()).lock("lock");
});

test("a process has a limit of open files", async () => {
  const storage = new SimStorage({ random: createRandom(1) });
  const disk = storage.attach(instantContext(createRandom(1), { plan: { openFilesMax: 2 } }));
  const one = await disk.open("one", { create: true });
  await disk.open("one");
  await expect(disk.open("two", { create: true })).rejects.toMatchObject({
    code: "DISK_TOO_MANY_FILES",
    retryable: true,
  });
  expect(storage.files()).toEqual(["one"]);

  await one.close();

  await disk.open("two", { create: true });
});

test("a verdict fails any call by its code, without effect", async () => {
  const { storage, disk, verdicts } = makeToyDisk();
  await makeFile(disk, "file");
  const failing = {
    open: () => disk.open("new", { create: true }),
    rename: () => disk.rename("file", "other"),
    unlink: () => disk.unlink("file"),
    list: () => disk.list("/"),
    stat: () => disk.stat("file"),
    makeDirectory: () => disk.makeDirectory("directory"),
    removeDirectory: () => disk.removeDirectory("directory"),
    lock: () => disk.lock("lock"),
    space: () => disk.space("/"),
  };
  for (const [operation, call] of Object.entries(failing)) {
    verdicts.set(operation, { type: "error", code: "DISK_IO" });
    await expect(call()).rejects.toMatchObject({ code: "DISK_IO" });
  }
  verdicts.set("open", { type: "error", code: "DISK_FULL" });
  await expect(failing.open()).rejects.toMatchObject({ code: "DISK_FULL" });
  verdicts.set("open", { type: "error", code: "DISK_TOO_MANY_FILES" });
  await expect(failing.open()).rejects.toMatchObject({ code: "DISK_TOO_MANY_FILES" });

  expect(storage.files()).toEqual(["file"]);
  expect(Object.fromEntries(storage.stats.faults)).toEqual({
    "disk.eio-name": 9,
    "disk.full": 1,
    "disk.too-many-files": 1,
  });
});

test("what paths may not do is refused by code", async () => {
  const { disk } = makeToyDisk();
  await disk.makeDirectory("a/b");
  const file = await makeFile(disk, "file");
  const refused: [string, () => Promise<unknown>][] = [
    ["DISK_DENIED", () => disk.open("a")],
    ["DISK_DENIED", () => disk.open("/")],
    ["DISK_EXISTS", () => disk.open("a", { create: "exclusive" })],
    ["DISK_NOT_FOUND", () => disk.open("file/below", { create: true })],
    ["DISK_DENIED", () => disk.unlink("a")],
    ["DISK_DENIED", () => disk.rename("a", "a/b/c")],
    ["DISK_DENIED", () => disk.rename("/", "x")],
    ["DISK_DENIED", () => disk.rename("a/b", "/")],
    ["DISK_DENIED", () => disk.rename("file", "a")],
    ["DISK_DENIED", () => disk.rename("a", "file")],
    ["DISK_NOT_EMPTY", () => disk.rename("a/b", "a")],
    ["DISK_NOT_EMPTY", () => disk.removeDirectory("a")],
    ["DISK_NOT_FOUND", () => disk.removeDirectory("file")],
    ["DISK_DENIED", () => disk.removeDirectory("/")],
    ["DISK_NOT_FOUND", () => disk.list("file")],
    ["DISK_EXISTS", () => disk.makeDirectory("file/x")],
  ];
  for (const [code, call] of refused) await expect(call()).rejects.toMatchObject({ code });

  await disk.makeDirectory("empty");
  await disk.rename("a", "empty");
  expect(await disk.list("/")).toEqual(["empty", "file"]);
  expect(await disk.stat("/")).toEqual({ type: "directory", sizeBytes: 0 });
  await file.close();
});

test("a path is read from the root, with or without a slash, dots and all", async () => {
  const { disk } = makeToyDisk();
  await disk.makeDirectory("/a//b/");
  const file = await disk.open("./a/../a/b/file", { create: true });

  expect(file.path).toBe("./a/../a/b/file");
  expect(await disk.list("a/b")).toEqual(["file"]);
  expect(await disk.stat("/../a/b/file")).toMatchObject({ type: "file" });
});
