import { readFileSync } from "node:fs";

/** Clock ticks per second in /proc: a constant of the kernel's interface on every Linux platform. */
const TICKS_PER_SECOND = 100;
/** Fields of /proc/PID/stat that follow the name in parentheses, counted from 0: proc(5). */
const STAT_UTIME = 11;
const STAT_STIME = 12;

/**
 * Processor time in microseconds that a process has used so far, all threads, user and system.
 *
 * @param pid Default: this process, exact; another one in steps of 10 ms.
 * @throws Error if there is no such process, or no /proc.
 */
export function cpuMicrosOf(pid?: number): number {
  if (pid === undefined) {
    const usage = process.cpuUsage();
    return usage.user + usage.system;
  }
  return parseCpuMicros(readFileSync(`/proc/${pid}/stat`, "utf8"));
}

/** Reads user and system time out of a line of /proc/PID/stat. */
export function parseCpuMicros(stat: string): number {
  // The name may hold spaces and parentheses: what counts follows the last one.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const ticks = Number(fields[STAT_UTIME]) + Number(fields[STAT_STIME]);
  if (!Number.isFinite(ticks)) throw new Error(`no processor times in ${JSON.stringify(stat)}`);
  return (ticks * 1_000_000) / TICKS_PER_SECOND;
}
