import { noTrace } from "@kvs/env";
import { chmod, mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { NodeDisk } from "../src/node-disk.ts";
import { tempFolder } from "./temp-folder.ts";

async function tempDisk(): Promise<{ disk: NodeDisk; folder: string }> {
  const folder = await tempFolder();
  return { disk: new NodeDisk(folder, noTrace), folder };
}

test("relative paths start at the root, absolute ones stay", async () => {
  const { disk, folder } = await tempDisk();
  await disk.makeDirectory("a/b");
  const file = await disk.open("a/b/c", { create: true });
  await file.writeAt(new Uint8Array([1, 2]), 0);
  await file.close();

  expect(await disk.stat(join(folder, "a/b/c"))).toEqual({ type: "file", sizeBytes: 2 });
  expect([...(await readFile(join(folder, "a/b/c")))]).toEqual([1, 2]);
});

test("what it makes belongs to its user alone", async () => {
  const { disk, folder } = await tempDisk();
  await disk.makeDirectory("data");
  await (await disk.open("data/file", { create: true })).close();

  expect((await stat(join(folder, "data"))).mode & 0o077).toBe(0);
  expect((await stat(join(folder, "data/file"))).mode & 0o077).toBe(0);
});

test("errors carry code, path and the system's name, and say what to do", async () => {
  const { disk } = await tempDisk();
  await expect(disk.open("missing")).rejects.toMatchObject({
    code: "DISK_NOT_FOUND",
    outcome: "none",
    retryable: false,
    details: { path: "missing", operation: "open", errno: "ENOENT" },
    message: expect.stringMatching(/^DISK_NOT_FOUND: cannot open "missing" \(ENOENT\); .+check/),
  });
  await (await disk.open("file", { create: true })).close();
  await expect(disk.open("file", { create: "exclusive" })).rejects.toMatchObject({
    code: "DISK_EXISTS",
  });
  await expect(disk.open("file/below")).rejects.toMatchObject({ code: "DISK_NOT_FOUND" });
  await expect(disk.list("file")).rejects.toMatchObject({ code: "DISK_NOT_FOUND" });
});

test("a directory is no file, however it is opened", async () => {
  const { disk } = await tempDisk();
  await disk.makeDirectory("directory");
  await expect(disk.open("directory")).rejects.toMatchObject({ code: "DISK_DENIED" });
  await expect(disk.open("directory", { readOnly: true })).rejects.toMatchObject({
    code: "DISK_DENIED",
  });
});

test.skipIf(process.getuid?.() === 0)("a forbidden file is DISK_DENIED", async () => {
  const { disk, folder } = await tempDisk();
  await writeFile(join(folder, "secret"), "x");
  await chmod(join(folder, "secret"), 0);
  await expect(disk.open("secret")).rejects.toMatchObject({ code: "DISK_DENIED" });
});

test.skipIf(process.platform !== "linux")("a file system that refuses names says so", async () => {
  const { disk } = await tempDisk();
  const details = { path: "/proc/kvs/below" };
  await expect(disk.makeDirectory("/proc/kvs/below")).rejects.toMatchObject({ details });
  await expect(disk.rename("/sys/kernel", "/sys/other")).rejects.toMatchObject({
    code: expect.stringMatching(/^DISK_(DENIED|READ_ONLY)$/),
  });
});

test("a rename that cannot be, leaves both names", async () => {
  const { disk, folder } = await tempDisk();
  await mkdir(join(folder, "full/inner"), { recursive: true });
  await mkdir(join(folder, "other"));
  await expect(disk.rename("other", "full")).rejects.toMatchObject({ code: "DISK_NOT_EMPTY" });
  expect(await disk.list(".")).toEqual(["full", "other"]);
});

test("space is told for the file system of a path", async () => {
  const { disk } = await tempDisk();
  const space = await disk.space(".");
  expect(space.totalBytes).toBeGreaterThan(1 << 20);
  expect(space.freeBytes).toBeLessThanOrEqual(space.totalBytes);
  await expect(disk.space("missing")).rejects.toMatchObject({ code: "DISK_NOT_FOUND" });
});

test("a directory is synced; a missing one is not", async () => {
  const { disk } = await tempDisk();
  await disk.makeDirectory("data");
  await disk.syncDirectory("data");
  await disk.syncDirectory(".");
  await expect(disk.syncDirectory("missing")).rejects.toMatchObject({ code: "DISK_NOT_FOUND" });
});

test.skipIf(process.platform !== "linux")(
  "a directory whose sync failed is never synced again",
  async () => {
    const { disk } = await tempDisk();
    const failed = expect.objectContaining({ code: "DISK_SYNC_FAILED", outcome: "unknown" });
    await expect(disk.syncDirectory("/proc")).rejects.toEqual(failed); // it cannot be synced
    await expect(disk.syncDirectory("/proc")).rejects.toMatchObject({
      code: "DISK_SYNC_FAILED",
      outcome: "none",
      cause: failed,
    });
  },
);
