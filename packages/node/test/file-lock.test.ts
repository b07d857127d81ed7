import { noTrace } from "@kvs/env";
import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { ownerIn } from "../src/file-lock.ts";
import { NodeDisk } from "../src/node-disk.ts";
import { tempFolder } from "./temp-folder.ts";

const HOLDER = fileURLToPath(new URL("lock-holder.ts", import.meta.url));
const isLinux = process.platform === "linux";
/** A process id namespace of its own, as a container has; needs a privilege. */
const CONTAINER = ["unshare", "--pid", "--fork", "--kill-child"];
const PRINT_PID = [...CONTAINER.slice(1), process.execPath, "-p", "process.pid"];
const canUnshare = isLinux && String(spawnSync(CONTAINER[0]!, PRINT_PID).stdout) === "1\n";

interface Holder {
  readonly child: ChildProcessWithoutNullStreams;
  /** The next line it prints. */
  readonly line: () => Promise<string>;
}

function startHolder(arguments_: readonly string[], wrapper: readonly string[] = []): Holder {
  const [program, ...rest] = [...wrapper, process.execPath, HOLDER, ...arguments_];
  const child = spawn(program!, rest);
  onTestFinished(() => void child.kill("SIGKILL"));
  const lines: string[] = [];
  let text = "";
  child.stdout.on("data", (piece: Buffer) => {
    text += String(piece);
    const complete = text.split("\n");
    text = complete.pop()!;
    lines.push(...complete);
    child.emit("line");
  });
  const line = async (): Promise<string> => {
    while (lines.length === 0) await once(child, "line");
    return lines.shift()!;
  };
  return { child, line };
}

async function kill(holder: Holder): Promise<void> {
  const gone = once(holder.child, "exit");
  holder.child.kill("SIGKILL");
  await gone;
}

async function lockPath(): Promise<{ disk: NodeDisk; path: string }> {
  const folder = await tempFolder();
  return { disk: new NodeDisk(folder, noTrace), path: join(folder, "LOCK") };
}

test("a lock excludes others in this process and in another environment of it", async () => {
  const { disk, path } = await lockPath();
  const lock = await disk.lock(path);
  const other = new NodeDisk("/", noTrace);
  const locked = { code: "DISK_LOCKED", retryable: false, outcome: "none" };

  await expect(disk.lock(path)).rejects.toMatchObject(locked);
  await expect(other.lock(path)).rejects.toMatchObject(locked);
  await expect(other.lock(path)).rejects.toMatchObject(locked); // a refused try gives nothing up

  await lock.release();
  const next = await other.lock(path);
  await lock.release(); // a second release does nothing to the next owner
  await expect(disk.lock(path)).rejects.toMatchObject(locked);
  await next.release();
});

test("the file of a held lock cannot be opened: closing it would give the lock up", async () => {
  const { disk, path } = await lockPath();
  const lock = await disk.lock(path);
  await expect(disk.open(path)).rejects.toMatchObject({ code: "DISK_LOCKED" });
  await lock.release();
  await (await disk.open(path)).close();
});

test("the file stays, empty, when the lock is released", async () => {
  const { disk, path } = await lockPath();
  await (await disk.lock(path)).release();
  expect(await disk.list(".")).toEqual(["LOCK"]);
  expect(await disk.stat("LOCK")).toEqual({ type: "file", sizeBytes: 0 });
});

test("a lock in a missing directory is DISK_NOT_FOUND, on a directory DISK_DENIED", async () => {
  const { disk } = await lockPath();
  await expect(disk.lock("missing/LOCK")).rejects.toMatchObject({ code: "DISK_NOT_FOUND" });
  await disk.makeDirectory("directory");
  await expect(disk.lock("directory")).rejects.toMatchObject({ code: "DISK_DENIED" });
  await disk.removeDirectory("directory"); // nothing keeps it open
});

test("a file that is no lock is refused and left as it is", async () => {
  const { disk, path } = await lockPath();
  await writeFile(path, "something else, longer than any header ".repeat(50));
  await expect(disk.lock(path)).rejects.toMatchObject({ code: "DISK_IO" });
  expect((await disk.stat(path))!.sizeBytes).toBe(39 * 50);
});

test("another process is refused and told the owner; a killed owner's lock is free", async () => {
  const { disk, path } = await lockPath();
  for (let round = 0; round < 3; round++) {
    const holder = startHolder([path]);
    expect(await holder.line()).toBe("locked");
    const owner = isLinux ? holder.child.pid : undefined;
    await expect(disk.lock(path)).rejects.toMatchObject({
      code: "DISK_LOCKED",
      details: owner === undefined ? {} : { owner },
    });

    await kill(holder);

    const lock = await disk.lock(path); // at once
    await lock.release();
  }
});

test("a lock held here is refused to another process, until it is released", async () => {
  const { disk, path } = await lockPath();
  const lock = await disk.lock(path);
  const refused = startHolder([path]);
  expect(await refused.line()).toMatch(isLinux ? `is locked by process ${process.pid}` : "locked");

  await lock.release();

  expect(await startHolder([path]).line()).toBe("locked");
});

test("of two processes that race for a lock exactly one gets it, fifty times", async () => {
  const folder = await tempFolder();
  const contenders = [startHolder([]), startHolder([])];
  for (const { line } of contenders) expect(await line()).toBe("ready");

  for (let round = 0; round < 50; round++) {
    for (const { child } of contenders) child.stdin.write(`${join(folder, `LOCK-${round}`)}\n`);

    const answers = await Promise.all(contenders.map(({ line }) => line()));

    expect(answers.filter((answer) => answer === "locked").length).toBe(1);
    expect(answers.filter((answer) => answer.startsWith("DISK_LOCKED")).length).toBe(1);
  }
});

test.skipIf(!canUnshare)(
  "containers that share a volume exclude each other, though all are process 1",
  async () => {
    const { disk, path } = await lockPath();
    const first = startHolder([path], CONTAINER);
    expect(await first.line()).toBe("locked");
    const second = startHolder([path], CONTAINER);
    expect(await second.line()).toMatch(/^DISK_LOCKED/);
    await expect(disk.lock(path)).rejects.toMatchObject({ code: "DISK_LOCKED" });

    await kill(first); // and with it, by --kill-child, process 1 of its container

    // The killed wrapper is gone before its container is: the kernel needs a moment.
    const third = await expect
      .poll(() => startHolder([path], CONTAINER).line(), { timeout: 30_000 })
      .toBe("locked")
      .then(() => true);
    expect(third).toBe(true);
  },
  60_000,
);

test("the owner is found in the kernel's table by inode and byte", () => {
  const table = [
    "1: POSIX  ADVISORY  READ 11 fe:00:42 1073741826 1073742335",
    "2: FLOCK  ADVISORY  WRITE 12 fe:00:42 0 EOF",
    "3: POSIX  ADVISORY  WRITE 13 fe:00:142 1073741825 1073741825",
    "4: POSIX  ADVISORY  WRITE 14 fe:00:42 0 0",
    "5: POSIX  ADVISORY  WRITE 15 fe:00:42 1073741825 1073741825",
    "",
  ].join("\n");
  expect(ownerIn(table, 42)).toBe(15);
  expect(ownerIn(table, 142)).toBe(13);
  expect(ownerIn(table, 7)).toBe(undefined);
  expect(ownerIn(table.replace("WRITE 15", "WRITE 0"), 42)).toBe(undefined);
  expect(ownerIn("", 42)).toBe(undefined);
});
