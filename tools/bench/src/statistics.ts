import { assert } from "@kvs/env";

/** The middle value; the mean of the two in the middle if their number is even. */
export function median(values: readonly number[]): number {
  assert(values.length > 0, "a median needs at least one value");
  const sorted = [...values].toSorted((left, right) => left - right);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The least and the greatest value: with five samples nothing finer would be honest. */
export function spreadOf(values: readonly number[]): readonly [low: number, high: number] {
  assert(values.length > 0, "a spread needs at least one value");
  return [Math.min(...values), Math.max(...values)];
}

/** The median of the values that are there, or `undefined` if none is. */
export function medianOfPresent(values: readonly (number | undefined)[]): number | undefined {
  const present = values.filter((value) => value !== undefined);
  return present.length === 0 ? undefined : median(present);
}

/**
 * How we compare with a peer in one pair, so that more than 1 means that we are better.
 *
 * @param better Which way the figure is better: for times the peer's is divided by ours.
 */
export function ratioOf(ours: number, theirs: number, better: "more" | "less"): number {
  assert(ours > 0 && theirs > 0, "figures that are compared are positive");
  return better === "more" ? ours / theirs : theirs / ours;
}
