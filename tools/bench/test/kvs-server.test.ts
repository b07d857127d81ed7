import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { KvsServer } from "../src/servers/kvs-server.ts";

const TIMEOUT_MS = 60_000;
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "kvs-bench-server-"));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

test(
  "a server answers until it is stopped, and tells of its memory and its delays",
  async () => {
    const server = await KvsServer.start(join(folder, "data"));
    const address = `http://127.0.0.1:${server.port}/ready`;

    const { status } = await fetch(address);
    const reading = await server.read();
    await server.stop();

    expect(status).toBe(200);
    expect(reading.rssMaxMb).toBeGreaterThan(20);
    expect(reading.loopDelayMaxMs).toBeGreaterThanOrEqual(0);
    await expect(fetch(address)).rejects.toThrow("fetch failed");
  },
  TIMEOUT_MS,
);

test(
  "a server that cannot start is an error, not a wait",
  async () => {
    writeFileSync(join(folder, "data"), "in the way of the folder");

    await expect(KvsServer.start(join(folder, "data"))).rejects.toThrow(/ended with code 1/);
  },
  TIMEOUT_MS,
);
