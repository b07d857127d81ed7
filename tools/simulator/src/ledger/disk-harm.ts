import { type SimStorage } from "@kvs/sim";
import { type Harm } from "./ledger-witness.ts";

/** Damage that a node may be unable to notice: stored bytes that are back to an earlier state. */
const SILENT_KINDS: ReadonlySet<string> = new Set([
  "disk.lost-write",
  "disk.misdirected-write",
  "disk.zeroed-sector",
  "disk.truncated-file",
  "disk.removed-file",
  "disk.swapped-pages",
]);

/** Damage that leaves bytes which no checksum fits. */
const NOTICEABLE_KINDS: ReadonlySet<string> = new Set([
  "disk.bit-flip",
  "disk.bad-sector",
  "disk.overwritten",
]);

/** What was done to a disk so far, as far as its contract does not allow it. */
export function harmOf(storage: SimStorage): Harm {
  const kinds = [...storage.stats.faults.keys()];
  if (kinds.some((kind) => SILENT_KINDS.has(kind))) return "silent";
  return kinds.some((kind) => NOTICEABLE_KINDS.has(kind)) ? "noticeable" : "none";
}
