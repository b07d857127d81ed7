import { closeSync, fsyncSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { memoryOf, parseMemory, parseWrittenBytes, writtenBytesOf } from "../src/process-memory.ts";

test("resident memory and its peak are read in MB", () => {
  const status = "Name:\tnode\nVmHWM:\t  204800 kB\nVmRSS:\t  102400 kB\nThreads:\t11\n";

  expect(parseMemory(status)).toEqual({ residentMb: 100, peakMb: 200 });
  expect(() => parseMemory("Name:\tkthreadd\n")).toThrow("no VmRSS");
});

test("memory that this process touches is resident in it", () => {
  const before = memoryOf(process.pid);
  const touched = new Uint8Array(64 << 20).fill(1);
  const after = memoryOf(process.pid);

  expect(after.residentMb - before.residentMb).toBeGreaterThan(32);
  expect(after.peakMb).toBeGreaterThanOrEqual(after.residentMb - 1);
  expect(touched[1000]).toBe(1);
});

test("bytes written are read out of the kernel's list", () => {
  const io = "rchar: 1\nwchar: 2\nread_bytes: 3\nwrite_bytes: 4096\ncancelled_write_bytes: 5\n";

  expect(parseWrittenBytes(io)).toBe(4096);
  expect(() => parseWrittenBytes("rchar: 1\n")).toThrow("no write_bytes");
});

test("what this process writes to a file on a disk counts", () => {
  const folder = mkdtempSync(join(import.meta.dirname, "written-"));
  try {
    const before = writtenBytesOf(process.pid);
    const fd = openSync(join(folder, "file"), "w");
    writeSync(fd, new Uint8Array(1 << 20));
    fsyncSync(fd);
    closeSync(fd);

    expect(writtenBytesOf(process.pid) - before).toBeGreaterThanOrEqual(1 << 20);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
