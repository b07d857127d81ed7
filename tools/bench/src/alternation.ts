import { assert } from "@kvs/env";

/** Who is measured next, and to which pair the sample belongs. */
export interface Turn {
  readonly side: "ours" | "theirs";
  readonly pair: number;
}

/** Pairs of a full comparison: the median of five survives two disturbed ones. */
export const PAIRS_FULL = 5;
/** Pairs of a quick comparison: shows that it works, no more. */
export const PAIRS_QUICK = 1;

/**
 * The order A B, B A, A B, …: whoever profits from being second in one pair is first in the next,
 * and a machine that slows down steadily harms both alike.
 */
export function alternate(pairs: number): Turn[] {
  assert(Number.isInteger(pairs) && pairs >= 1, "a comparison has at least one pair");
  const turns: Turn[] = [];
  for (let pair = 0; pair < pairs; pair++) {
    const isOursFirst = pair % 2 === 0;
    turns.push({ side: isOursFirst ? "ours" : "theirs", pair });
    turns.push({ side: isOursFirst ? "theirs" : "ours", pair });
  }
  return turns;
}
