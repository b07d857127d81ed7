import { spawnSync } from "node:child_process";
import { readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { createServer } from "node:net";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { crc32 } from "node:zlib";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ServerProcess } from "../src/testing/server-process.ts";

// Every command is a process, and the machine may be busy.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });

const PAGE_BYTES = 4096;
const FORMAT_OFFSET = 72;
const MAIN = fileURLToPath(new URL("../src/main.ts", import.meta.url));

let folder: string;
let running: ServerProcess[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "kvs-server-"));
  running = [];
});

afterEach(async () => {
  for (const server of running) await server.stop("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

async function start(...flags: string[]): Promise<ServerProcess> {
  const server = await ServerProcess.start({ dataDir: join(folder, "data"), flags });
  running.push(server);
  return server;
}

function refuse(...flags: string[]): ReturnType<typeof ServerProcess.run> {
  return ServerProcess.run({ dataDir: join(folder, "data"), flags });
}

test.each(["SIGTERM", "SIGINT"] as const)(
  "%s stops it cleanly, with exit code 0",
  async (signal) => {
    const server = await start();

    const ending = await server.stop(signal);

    expect(ending.exitCode).toBe(0);
    expect(ending.stderr).toBe("");
    const messages = server.log.map(({ message }) => message);
    expect(messages).toContain("stopping");
    expect(messages.at(-1)).toBe("stopped");
    expect(server.log.filter(({ level }) => level === "ERROR")).toEqual([]);
  },
);

test("its log has the same fields on every line", async () => {
  const server = await start("--node-id", "n7");
  await server.stop();

  for (const line of server.log) {
    expect(Date.parse(String(line["timestamp"]))).not.toBeNaN();
    expect(line["level"]).toMatch(/^(?:ERROR|WARN|INFO|DEBUG|TRACE)$/);
    expect(line["component"]).toMatch(/^[a-z.-]+$/);
    expect(line["node_id"]).toBe("n7");
    expect(typeof line["message"]).toBe("string");
  }
  const ready = server.log.find(({ message }) => message === "ready");
  expect(ready?.["duration_ms"]).toBeGreaterThan(0);
  expect(ready?.["context"]).toMatchObject({ host: "127.0.0.1", port: server.port });
});

test("the log level leaves quieter lines out", async () => {
  const ending = await refuse("--log-level", "error", "--host", "203.0.113.1", "--insecure");

  expect(ending.stdout.trim().split("\n")).toHaveLength(1);
  expect(JSON.parse(ending.stdout)).toMatchObject({ level: "ERROR", message: "cannot start" });
});

test("it answers health and metrics", async () => {
  const { port } = await start();

  const health = await fetch(`http://127.0.0.1:${port}/health`);
  const metrics = await fetch(`http://127.0.0.1:${port}/metrics`);

  expect(health.status).toBe(200);
  expect(await health.json()).toMatchObject({ status: "healthy" });
  expect(await metrics.text()).toContain("# TYPE ");
});

test("a second server on the same data is refused", async () => {
  await start();

  const second = await refuse();

  expect(second.exitCode).toBe(1);
  expect(second.stderr).toMatch(/has the data in .* open; stop it, or use another --data-dir\n$/);
});

test("a port in use is refused", async () => {
  const other = createServer().listen(0, "127.0.0.1");
  await once(other, "listening");
  const { port } = other.address() as { port: number };

  const ending = await refuse("--port", String(port));

  other.close();
  expect(ending.exitCode).toBe(1);
  expect(ending.stderr).toBe(
    `kvs-server: port ${port} is in use; stop the other program, or choose another port: --port ${port + 1}\n`,
  );
});

test("an address that others reach is refused, before anything is made", async () => {
  const ending = await refuse("--host", "0.0.0.0");

  expect(ending.exitCode).toBe(2);
  expect(ending.stderr).toMatch(/--host: network\.host 0\.0\.0\.0 .* say --insecure/);
  expect(statSync(join(folder, "data"), { throwIfNoEntry: false })).toBeUndefined();
});

test("a folder that cannot be made is refused", async () => {
  const file = join(folder, "file");
  writeFileSync(file, "");

  const ending = await refuse("--data-dir", join(file, "data"));

  expect(ending.exitCode).toBe(1);
  expect(ending.stderr).toMatch(/^kvs-server: .*file.*\n$/);
  expect(ending.stderr).not.toContain("    at ");
});

test("an unknown key of the configuration is refused, with its line", async () => {
  const config = join(folder, "kvs.yaml");
  writeFileSync(config, "log:\n  level: info\nnetwork:\n  prot: 5000\n");

  const ending = await refuse("--config", config);

  expect(ending.exitCode).toBe(2);
  expect(ending.stderr).toBe(
    "kvs-server: the configuration has a mistake:\n" +
      `  ${config}:4: there is no setting network.prot; did you mean network.port?\n`,
  );
});

test("a configuration file that is not there is refused", async () => {
  const ending = await refuse("--config", join(folder, "none.yaml"));

  expect(ending.exitCode).toBe(2);
  expect(ending.stderr).toMatch(/none\.yaml cannot be read/);
});

test("an unknown flag is refused, with the one that was meant", async () => {
  const ending = await refuse("--prot", "5000");

  expect(ending.exitCode).toBe(2);
  expect(ending.stderr).toContain("Did you mean --port?");
});

test("data of an unknown version is refused", async () => {
  await (await start()).stop();
  const path = join(folder, "data", "pages.kvs");
  const bytes = readFileSync(path);
  for (const copy of [0, 1]) {
    const page = bytes.subarray(copy * PAGE_BYTES, (copy + 1) * PAGE_BYTES);
    page.writeUInt32LE(99, FORMAT_OFFSET);
    page.writeUInt32LE(crc32(page.subarray(4)), 0);
  }
  writeFileSync(path, bytes);

  const ending = await refuse();

  expect(ending.exitCode).toBe(1);
  expect(ending.stderr).toMatch(/has format 99, this program knows 1; use a newer program\n$/);
});

test("help and version go to standard output, with exit code 0", () => {
  const help = spawnSync(process.execPath, [MAIN, "--help"], { encoding: "utf8" });
  const version = spawnSync(process.execPath, [MAIN, "--version"], { encoding: "utf8" });

  expect(help.status).toBe(0);
  expect(help.stdout).toContain("--wal-segment-size <size>");
  expect(version.stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
});
