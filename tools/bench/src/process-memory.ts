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

function megabytes(status: string, field: string): number {
  const found = new RegExp(String.raw`^${field}:\s+(\d+) kB$`, "m").exec(status);
  if (found === null) throw new Error(`no ${field} in ${JSON.stringify(status)}`);
  return Number(found[1]) / 1024;
}
