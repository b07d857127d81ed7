import { CANARY } from "./canary.ts";

/** Values from this length on hold the canary, behind the bytes that tell who wrote them. */
const CANARY_FROM_BYTES = 24;
const CANARY_OFFSET = 8;
/** Every other value from this length on consists of runs, so that it can be compressed. */
const RUNS_FROM_BYTES = 400;
const RUN_SHIFT = 6;

/**
 * Bytes that tell which batch and mutation wrote them: a reader who sees them knows what it saw.
 * Values shorter than eight bytes tell as much as they can.
 */
export function valueOf(batch: number, mutation: number, length: number): Uint8Array {
  const value = new Uint8Array(length);
  const hasRuns = length >= RUNS_FROM_BYTES && ((batch + mutation) & 1) === 0;
  let word = (Math.imul(batch, 0x9e3779b1) ^ Math.imul(mutation + 1, 0x85ebca6b)) >>> 0;
  for (let at = 0; at < length; at++) {
    if ((at & 3) === 0) word = Math.imul(word ^ (word >>> 15), 0x2c1b3c6d) + at;
    value[at] = hasRuns ? batch + (at >>> RUN_SHIFT) : word >>> (8 * (at & 3));
  }
  const head = [batch, batch >>> 8, batch >>> 16, mutation, mutation >>> 8];
  for (const [at, byte] of head.entries()) if (at < length) value[at] = byte;
  if (length >= CANARY_FROM_BYTES) value.set(CANARY, CANARY_OFFSET);
  return value;
}

/** Key and cell in a leaf may take this much; what is longer gets pages of its own. */
const CELL_BYTES_MAX = 1000;
const CELL_HEADER_BYTES = 9;
/** A value's share of an overflow page. */
const OVERFLOW_PAGE_BYTES = 4032;

/** Lengths at which values change their form, for keys of this length, each with its neighbours. */
export function boundaryLengths(keyBytes: number): number[] {
  const inline = CELL_BYTES_MAX - CELL_HEADER_BYTES - keyBytes;
  const edges = [1, 16, inline, OVERFLOW_PAGE_BYTES, 2 * OVERFLOW_PAGE_BYTES, 4096, 8192];
  const lengths = edges.flatMap((edge) => [edge - 1, edge, edge + 1]);
  return lengths.filter((length) => length >= 0);
}
