import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Ending, ServerProcess } from "@kvs/server-app/testing";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { runKvsctl } from "./real-kvsctl.ts";

// Every command is a process, and the machine may be busy.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });

let folder: string;
let server: ServerProcess | undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "kvsctl-"));
  server = undefined;
});

afterEach(async () => {
  await server?.stop("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

function run(...words: string[]): Promise<Ending> {
  return runKvsctl(words, {
    cwd: folder,
    variables: server === undefined ? {} : { KVS_URL: server.url },
  });
}

/** A file with fresh master keys of these names. */
async function keyFile(...names: readonly string[]): Promise<string> {
  const lines: string[] = [];
  for (const name of names) lines.push((await run("keys", "new", "--name", name)).stdout);
  const path = join(folder, `${names.at(-1)}.keys`);
  writeFileSync(path, lines.join(""), { mode: 0o600 });
  return path;
}

/** Data that a server with these settings wrote, and stopped. */
async function makeData(...flags: readonly string[]): Promise<void> {
  server = await ServerProcess.start({ dataDir: join(folder, "kvs-data"), flags });
  expect((await run("put", "canary", '"yellow-bird"')).exitCode).toBe(0);
  await server.stop("SIGTERM");
  server = undefined;
}

test("encrypted data: served, checked, copied, restored, with the master key alone", async () => {
  const keys = await keyFile("main");
  await makeData("--encryption-key-file", keys);
  for (const file of ["pages.kvs", "keys"]) {
    expect(readFileSync(join(folder, "kvs-data", file)).includes("yellow-bird")).toBe(false);
  }
  const refused = await run("check");
  expect([refused.exitCode, refused.stderr]).toEqual([1, expect.stringContaining("--key-file")]);
  expect(await run("check", "--key-file", keys)).toMatchObject({
    exitCode: 0,
    stdout: "./kvs-data is sound\n",
  });

  expect((await run("copy", "data.copy", "--key-file", keys)).stdout).toContain("is a copy of");
  expect(readFileSync(join(folder, "data.copy")).includes("yellow-bird")).toBe(false);
  const restored = await run("restore", "data.copy", "--data-dir", "again");
  expect([restored.exitCode, restored.stdout]).toEqual([0, expect.stringContaining("encrypted")]);
  const twice = await run("restore", "data.copy", "--data-dir", "again");
  expect([twice.exitCode, twice.stderr]).toEqual([1, expect.stringContaining("TXN_STORE_EXISTS")]);
  expect((await run("recover", "--data-dir", "again", "--key-file", keys)).exitCode).toBe(0);
  server = await ServerProcess.start({
    dataDir: join(folder, "again"),
    flags: ["--encryption-key-file", keys],
  });
  expect((await run("get", "canary")).stdout).toBe("yellow-bird\n");
});

test("keys are listed, wrapped anew, and rotated", async () => {
  const keys = await keyFile("old", "new");
  const both = readFileSync(keys, "utf8");
  writeFileSync(keys, both.split("\n")[0]!);
  await makeData("--encryption-key-file", keys);
  writeFileSync(keys, both);

  const rewrapped = await run("keys", "rewrap", "--key-file", keys);
  expect(rewrapped.stdout).toBe("1 keys are wrapped with the master key new\n");
  expect((await run("keys", "rotate", "--key-file", keys, "--json")).stdout).toContain('"keyId":2');
  const { stdout } = await run("keys", "list", "--json");
  const listed = stdout.trim().split("\n");
  expect(listed.map((line) => JSON.parse(line) as unknown)).toMatchObject([
    { id: 1, state: "destroyed" },
    { id: 2, state: "current", masterKeyName: "new" },
  ]);
  expect((await run("keys", "list")).stdout).toContain("current");
});

test("plain data are copied and restored, and have no keys", async () => {
  await makeData();
  expect((await run("keys", "list")).stdout).toBe("./kvs-data is not encrypted\n");
  expect((await run("keys", "rotate")).stderr).toContain("--key-file or --key-variable");
  const twice = await run("keys", "rotate", "--key-file", "x", "--key-variable", "Y");
  expect(twice.stderr).toContain("in one place");
  const copied = JSON.parse((await run("copy", "data.copy", "--json")).stdout) as { bytes: number };
  expect(copied.bytes).toBeGreaterThan(10_000);
  expect((await run("restore", "absent", "--data-dir", "again")).stderr).toContain("ENOENT");
  truncateSync(join(folder, "data.copy"), copied.bytes - 1);
  const cut = await run("restore", "data.copy", "--data-dir", "again");
  expect([cut.exitCode, cut.stderr]).toEqual([1, expect.stringContaining("TXN_DAMAGED_COPY")]);
  expect((await run("keys", "new", "--name", "two words")).exitCode).toBe(1);
});
