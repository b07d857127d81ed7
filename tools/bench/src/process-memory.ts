import { readFileSync } from "node:fs";

/** What the kernel says of a process's memory, in MB of 2^20 bytes. */
export interface ProcessMemory {
  /** Resident now. */
  readonly residentMb: number;
  /** The most that was resident at any time since its start. */
  readonly peakMb: number;
}

/** @throws Error if there is no such process, or no /proc. */
export function memoryOf(pid: number): ProcessMemory {
  return parseMemory(readFileSync(`/proc/${pid}/status`, "utf8"));
}

/** Reads it out of /proc/PID/status: proc(5). */
export function parseMemory(status: string): ProcessMemory {
  return { residentMb: megabytes(status, "VmRSS"), peakMb: megabytes(status, "VmHWM") };
}

/**
 * Bytes that a process has caused to be written to storage so far. Pages of a file count when they
 * become dirty in memory, each once until the kernel has written it.
 *
 * @throws Error if there is no such process, or no /proc.
 */
export function writtenBytesOf(pid: number): number {
  return parseWrittenBytes(readFileSync(`/proc/${pid}/io`, "utf8"));
}

/** Reads it out of /proc/PID/io: proc(5). */
export function parseWrittenBytes(io: string): number {
  const found = /^write_bytes: (\d+)$/m.exec(io);
  if (found === null) throw new Error(`no write_bytes in ${JSON.stringify(io)}`);
  return Number(found[1]);
}

function megabytes(status: string, field: string): number {
  const found = new RegExp(String.raw`^${field}:\s+(\d+) kB$`, "m").exec(status);
  if (found === null) throw new Error(`no ${field} in ${JSON.stringify(status)}`);
  return Number(found[1]) / 1024;
}
