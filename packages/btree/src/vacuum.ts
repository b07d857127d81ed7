import { type PageView } from "@kvs/pager";
import {
  INFO_LENGTH_MASK,
  INFO_TOMBSTONE,
  LEAF_REST_OFFSET,
  cellAt,
  entryCount,
  entryInfo,
  entryWord,
  leafVersion,
  restLength,
} from "./tree-page.ts";

/**
 * Which rows of a leaf no reader can need, given a horizon: no reader, now or later, reads at a
 * version below it.
 *
 * 1. Of the versions of a key, the newest one at or below the horizon is what the oldest reader
 *    sees. All older ones can go.
 * 2. If that one is a tombstone, it can go as well, but only if the key's older versions are all in
 *    this page: else one of them might come to light behind the page's end.
 *
 * 3. Of the versions above the horizon, one that no reader's version falls to, because a newer one
 *    comes before all of them, can go: what stands between a long snapshot and the present.
 *
 * A key whose versions began on the page before is treated as if they began here: more is kept than
 * must be, never less.
 *
 * @param mayPruneLast Whether rule 2 holds for the page's last key: no version of it is on the next
 *   page. That follows for all keys before it.
 * @param isSeen Whether a reader, now or later, may read at a version in [from, below).
 * @returns Slots in ascending order.
 */
// oxlint-disable-next-line eslint/max-params -- the page and three facts about its readers
export function prunableSlots(
  page: PageView,
  horizon: number,
  mayPruneLast: boolean,
  isSeen: IsSeen = seesAll,
): number[] {
  const count = entryCount(page);
  const slots: number[] = [];
  let from = 0;
  while (from < count) {
    let to = from + 1;
    while (to < count && hasSameKey(page, to - 1, to)) to++;
    const visible = visibleSlot(page, from, to, horizon);
    for (let slot = from + 1; slot < visible; slot++)
      if (!seesSlot(page, slot, isSeen)) slots.push(slot);
    const isTombstone = visible < to && (entryInfo(page, visible) & INFO_TOMBSTONE) !== 0;
    const first = isTombstone && (to < count || mayPruneLast) ? visible : visible + 1;
    for (let slot = first; slot < to; slot++) slots.push(slot);
    from = to;
  }
  return slots;
}

/** Whether a reader, now or later, may read at a version in [from, below). */
export type IsSeen = (from: number, below: number) => boolean;

/** The first slot of a key's, from the newest on, that is not above the horizon; `to` if none. */
function firstAtOrBelow(page: PageView, from: number, to: number, horizon: number): number {
  let slot = from;
  while (slot < to && leafVersion(page, slot) > horizon) slot++;
  return slot;
}

/**
 * As `firstAtOrBelow`, where it makes a difference: a key's only row, unless it is a tombstone, stays in
 * any case, and its cell, which is in no cache mostly, is not looked at.
 */
// oxlint-disable-next-line eslint/max-params -- a page, a range of it, and the horizon
function visibleSlot(page: PageView, from: number, to: number, horizon: number): number {
  const isAlone = to === from + 1 && (entryInfo(page, from) & INFO_TOMBSTONE) === 0;
  return isAlone ? from : firstAtOrBelow(page, from, to, horizon);
}

/** Whether a reader may fall to this version, which is not the newest of its key. */
function seesSlot(page: PageView, slot: number, isSeen: IsSeen): boolean {
  return isSeen(leafVersion(page, slot), leafVersion(page, slot - 1));
}

function seesAll(): boolean {
  return true;
}

/** Whether two rows of one leaf have the same key. */
export function hasSameKey(page: PageView, a: number, b: number): boolean {
  const wordA = entryWord(page, a);
  const wordB = entryWord(page, b);
  const { u8, u16, u32 } = page;
  const length = u16[2 * wordA + 3]! & INFO_LENGTH_MASK;
  if (u32[wordA] !== u32[wordB] || length !== (u16[2 * wordB + 3]! & INFO_LENGTH_MASK))
    return false;
  const restA = cellAt(page, a) + LEAF_REST_OFFSET;
  const restB = cellAt(page, b) + LEAF_REST_OFFSET;
  const rest = restLength(length);
  for (let at = 0; at < rest; at++) if (u8[restA + at] !== u8[restB + at]) return false;
  return true;
}
