import { type LogIndex } from "./ids.ts";

/**
 * The position, from `low` on, of the last item that starts at or before `index`. Items ascend. `low` if
 * there is none: the caller knows that there is one, or checks.
 */
export function lastStartAt(
  items: readonly { readonly firstIndex: LogIndex }[],
  index: LogIndex,
  low = 0,
): number {
  let first = low;
  let last = items.length - 1;
  while (first < last) {
    const middle = (first + last + 1) >>> 1;
    if (items[middle]!.firstIndex <= index) first = middle;
    else last = middle - 1;
  }
  return first;
}
