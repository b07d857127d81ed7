/** A name this many letters away is taken for a slip of the pen. */
const DISTANCE_MAX = 3;

/**
 * The known name that was most likely meant, for "did you mean …?" in messages; `undefined` if none
 * comes near. Upper and lower case count as the same.
 *
 * Cost: the product of the lengths, for each known name that is about as long.
 */
export function closestName(name: string, known: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.min(DISTANCE_MAX, Math.ceil(name.length / 2)) + 1;
  for (const candidate of known) {
    if (Math.abs(name.length - candidate.length) >= bestDistance) continue;
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

/**
 * Edits that turn one text into the other: letters inserted, deleted or replaced, or neighbours
 * swapped.
 *
 * Source: Damerau, "A technique for computer detection and correction of spelling errors" (1964),
 * as optimal string alignment.
 */
function editDistance(left: string, right: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: right.length + 1 }, (_, column) => column);
  for (let line = 1; line <= left.length; line++) {
    const next = [line];
    for (let column = 1; column <= right.length; column++) {
      const isSame = left[line - 1] === right[column - 1];
      const isSwapped =
        left[line - 1] === right[column - 2] && left[line - 2] === right[column - 1];
      next.push(
        Math.min(
          last[column - 1]! + (isSame ? 0 : 1),
          last[column]! + 1,
          next[column - 1]! + 1,
          isSwapped ? beforeLast[column - 2]! + 1 : Infinity,
        ),
      );
    }
    [beforeLast, last] = [last, next];
  }
  return last[right.length]!;
}
