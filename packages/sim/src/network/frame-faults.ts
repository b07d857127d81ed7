import { type Random } from "@kvs/env";
import { type LinkSettings } from "./link.ts";

/** Reordered frames are late by up to this much. */
const REORDER_MICROS_MAX = 50_000;
/** Bytes of one frame that are changed at most. */
const CORRUPT_BYTES_MAX = 4;

/** What became of one frame on a link that breaks the contract. */
export interface FrameFate {
  /** What arrives in order: nothing, the frame, or the frame twice. */
  readonly inOrder: readonly Uint8Array[];
  /** A copy that arrives by itself, this much later. */
  readonly late?: { readonly frame: Uint8Array; readonly delayMicros: number };
}

/** Whether a link can break the contract of a connection at all. */
export function isFaithful(settings: LinkSettings): boolean {
  return (
    settings.dropProbability === 0 &&
    settings.duplicateProbability === 0 &&
    settings.reorderProbability === 0 &&
    settings.corruptProbability === 0
  );
}

/** Draws what happens to `frame`, and counts each fault. The frame itself is not changed. */
export function drawFrameFate(
  frame: Uint8Array,
  settings: LinkSettings,
  random: Random,
  countFault: (kind: string) => void,
): FrameFate {
  if (random.chance(settings.dropProbability)) {
    countFault("network.drop");
    return { inOrder: [] };
  }
  let carried = frame;
  if (random.chance(settings.corruptProbability)) {
    countFault("network.corrupt");
    carried = corrupt(frame, random);
  }
  if (random.chance(settings.reorderProbability)) {
    countFault("network.reorder");
    const delayMicros = 1 + random.below(REORDER_MICROS_MAX);
    return { inOrder: [], late: { frame: carried, delayMicros } };
  }
  if (random.chance(settings.duplicateProbability)) {
    countFault("network.duplicate");
    return { inOrder: [carried, carried.slice()] };
  }
  return { inOrder: [carried] };
}

/** A copy with one to four bytes changed. */
function corrupt(frame: Uint8Array, random: Random): Uint8Array {
  const changed = frame.slice();
  const first = random.below(frame.length);
  changed[first]! ^= 1 + random.below(255);
  const more = random.below(CORRUPT_BYTES_MAX);
  for (let count = 0; count < more; count++) {
    const at = random.below(frame.length);
    if (at !== first) changed[at] = random.below(256); // the first change must stay one
  }
  return changed;
}
