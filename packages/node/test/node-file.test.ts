import {
  AssertionFailure,
  type File,
  type TraceFields,
  createRandom,
  noTrace,
  readFullyAt,
  readFullyAtSync,
  writeFullyAt,
} from "@kvs/env";
import { readdirSync, readlinkSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { NodeDisk } from "../src/node-disk.ts";
import { tempFolder } from "./temp-folder.ts";

const isLinux = process.platform === "linux";

async function tempFile(): Promise<{ disk: NodeDisk; folder: string; file: File }> {
  const folder = await tempFolder();
  const disk = new NodeDisk(folder, noTrace);
  return { disk, folder, file: await disk.open("file", { create: true }) };
}

test("bytes are read back, and a gap reads as zeros", async () => {
  const { file } = await tempFile();
  const written = createRandom(3).fill(new Uint8Array(10_000));
  await writeFullyAt(file, written, 5000);

  const target = new Uint8Array(20_000).fill(7);
  expect(await readFullyAt(file, target, 0)).toBe(15_000);
  expect(target.subarray(0, 5000)).toEqual(new Uint8Array(5000));
  expect(Buffer.compare(target.subarray(5000, 15_000), written)).toBe(0);
  expect(readFullyAtSync(file, target, 5000)).toBe(10_000);
  expect(Buffer.compare(target.subarray(0, 10_000), written)).toBe(0);
  expect(await file.size()).toBe(15_000);
  expect(await file.readAt(target, 15_000)).toBe(0);
  expect(file.readAtSync(target, 2 ** 40)).toBe(0);
  await file.close();
});

test("durable writes go to the same bytes, also after the name changed or went", async () => {
  const { disk, folder, file } = await tempFile();
  await disk.rename("file", "renamed");
  await file.writeDurableAt(new Uint8Array([1, 2, 3]), 4);
  expect([...(await readFile(join(folder, "renamed")))]).toEqual([0, 0, 0, 0, 1, 2, 3]);

  await disk.unlink("renamed");
  await file.writeDurableAt(new Uint8Array([9]), 0);
  const target = new Uint8Array(7);
  await file.readAt(target, 0);
  expect([...target]).toEqual([9, 0, 0, 0, 1, 2, 3]);
  expect(await disk.list(".")).toEqual([]);
  await file.close();
});

test("long durable writes arrive whole", async () => {
  const { file } = await tempFile();
  const written = createRandom(4).fill(new Uint8Array(3_000_000));
  await file.writeDurableAt(written, 17);
  const target = new Uint8Array(3_000_000);
  await readFullyAt(file, target, 17);
  expect(Buffer.compare(target, written)).toBe(0);
  await file.close();
});

test("two durable writes at a time are a bug", async () => {
  const { file } = await tempFile();
  const first = file.writeDurableAt(new Uint8Array(1), 0);
  expect(() => file.writeDurableAt(new Uint8Array(1), 0)).toThrow(AssertionFailure);
  await first;
  await file.writeDurableAt(new Uint8Array(1), 0);
  await file.close();
});

test("allocating writes zeros over what was there, and lengthens", async () => {
  const { file } = await tempFile();
  await writeFullyAt(file, new Uint8Array(100).fill(5), 0);
  await file.allocate(50, 2_500_000);
  expect(await file.size()).toBe(2_500_000);
  const target = new Uint8Array(2_500_000).fill(9);
  await readFullyAt(file, target, 0);
  expect(target.subarray(0, 50).every((byte) => byte === 5)).toBe(true);
  expect(target.subarray(50).every((byte) => byte === 0)).toBe(true);
  await file.allocate(10, 10);
  await file.close();
});

test("many syncs at once are all answered", async () => {
  const { file } = await tempFile();
  for (let round = 0; round < 20; round++) {
    const writes = Array.from({ length: 20 }, (_, at) =>
      file.writeAt(new Uint8Array([round]), at).then(() => file.datasync()),
    );
    await Promise.all([...writes, file.datasync(), file.datasync()]);
  }
  await file.close();
});

test("a read-only file refuses every change and stays readable", async () => {
  const { disk, file } = await tempFile();
  await file.writeAt(new Uint8Array([1]), 0);
  await file.close();
  const readOnly = await disk.open("file", { readOnly: true });
  const refused = expect.objectContaining({ code: "DISK_READ_ONLY", outcome: "none" });

  await expect(readOnly.writeAt(new Uint8Array(1), 0)).rejects.toEqual(refused);
  await expect(readOnly.writeDurableAt(new Uint8Array(1), 0)).rejects.toEqual(refused);
  await expect(readOnly.truncate(0)).rejects.toEqual(refused);
  await expect(readOnly.allocate(0, 10)).rejects.toEqual(refused);

  await readOnly.datasync();
  expect(readOnly.readAtSync(new Uint8Array(2), 0)).toBe(1);
  await readOnly.close();
});

test("close waits for calls under way, refuses later ones, and may be repeated", async () => {
  const { file } = await tempFile();
  const written = file.writeDurableAt(new Uint8Array(1000).fill(1), 0);
  const read = file.readAt(new Uint8Array(10), 0);
  const closed = file.close();
  const late = file.readAt(new Uint8Array(1), 0);

  await expect(late).rejects.toMatchObject({ code: "DISK_CLOSED", outcome: "none" });
  expect(() => file.readAtSync(new Uint8Array(1), 0)).toThrow(/^DISK_CLOSED/);
  await Promise.all([written, read, closed, file.close()]);
});

test.skipIf(!isLinux)("closing leaves no descriptor behind", async () => {
  const { folder, file } = await tempFile();
  const openHere = (): number =>
    readdirSync("/proc/self/fd").filter((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`).startsWith(folder);
      } catch {
        return false; // the descriptor of the listing itself
      }
    }).length;
  await file.writeDurableAt(new Uint8Array(1), 0);
  expect(openHere()).toBe(2);

  await file.close();

  expect(openHere()).toBe(0);
});

test.skipIf(!isLinux)("a full disk is told as such, and the file stays usable", async () => {
  const disk = new NodeDisk("/", noTrace);
  const file = await disk.open("/dev/full");
  const full = { code: "DISK_FULL", retryable: true, details: { errno: "ENOSPC" } };

  await expect(file.writeAt(new Uint8Array(10), 0)).rejects.toMatchObject(full);
  await expect(file.writeDurableAt(new Uint8Array(10), 0)).rejects.toMatchObject(full);
  await expect(file.allocate(0, 10)).rejects.toMatchObject(full);

  expect(await file.readAt(new Uint8Array(10), 0)).toBe(10);
  await file.close();
});

test.skipIf(!isLinux)("a failed sync closes the file for good, and is traced", async () => {
  const events: [string, TraceFields | undefined][] = [];
  const disk = new NodeDisk("/", {
    isEnabled: () => true,
    event: (level, _component, _message, fields) => events.push([level, fields]),
  });
  const file = await disk.open("/dev/null"); // a device that cannot be synced
  const failed = { code: "DISK_SYNC_FAILED", retryable: false };

  const answers = await Promise.allSettled([file.datasync(), file.datasync(), file.datasync()]);

  for (const answer of answers) expect(answer).toMatchObject({ reason: failed });
  expect(answers[0]).toMatchObject({ reason: { outcome: "unknown" } });
  await expect(file.readAt(new Uint8Array(1), 0)).rejects.toMatchObject(failed);
  await expect(file.writeAt(new Uint8Array(1), 0)).rejects.toMatchObject(failed);
  await expect(file.writeDurableAt(new Uint8Array(1), 0)).rejects.toMatchObject(failed);
  await expect(file.datasync()).rejects.toMatchObject(failed);
  await expect(file.size()).rejects.toMatchObject(failed);
  await expect(file.truncate(0)).rejects.toMatchObject(failed);
  await expect(file.allocate(0, 1)).rejects.toMatchObject(failed);
  expect(() => file.readAtSync(new Uint8Array(1), 0)).toThrow(/^DISK_SYNC_FAILED/);
  await file.close();
  expect(events).toEqual([["error", { path: "/dev/null", operation: "sync", errno: "EINVAL" }]]);
});

test("a position that is none is a bug", async () => {
  const { file } = await tempFile();
  for (const position of [-1, 0.5, 2 ** 53]) {
    expect(() => file.readAtSync(new Uint8Array(1), position)).toThrow(AssertionFailure);
    expect(() => file.writeAt(new Uint8Array(1), position)).toThrow(AssertionFailure);
  }
  await file.close();
});
