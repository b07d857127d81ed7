/**
 * Orders byte strings as `memcmp` does: by the first byte that differs, else the shorter first.
 *
 * @returns Negative, zero or positive: `left` comes before, equals, or comes after `right`.
 *
 * Cost: about 1 ns a byte up to the difference; for short keys that beats a call out of JavaScript.
 */
export function compareBytes(left: Uint8Array, right: Uint8Array): number {
  const common = left.length < right.length ? left.length : right.length;
  for (let at = 0; at < common; at++) {
    const difference = left[at]! - right[at]!;
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}
