import { type Disk, writeFullyAt } from "@kvs/env";

import { type DiskCase, check, checkBytes, checkFails, patterned, withFile } from "./disk-case.ts";

/** What names promise: files and directories made, moved, removed, listed. */
export function nameCases(): DiskCase[] {
  return [...renameCases(), ...unlinkCases(), ...directoryCases()];
}

/** What locks promise. */
export function lockCases(): DiskCase[] {
  return [
    {
      name: "a lock is exclusive until released",
      run: async (disk, directory) => {
        const path = `${directory}/lock`;
        const lock = await disk.lock(path);
        await checkFails("DISK_LOCKED", () => disk.lock(path));
        const another = await disk.lock(`${directory}/another`);
        await lock.release();
        await lock.release();
        check((await disk.stat(path))?.type === "file", "a released lock leaves its file");
        const again = await disk.lock(path);
        await lock.release();
        await checkFails("DISK_LOCKED", () => disk.lock(path));
        await again.release();
        await another.release();
      },
    },
    {
      name: "another process does not get a lock that is held",
      run: async (disk, directory, otherDisk) => {
        if (otherDisk === undefined) return;
        const path = `${directory}/lock`;
        const lock = await disk.lock(path);
        await checkFails("DISK_LOCKED", () => otherDisk.lock(path));
        await lock.release();
        const taken = await otherDisk.lock(path);
        await checkFails("DISK_LOCKED", () => disk.lock(path));
        await taken.release();
      },
    },
  ];
}

function renameCases(): DiskCase[] {
  return [
    {
      name: "a renamed file has the new name only",
      run: async (disk, directory) => {
        await make(disk, `${directory}/old`, patterned(100));
        await disk.rename(`${directory}/old`, `${directory}/new`);
        check((await disk.list(directory)).join() === "new", "the old name is gone");
        await withFile(disk, `${directory}/new`, (file) => checkBytes(file, 0, patterned(100)));
        const missing = `${directory}/old`;
        await checkFails("DISK_NOT_FOUND", () => disk.rename(missing, `${directory}/x`));
        await disk.syncDirectory(directory);
      },
    },
    {
      name: "renaming replaces what had the name, and open files go on",
      run: async (disk, directory) => {
        const [from, to] = [`${directory}/from`, `${directory}/to`];
        await make(disk, from, patterned(100));
        await make(disk, to, patterned(200, 2));
        const moved = await disk.open(from);
        const replaced = await disk.open(to);
        await disk.rename(from, to);
        check((await disk.list(directory)).join() === "to", "one name is left");
        await checkBytes(moved, 0, patterned(100));
        await checkBytes(replaced, 0, patterned(200, 2));
        await writeFullyAt(moved, patterned(50, 3), 100);
        await withFile(disk, to, (file) => checkBytes(file, 100, patterned(50, 3)));
        await moved.close();
        await replaced.close();
      },
    },
    {
      name: "a file moves to another directory, and a directory with all that is in it",
      run: async (disk, directory) => {
        await disk.makeDirectory(`${directory}/a`);
        await disk.makeDirectory(`${directory}/b`);
        await make(disk, `${directory}/a/file`, patterned(10));
        await disk.rename(`${directory}/a/file`, `${directory}/b/file`);
        check((await disk.list(`${directory}/a`)).length === 0, "the file left");
        await disk.rename(`${directory}/b`, `${directory}/c`);
        await withFile(disk, `${directory}/c/file`, (file) => checkBytes(file, 0, patterned(10)));
        check((await disk.list(directory)).join() === "a,c", "the directory has its new name");
        await disk.syncDirectory(`${directory}/a`);
        await disk.syncDirectory(`${directory}/c`);
        await disk.syncDirectory(directory);
      },
    },
    {
      name: "a rename to the same name changes nothing",
      run: async (disk, directory) => {
        const path = `${directory}/file`;
        await make(disk, path, patterned(10));
        await disk.rename(path, path);
        await withFile(disk, path, (file) => checkBytes(file, 0, patterned(10)));
      },
    },
  ];
}

