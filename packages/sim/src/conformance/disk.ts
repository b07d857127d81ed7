import { readFullyAt, readFullyAtSync, writeFullyAt } from "@kvs/env";

import { type DiskCase, check, checkBytes, checkFails, patterned, withFile } from "./disk-case.ts";
import { lockCases, nameCases } from "./disk-names.ts";

/** Every promise of `Disk` that shows on a living disk; both environments keep them all. */
export function diskConformance(): readonly DiskCase[] {
  return [
    ...openCases(),
    ...closeCases(),
    ...readCases(),
    ...writeCases(),
    ...lengthCases(),
    ...nameCases(),
    ...lockCases(),
  ];
}

function openCases(): DiskCase[] {
  return [
    {
      name: "opening a file that is not there fails unless it may be made",
      run: async (disk, directory) => {
        const path = `${directory}/file`;
        await checkFails("DISK_NOT_FOUND", () => disk.open(path));
        await checkFails("DISK_NOT_FOUND", () => disk.open(path, { create: false }));
        await checkFails("DISK_NOT_FOUND", () => disk.open(path, { readOnly: true }));
        check((await disk.stat(path)) === undefined, "a failed open makes nothing");
        await withFile(disk, path, async (file) => {
          check((await file.size()) === 0, "a new file is empty");
          check(file.path === path, "a file knows the path it was opened with");
        });
        await checkFails("DISK_NOT_FOUND", () =>
          disk.open(`${directory}/missing/file`, { create: true }),
        );
      },
    },
    {
      name: "opening an existing file keeps its bytes; exclusively it fails",
      run: async (disk, directory) => {
        const path = `${directory}/file`;
        await withFile(disk, path, (file) => writeFullyAt(file, patterned(100), 0));
        await checkFails("DISK_EXISTS", () => disk.open(path, { create: "exclusive" }));
        await withFile(disk, path, (file) => checkBytes(file, 0, patterned(100)));
        const fresh = await disk.open(`${directory}/other`, { create: "exclusive" });
        await fresh.close();
        const plain = await disk.open(path);
        await checkBytes(plain, 0, patterned(100));
        await plain.close();
      },
    },
    {
      name: "a read-only file is read and refuses every change",
      run: async (disk, directory) => {
        const path = `${directory}/file`;
        await withFile(disk, path, (file) => writeFullyAt(file, patterned(50), 0));
        const file = await disk.open(path, { readOnly: true });
        await checkBytes(file, 0, patterned(50));
        await checkFails("DISK_READ_ONLY", () => file.writeAt(patterned(1), 0));
        await checkFails("DISK_READ_ONLY", () => file.writeDurableAt(patterned(1), 0));
        await checkFails("DISK_READ_ONLY", () => file.truncate(0));
        await checkFails("DISK_READ_ONLY", () => file.allocate(0, 10));
        await checkBytes(file, 0, patterned(50));
        await file.close();
      },
    },
  ];
}

function closeCases(): DiskCase[] {
  return [
    {
      name: "a closed file answers DISK_CLOSED, and closing again does nothing",
      run: async (disk, directory) => {
        const file = await disk.open(`${directory}/file`, { create: true });
        await file.close();
        await file.close();
        await checkFails("DISK_CLOSED", () => file.size());
        await checkFails("DISK_CLOSED", () => file.readAt(new Uint8Array(1), 0));
        await checkFails("DISK_CLOSED", async () => file.readAtSync(new Uint8Array(1), 0));
        await checkFails("DISK_CLOSED", () => file.writeAt(patterned(1), 0));
        await checkFails("DISK_CLOSED", () => file.writeDurableAt(patterned(1), 0));
        await checkFails("DISK_CLOSED", () => file.datasync());
        await checkFails("DISK_CLOSED", () => file.truncate(0));
        await checkFails("DISK_CLOSED", () => file.allocate(0, 1));
      },
    },
    {
      name: "closing waits for the calls under way",
      run: async (disk, directory) => {
        const path = `${directory}/file`;
        const file = await disk.open(path, { create: true });
        const order: string[] = [];
        const writing = file.writeDurableAt(patterned(9000), 0).then(() => order.push("written"));
        const closing = file.close().then(() => order.push("closed"));
        await Promise.all([writing, closing]);
        check(order.join() === "written,closed", "a call begun before `close` ends before it");
        await withFile(disk, path, (again) => checkBytes(again, 0, patterned(9000)));
      },
    },
  ];
}

function readCases(): DiskCase[] {
  return [
    {
      name: "bytes are read where they were written, across any boundary",
      run: (disk, directory) =>
        withFile(disk, `${directory}/file`, async (file) => {
          const bytes = patterned(20_000);
          await writeFullyAt(file, bytes, 0);
          for (const [from, to] of [
            [0, 1],
            [511, 513],
            [4095, 8193],
            [19_999, 20_000],
            [0, 20_000],
          ] as const) {
            await checkBytes(file, from, bytes.subarray(from, to));
          }
          await writeFullyAt(file, patterned(5000, 2), 4000);
          await checkBytes(file, 3990, bytes.subarray(3990, 4000));
          await checkBytes(file, 4000, patterned(5000, 2));
          await checkBytes(file, 9000, bytes.subarray(9000, 9010));
        }),
    },
    {
      name: "a read answers 0 only at or past the end, and never more than there is",
      run: (disk, directory) =>
        withFile(disk, `${directory}/file`, async (file) => {
          const target = new Uint8Array(64);
          check((await file.readAt(target, 0)) === 0, "an empty file has nothing to read");
          await writeFullyAt(file, patterned(10), 0);
          const count = await file.readAt(target, 4);
          check(count >= 1 && count <= 6, "a read before the end answers 1 to what is left");
          check((await readFullyAt(file, target, 4)) === 6, "reading on stops at the end");
          check((await file.readAt(target, 10)) === 0, "there is nothing at the end");
          check((await file.readAt(target, 2 ** 33)) === 0, "there is nothing far past the end");
        }),
    },
    {
      name: "a synchronous read sees the same bytes and ends",
      run: (disk, directory) =>
        withFile(disk, `${directory}/file`, async (file) => {
          await writeFullyAt(file, patterned(9000), 0);
          const target = new Uint8Array(9000);
          check(readFullyAtSync(file, target, 0) === 9000, "all bytes are read");
          check(
            patterned(9000).every((byte, at) => byte === target[at]),
            "they are the written",
          );
          check(file.readAtSync(target, 9000) === 0, "there is nothing at the end");
          const count = file.readAtSync(target, 8990);
          check(count >= 1 && count <= 10, "a read before the end answers 1 to what is left");
        }),
    },
  ];
}

