import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PAGE_BYTES, PAGE_LEAF, PAGE_TYPE_OFFSET } from "@kvs/pager";
import { type Ending, ServerProcess } from "@kvs/server-app/testing";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { runKvsctl } from "./real-kvsctl.ts";

// Every command is a process, and the machine may be busy.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });

let folder: string;
let dataDir: string;
let running: ServerProcess[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "kvsctl-"));
  dataDir = join(folder, "kvs-data");
  running = [];
});

afterEach(async () => {
  for (const server of running) await server.stop("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

async function start(): Promise<ServerProcess> {
  const server = await ServerProcess.start({ dataDir });
  running.push(server);
  return server;
}

function run(...words: string[]): Promise<Ending> {
  const url = running.at(-1)?.url;
  return runKvsctl(words, { cwd: folder, variables: url === undefined ? {} : { KVS_URL: url } });
}

/** A data directory with a key, left by a server that was stopped so. */
async function makeData(signal: "SIGTERM" | "SIGINT" | "SIGKILL"): Promise<void> {
  const server = await start();
  expect((await run("put", "key", '"value"')).exitCode).toBe(0);
  await server.stop(signal);
}

test.each(["SIGTERM", "SIGINT", "SIGKILL"] as const)(
  "data survives %s, and is sound",
  async (signal) => {
    await makeData(signal);

    expect(await run("check")).toEqual({
      exitCode: 0,
      stdout: "./kvs-data is sound\n",
      stderr: "",
    });
    await start();
    expect((await run("get", "key")).stdout).toBe("value\n");
  },
);

test("check names a damaged page, and fails", async () => {
  await makeData("SIGTERM");
  const file = openSync(join(dataDir, "pages.kvs"), "r+");
  writeSync(file, Buffer.from([0xff, 0xff]), 0, 2, 4 * PAGE_BYTES + 100);
  closeSync(file);

  const ending = await run("check");

  expect(ending.exitCode).toBe(1);
  expect(ending.stdout).toMatch(/pages\.kvs page 4: checksum, expected \d+, found \d+\n/);
  expect(ending.stdout).toContain("restore the data from a copy");
  const values = (await run("check", "--json")).stdout.trim().split("\n");
  expect(JSON.parse(values[0]!)).toMatchObject({
    where: expect.stringContaining("page 4") as string,
  });
});

test("wal verify tells segments, records and the end of the log, and fails where it is damaged", async () => {
  await makeData("SIGKILL");

  const whole = await run("wal", "verify");
  expect(whole.stderr).toBe("");
  expect(whole.exitCode).toBe(0);
  expect(whole.stdout).toMatch(
    /\.wal {2}base 0 {2}\d+ records {2}\d+ bytes {2}epochs 2 to 2 {2}not sealed\n\d+ files, \d+ records, \d+ bytes, positions 0 to \d+, epoch 2: clean\n$/,
  );
  const values = (await run("wal", "verify", "--json")).stdout.trim().split("\n");
  expect(JSON.parse(values[0]!)).toMatchObject({ base: 0, keyIds: [] });
  expect(JSON.parse(values[1]!)).toMatchObject({ state: "clean", headPosition: 0 });

  const file = openSync(join(dataDir, "log", "00000000000000000000.wal"), "r+");
  writeSync(file, Buffer.from([0xff, 0xff]), 0, 2, 100);
  closeSync(file);
  const damaged = await run("wal", "verify");
  expect(damaged.exitCode).toBe(1);
  expect(damaged.stdout).toMatch(/: damaged\nWAL_DAMAGED: .*\.wal at offset 64 \(checksum\)/);
  expect((await run("wal", "verify", "--json")).stdout).toContain('"offset":64');
});

test("recover does what the next start would, once, and refuses data in use", async () => {
  await makeData("SIGKILL");

  const first = await run("recover");
  expect(first).toMatchObject({ exitCode: 0, stderr: "" });
  expect(first.stdout).toMatch(/^\.\/kvs-data is recovered, in [\d.]+ s\n/);
  expect(first.stdout).toMatch(/log read: [\d.]+ MiB, \d+ records\n/);
  const second: unknown = JSON.parse((await run("recover", "--json")).stdout);
  expect(second).toMatchObject({ wasClean: true, undoneBatches: 0 });

  await start();
  expect((await run("get", "key")).stdout).toBe("value\n");
  const inUse = await run("recover");
  expect(inUse.exitCode).toBe(1);
  expect(inUse.stderr).toContain("a server has ./kvs-data open; stop it first");
  expect((await run("recover", "--data-dir", "nothing")).exitCode).toBe(1);
});

test("wal dump names the records", async () => {
  await makeData("SIGKILL");

  const ending = await run("wal", "dump");

  expect(ending.exitCode).toBe(0);
  expect(ending.stdout).toMatch(/^\d+ {2}BEGIN_CHECKPOINT {2}whole/m);
  expect(ending.stdout).toMatch(/^\d+ {2}MINI {2}whole/m);
  expect(ending.stdout).toMatch(/end of the log \(zeros\)\n$/);
  for (const line of (await run("wal", "dump", "--json")).stdout.trim().split("\n")) {
    expect(typeof JSON.parse(line)).toBe("string");
  }
});

test("page dump prints bytes, and the entries of a tree's page", async () => {
  await makeData("SIGTERM");
  const bytes = readFileSync(join(dataDir, "pages.kvs"));
  const pages = Array.from({ length: bytes.length / PAGE_BYTES }, (_, page) => page);
  const leaf = pages.find((page) => bytes[page * PAGE_BYTES + PAGE_TYPE_OFFSET] === PAGE_LEAF);

  const header = await run("page", "dump", "0");
  const entries = await run("page", "dump", String(leaf));
  const none = await run("page", "dump", String(pages.length));

  expect(header.stdout).toMatch(/^page 0 \(header\), intact\n00000000 /);
  expect(entries.stdout).toMatch(/^page \d+ \(leaf\), intact\n[^]*\npage \d+ \(leaf\): tree /);
  expect(none.exitCode).toBe(1);
  expect(none.stderr).toMatch(/^kvsctl: there is no page \d+: the file has pages 0 to \d+\n$/);
});

test("data that a server has open is left alone", async () => {
  await start();

  for (const words of [["check"], ["wal", "dump"], ["page", "dump", "0"]]) {
    const ending = await run(...words);

    expect(ending).toEqual({
      exitCode: 1,
      stdout: "",
      stderr: "kvsctl: a server has ./kvs-data open; stop it first\n",
    });
  }
});

test("a folder without data is refused, and stays as it is", async () => {
  expect(await run("check", "--data-dir", folder)).toEqual({
    exitCode: 1,
    stdout: "",
    stderr: `kvsctl: ${folder} holds no data of KVS; name the folder with --data-dir\n`,
  });
});