function unlinkCases(): DiskCase[] {
  return [
    {
      name: "an unlinked file is gone, and a new one of its name is empty",
      run: async (disk, directory) => {
        const path = `${directory}/file`;
        await make(disk, path, patterned(100));
        await disk.unlink(path);
        check((await disk.stat(path)) === undefined, "the name is gone");
        await checkFails("DISK_NOT_FOUND", () => disk.open(path));
        await checkFails("DISK_NOT_FOUND", () => disk.unlink(path));
        await withFile(disk, path, async (file) => {
          check((await file.size()) === 0, "a new file does not inherit bytes");
        });
      },
    },
    {
      name: "an unlinked file still open is read and written",
      run: async (disk, directory) => {
        const path = `${directory}/file`;
        await withFile(disk, path, async (file) => {
          await writeFullyAt(file, patterned(100), 0);
          await disk.unlink(path);
          await checkBytes(file, 0, patterned(100));
          await writeFullyAt(file, patterned(100, 2), 50);
          await file.datasync();
          await checkBytes(file, 50, patterned(100, 2));
          check((await disk.list(directory)).length === 0, "it has no name");
        });
      },
    },
  ];
}

function directoryCases(): DiskCase[] {
  return [
    {
      name: "a list holds the names in a directory, sorted by code unit",
      run: async (disk, directory) => {
        check((await disk.list(directory)).length === 0, "a new directory is empty");
        for (const name of ["b", "a10", "B", "a9", "é", "_", "z.wal"]) {
          await make(disk, `${directory}/${name}`, patterned(1));
        }
        await disk.makeDirectory(`${directory}/m`);
        await make(disk, `${directory}/m/inside`, patterned(1));
        const names = (await disk.list(directory)).join();
        check(names === "B,_,a10,a9,b,m,z.wal,é", `names are sorted and direct, not ${names}`);
        await checkFails("DISK_NOT_FOUND", () => disk.list(`${directory}/missing`));
      },
    },
    {
      name: "names differ by case",
      run: async (disk, directory) => {
        await make(disk, `${directory}/file`, patterned(10));
        check((await disk.stat(`${directory}/FILE`)) === undefined, "the other case is not there");
        await make(disk, `${directory}/FILE`, patterned(20));
        check((await disk.stat(`${directory}/file`))?.sizeBytes === 10, "both live side by side");
      },
    },
    {
      name: "a stat tells type and size, or that there is nothing",
      run: async (disk, directory) => {
        await make(disk, `${directory}/file`, patterned(123));
        const file = await disk.stat(`${directory}/file`);
        check(file?.type === "file" && file.sizeBytes === 123, "a file has its size");
        check((await disk.stat(directory))?.type === "directory", "a directory is one");
        check((await disk.stat(`${directory}/x`)) === undefined, "nothing has this name");
        check((await disk.stat(`${directory}/x/y`)) === undefined, "nor one below it");
      },
    },
    {
      name: "directories are made with all above them, and making one again is fine",
      run: async (disk, directory) => {
        await disk.makeDirectory(`${directory}/a/b/c`);
        await disk.makeDirectory(`${directory}/a/b/c`);
        await disk.makeDirectory(`${directory}/a/b`);
        check((await disk.stat(`${directory}/a/b/c`))?.type === "directory", "it is there");
        await make(disk, `${directory}/a/b/c/file`, patterned(10));
        check((await disk.list(`${directory}/a/b`)).join() === "c", "with nothing else in it");
        await make(disk, `${directory}/file`, patterned(1));
        await checkFails("DISK_EXISTS", () => disk.makeDirectory(`${directory}/file`));
      },
    },
    {
      name: "only an empty directory is removed",
      run: async (disk, directory) => {
        await disk.makeDirectory(`${directory}/a`);
        await make(disk, `${directory}/a/file`, patterned(10));
        await checkFails("DISK_NOT_EMPTY", () => disk.removeDirectory(`${directory}/a`));
        await disk.unlink(`${directory}/a/file`);
        await disk.removeDirectory(`${directory}/a`);
        check((await disk.stat(`${directory}/a`)) === undefined, "it is gone");
        await checkFails("DISK_NOT_FOUND", () => disk.removeDirectory(`${directory}/a`));
        await checkFails("DISK_NOT_FOUND", () => disk.syncDirectory(`${directory}/a`));
      },
    },
  ];
}

async function make(disk: Disk, path: string, bytes: Uint8Array): Promise<void> {
  await withFile(disk, path, (file) => writeFullyAt(file, bytes, 0));
}
