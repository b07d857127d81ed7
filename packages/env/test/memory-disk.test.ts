import { expect, test } from "vitest";
import { MemoryDisk } from "../src/memory-disk.ts";
import { AssertionFailure } from "../src/assert.ts";
import { createRandom } from "../src/random.ts";

const BLOCK_BYTES = 64 << 10;

function code(name: string): object {
  return { code: name, outcome: "none" };
}

async function contentOf(disk: MemoryDisk, path: string): Promise<number[]> {
  const file = await disk.open(path);
  const bytes = new Uint8Array(await file.size());
  expect(await file.readAt(bytes, 0)).toBe(bytes.length);
  return [...bytes];
}

test("a file is what a plain array of bytes is, under writes, cuts and zeros at any place", async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = createRandom(seed);
    const disk = new MemoryDisk();
    const file = await disk.open("file", { create: true });
    let model = new Uint8Array(0);
    const resize = (sizeBytes: number): void => {
      const next = new Uint8Array(sizeBytes);
      next.set(model.subarray(0, sizeBytes));
      model = next;
    };
    for (let step = 0; step < 60; step++) {
      const from = random.below(4 * BLOCK_BYTES);
      const length = random.below(random.chance(0.5) ? 100 : 2 * BLOCK_BYTES);
      const choice = random.below(4);
      if (choice === 0) {
        const bytes = random.fill(new Uint8Array(length));
        if (random.chance(0.5)) expect(await file.writeAt(bytes, from)).toBe(length);
        else await file.writeDurableAt(bytes, from);
        resize(Math.max(model.length, from + length));
        model.set(bytes, from);
      } else if (choice === 1) {
        await file.truncate(from);
        resize(from);
      } else if (choice === 2) {
        await file.allocate(from, from + length);
        resize(Math.max(model.length, from + length));
        model.fill(0, from, from + length);
      } else {
        const target = new Uint8Array(length).fill(1);
        const count = file.readAtSync(target, from);
        expect(count).toBe(Math.max(0, Math.min(length, model.length - from)));
        expect(Buffer.compare(target.subarray(0, count), model.subarray(from, from + count))).toBe(
          0,
        );
      }
      expect(await file.size()).toBe(model.length);
    }
    const all = new Uint8Array(model.length);
    await file.readAt(all, 0);
    expect(Buffer.compare(all, model)).toBe(0);
  }
});

test("files are made, refused and found as the options say", async () => {
  const disk = new MemoryDisk();
  await expect(disk.open("a")).rejects.toMatchObject(code("DISK_NOT_FOUND"));
  await expect(disk.open("no/a", { create: true })).rejects.toMatchObject(code("DISK_NOT_FOUND"));
  await disk.open("a", { create: "exclusive" });
  await expect(disk.open("a", { create: "exclusive" })).rejects.toMatchObject(code("DISK_EXISTS"));
  const file = await disk.open("a", { create: true });
  await file.writeAt(Uint8Array.of(1, 2), 0);
  const reader = await disk.open("/a", { readOnly: true });
  expect(reader.readAtSync(new Uint8Array(5), 1)).toBe(1);
  await expect(reader.writeAt(Uint8Array.of(1), 0)).rejects.toMatchObject(code("DISK_READ_ONLY"));
  await expect(reader.truncate(0)).rejects.toMatchObject(code("DISK_READ_ONLY"));
  await expect(file.writeAt(Uint8Array.of(1), -1)).rejects.toBeInstanceOf(AssertionFailure);
  await file.close();
  await file.close();
  await expect(file.size()).rejects.toMatchObject(code("DISK_CLOSED"));
  await expect(file.datasync()).rejects.toMatchObject(code("DISK_CLOSED"));
  expect(() => file.readAtSync(new Uint8Array(1), 0)).toThrow(/DISK_CLOSED/);
});

test("names are renamed and removed; bytes live on in open files", async () => {
  const disk = new MemoryDisk();
  const one = await disk.open("one", { create: true });
  await one.writeAt(Uint8Array.of(1), 0);
  const two = await disk.open("two", { create: true });
  await two.writeAt(Uint8Array.of(2), 0);
  await disk.rename("one", "two");
  expect(await disk.list("")).toEqual(["two"]);
  expect(await contentOf(disk, "two")).toEqual([1]);
  expect(two.readAtSync(new Uint8Array(1), 0)).toBe(1);
  await disk.rename("two", "two");
  expect(await contentOf(disk, "two")).toEqual([1]);
  await disk.unlink("two");
  expect(one.readAtSync(new Uint8Array(1), 0)).toBe(1);
  expect(await disk.stat("two")).toBeUndefined();
  await expect(disk.unlink("two")).rejects.toMatchObject(code("DISK_NOT_FOUND"));
  await expect(disk.rename("two", "x")).rejects.toMatchObject(code("DISK_NOT_FOUND"));
  await disk.open("x", { create: true });
  await expect(disk.rename("x", "no/x")).rejects.toMatchObject(code("DISK_NOT_FOUND"));
});