function writeCases(): DiskCase[] {
  return [
    {
      name: "a gap reads as zeros",
      run: (disk, directory) =>
        withFile(disk, `${directory}/file`, async (file) => {
          await writeFullyAt(file, patterned(10), 0);
          await writeFullyAt(file, patterned(10, 2), 10_000);
          await checkBytes(file, 10, new Uint8Array(9990));
          await checkBytes(file, 10_000, patterned(10, 2));
          check((await file.size()) === 10_010, "the size ends with the last byte");
        }),
    },
    {
      name: "positions past 2^32 are as good as others",
      run: (disk, directory) =>
        withFile(disk, `${directory}/file`, async (file) => {
          const far = 2 ** 32 + 4090;
          await writeFullyAt(file, patterned(10), far);
          await writeFullyAt(file, patterned(10, 2), 4090);
          await checkBytes(file, far - 100, new Uint8Array(100));
          await checkBytes(file, far, patterned(10));
          await checkBytes(file, 4090, patterned(10, 2));
          check((await file.size()) === far + 10, "the size is past 2^32");
        }),
    },
    {
      name: "a durable write is read like any other, and a sync changes nothing visible",
      run: (disk, directory) =>
        withFile(disk, `${directory}/file`, async (file) => {
          await writeFullyAt(file, patterned(6000), 0);
          await file.writeDurableAt(patterned(700, 2), 500);
          await file.datasync();
          await file.datasync();
          await checkBytes(file, 0, patterned(500));
          await checkBytes(file, 500, patterned(700, 2));
          await checkBytes(file, 1200, patterned(6000).subarray(1200));
          check((await file.size()) === 6000, "a write inside the file leaves its size");
        }),
    },
    {
      name: "overlapping calls all take effect",
      run: (disk, directory) =>
        withFile(disk, `${directory}/file`, async (file) => {
          const parts = Array.from({ length: 20 }, (_, index) => index);
          await Promise.all(
            parts.map((part) => writeFullyAt(file, patterned(3000, part), part * 3000)),
          );
          await Promise.all(
            parts.map((part) => checkBytes(file, part * 3000, patterned(3000, part))),
          );
          check((await file.size()) === 60_000, "every write counts for the size");
        }),
    },
    {
      name: "two handles of one file see each other's writes",
      run: (disk, directory) =>
        withFile(disk, `${directory}/file`, async (one) => {
          await withFile(disk, `${directory}/file`, async (other) => {
            await writeFullyAt(one, patterned(5000), 0);
            await checkBytes(other, 0, patterned(5000));
            await other.truncate(10);
            check((await one.size()) === 10, "a size is the file's, not the handle's");
          });
        }),
    },
  ];
}

function lengthCases(): DiskCase[] {
  return [
    {
      name: "truncating cuts, and lengthening again shows zeros",
      run: (disk, directory) =>
        withFile(disk, `${directory}/file`, async (file) => {
          await writeFullyAt(file, patterned(10_000), 0);
          await file.truncate(4100);
          check((await file.size()) === 4100, "the file is cut");
          check((await file.readAt(new Uint8Array(1), 4100)) === 0, "nothing is past the cut");
          await file.truncate(9000);
          check((await file.size()) === 9000, "the file is lengthened");
          await checkBytes(file, 0, patterned(4100));
          await checkBytes(file, 4100, new Uint8Array(4900));
          await file.truncate(0);
          check((await file.size()) === 0, "the file is empty");
        }),
    },
    {
      name: "allocated ranges are zeros, whatever was there",
      run: (disk, directory) =>
        withFile(disk, `${directory}/file`, async (file) => {
          await file.allocate(0, 10_000);
          check((await file.size()) === 10_000, "allocation lengthens the file");
          await checkBytes(file, 0, new Uint8Array(10_000));
          await writeFullyAt(file, patterned(10_000), 0);
          await file.allocate(3000, 15_000);
          await checkBytes(file, 0, patterned(3000));
          await checkBytes(file, 3000, new Uint8Array(12_000));
          await file.allocate(100, 100);
          await file.allocate(20_000, 20_000);
          check((await file.size()) === 15_000, "an empty range changes nothing");
        }),
    },
    {
      name: "space is told in bytes, and no more is free than there is",
      run: async (disk, directory) => {
        const space = await disk.space(directory);
        check(space.freeBytes >= 0, "free space is not negative");
        check(space.freeBytes <= space.totalBytes, "no more is free than there is");
      },
    },
  ];
}