test("directories are made with those above, listed sorted, and removed when empty", async () => {
  const disk = new MemoryDisk();
  await disk.makeDirectory("a/b/c");
  await disk.makeDirectory("a/b");
  for (const name of ["z", "B", "é"]) await disk.open(`a/${name}`, { create: true });
  expect(await disk.list("a/")).toEqual(["B", "b", "z", "é"]);
  expect(await disk.list("a/b")).toEqual(["c"]);
  expect(await disk.list("")).toEqual(["a"]);
  expect(await disk.stat("a")).toEqual({ type: "directory", sizeBytes: 0 });
  expect(await disk.stat("a/z")).toEqual({ type: "file", sizeBytes: 0 });
  await disk.syncDirectory("a");
  await expect(disk.syncDirectory("no")).rejects.toMatchObject(code("DISK_NOT_FOUND"));
  await expect(disk.list("no")).rejects.toMatchObject(code("DISK_NOT_FOUND"));
  await expect(disk.open("a")).rejects.toMatchObject(code("DISK_DENIED"));
  await expect(disk.makeDirectory("a/z/y")).rejects.toMatchObject(code("DISK_EXISTS"));
  await expect(disk.removeDirectory("a")).rejects.toMatchObject(code("DISK_NOT_EMPTY"));
  await disk.removeDirectory("a/b/c");
  expect(await disk.list("a/b")).toEqual([]);
});

test("a directory moves with all below it, but not over a full one nor into itself", async () => {
  const disk = new MemoryDisk();
  await disk.makeDirectory("a/b");
  await disk.makeDirectory("ab");
  await disk.open("a/b/file", { create: true });
  await disk.open("ab/other", { create: true });
  await expect(disk.rename("a", "ab")).rejects.toMatchObject(code("DISK_NOT_EMPTY"));
  await expect(disk.rename("a", "a/b/c")).rejects.toMatchObject(code("DISK_DENIED"));
  await expect(disk.rename("a", "ab/other")).rejects.toMatchObject(code("DISK_DENIED"));
  await expect(disk.rename("ab/other", "a")).rejects.toMatchObject(code("DISK_DENIED"));
  await disk.rename("a", "a");
  await disk.makeDirectory("empty");
  await disk.rename("a", "empty");
  expect(await disk.list("")).toEqual(["ab", "empty"]);
  expect(await disk.list("empty/b")).toEqual(["file"]);
  expect(await disk.list("ab")).toEqual(["other"]);
});

test("nothing happens to an empty range, and a call before the close ends before it", async () => {
  const disk = new MemoryDisk();
  const file = await disk.open("file", { create: true });
  await file.allocate(100, 100);
  expect(await file.size()).toBe(0);
  const order: string[] = [];
  const writing = file.writeDurableAt(Uint8Array.of(1), 0).then(() => order.push("written"));
  const closing = file.close().then(() => order.push("closed"));
  await Promise.all([writing, closing]);
  expect(order).toEqual(["written", "closed"]);
});

test("a lock is held by one, until it is released", async () => {
  const disk = new MemoryDisk();
  const lock = await disk.lock("lock");
  await expect(disk.lock("lock")).rejects.toMatchObject(code("DISK_LOCKED"));
  await lock.release();
  const second = await disk.lock("lock");
  await lock.release();
  await expect(disk.lock("lock")).rejects.toMatchObject(code("DISK_LOCKED"));
  await second.release();
  expect(await disk.list("")).toEqual(["lock"]);
});

test("space is used by what is written, and free again when it is zeros or gone", async () => {
  const disk = new MemoryDisk();
  const { totalBytes } = await disk.space("");
  const used = async (): Promise<number> => totalBytes - (await disk.space("")).freeBytes;
  const file = await disk.open("file", { create: true });
  await file.allocate(0, 10 * BLOCK_BYTES);
  expect(await used()).toBe(0);
  await file.writeAt(new Uint8Array(BLOCK_BYTES).fill(1), BLOCK_BYTES / 2);
  expect(await used()).toBe(2 * BLOCK_BYTES);
  await file.allocate(0, BLOCK_BYTES);
  expect(await used()).toBe(BLOCK_BYTES);
  await disk.unlink("file");
  expect(await used()).toBe(0);
});

test("answers come after the call, never within it", async () => {
  const disk = new MemoryDisk();
  let isAnswered = false;
  const opening = disk.open("file", { create: true }).then(() => (isAnswered = true));
  expect(isAnswered).toBe(false);
  await opening;
});
