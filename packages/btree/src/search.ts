import { type PageView } from "@kvs/pager";
import { NEWEST_VERSION, type Probe } from "./probe.ts";
import {
  COUNT_OFFSET,
  HEAD_BYTES,
  INFO_LENGTH_MASK,
  INFO_VERSION,
  INTERIOR_REST_OFFSET,
  LEAF_REST_OFFSET,
  PREFIX_LENGTH_OFFSET,
  entriesOffset,
  versionHigh,
  versionLow,
} from "./tree-page.ts";

const NEWEST_HIGH: number = Math.floor(NEWEST_VERSION / 0x1_0000_0000);
const NEWEST_LOW: number = NEWEST_VERSION >>> 0;

/**
 * Binary search inside one page. Hot: it runs once a level for every operation, over integers and
 * bytes alone, and without the asserts that the rest of the package has.
 *
 * The prefix is not compared: a probe that reached this page through its ancestors has it
 * (invariant 2 of tree-page.ts).
 */

/**
 * The first slot of a leaf whose entry is not before the probe; the count if there is none.
 */
export function lowerBound(page: PageView, probe: Probe): number {
  const { u16, u32, base } = page;
  const prefix = u16[(base + PREFIX_LENGTH_OFFSET) >>> 1]!;
  const entries = (base + entriesOffset(prefix)) >>> 2;
  const head = probe.headFrom(prefix);
  let low = 0;
  let high = u16[(base + COUNT_OFFSET) >>> 1]!;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const word = entries + 2 * middle;
    const other = u32[word]!;
    const isBefore = other === head ? compareLeafTail(page, word, probe) < 0 : other < head;
    if (isBefore) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * The slot of the last separator of an interior page that is not behind the probe, -1 if all are:
 * the child to descend to.
 */
export function findChild(page: PageView, probe: Probe): number {
  const { u16, u32, base } = page;
  const prefix = u16[(base + PREFIX_LENGTH_OFFSET) >>> 1]!;
  const entries = (base + entriesOffset(prefix)) >>> 2;
  const head = probe.headFrom(prefix);
  let low = 0;
  let high = u16[(base + COUNT_OFFSET) >>> 1]!;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const word = entries + 2 * middle;
    const other = u32[word]!;
    const isBehind = other === head ? compareInteriorTail(page, word, probe) > 0 : other > head;
    if (isBehind) high = middle;
    else low = middle + 1;
  }
  return low - 1;
}

/** As {@link findChild}, but only separators strictly before the probe count: for going left. */
export function findChildBefore(page: PageView, probe: Probe): number {
  const slot = findChild(page, probe);
  if (slot < 0) return slot;
  const word = ((page.base + entriesOffset(prefixOf(page))) >>> 2) + 2 * slot;
  const isEqual =
    page.u32[word] === probe.headFrom(prefixOf(page)) &&
    compareInteriorTail(page, word, probe) === 0;
  return isEqual ? slot - 1 : slot;
}

function prefixOf(page: PageView): number {
  return page.u16[(page.base + PREFIX_LENGTH_OFFSET) >>> 1]!;
}

/**
 * Whether the leaf entry at `slot` has the probe's key; its version does not matter.
 *
 * @param isForeign Whether the probe may lack the page's prefix, because it did not reach the page
 *   through its ancestors.
 */
export function hasKey(page: PageView, slot: number, probe: Probe, isForeign: boolean): boolean {
  const { u8, u16, u32, base } = page;
  const prefix = u16[(base + PREFIX_LENGTH_OFFSET) >>> 1]!;
  const word = ((base + entriesOffset(prefix)) >>> 2) + 2 * slot;
  const length = u16[2 * word + 3]! & INFO_LENGTH_MASK;
  if (prefix + length !== probe.length || u32[word] !== probe.headFrom(prefix)) return false;
  if (isForeign && !hasPrefix(page, prefix, probe)) return false;
  const rest = base + u16[2 * word + 2]! + LEAF_REST_OFFSET - HEAD_BYTES;
  const { bytes } = probe;
  for (let at = HEAD_BYTES; at < length; at++) {
    if (u8[rest + at] !== bytes[prefix + at]) return false;
  }
  return true;
}

function hasPrefix(page: PageView, prefix: number, probe: Probe): boolean {
  const start = page.base + entriesOffset(0);
  for (let at = 0; at < prefix; at++) {
    if (page.u8[start + at] !== probe.bytes[at]) return false;
  }
  return true;
}

/** Sign of entry minus probe, for a leaf entry whose head equals the probe's. */
function compareLeafTail(page: PageView, word: number, probe: Probe): number {
  const { u8, u16, base } = page;
  const cell = base + u16[2 * word + 2]!;
  const order = compareRest(page, word, cell + LEAF_REST_OFFSET, probe);
  if (order !== 0) return order;
  const high = probe.versionHigh - versionHigh(u8, cell); // newer is before
  return high !== 0 ? high : probe.versionLow - versionLow(u8, cell);
}

/** Sign of separator minus probe, for an interior entry whose head equals the probe's. */
function compareInteriorTail(page: PageView, word: number, probe: Probe): number {
  const { u8, u16, base } = page;
  const rest = base + u16[2 * word + 2]! + INTERIOR_REST_OFFSET;
  const order = compareRest(page, word, rest, probe);
  if (order !== 0) return order;
  const info = u16[2 * word + 3]!;
  if ((info & INFO_VERSION) === 0) return compareToNewest(probe);
  const length = info & INFO_LENGTH_MASK;
  const at = rest + (length > HEAD_BYTES ? length - HEAD_BYTES : 0);
  const high = probe.versionHigh - versionHigh(u8, at);
  return high !== 0 ? high : probe.versionLow - versionLow(u8, at);
}

/** A separator without version stands where a row of the newest possible version would. */
function compareToNewest(probe: Probe): number {
  const isNewest = probe.versionHigh === NEWEST_HIGH && probe.versionLow === NEWEST_LOW;
  return isNewest ? 0 : -1;
}

/** Sign of the entry's key minus the probe's, by the bytes behind the head, then by length. */
function compareRest(page: PageView, word: number, rest: number, probe: Probe): number {
  const { u8, u16, base } = page;
  const prefix = u16[(base + PREFIX_LENGTH_OFFSET) >>> 1]!;
  const length = u16[2 * word + 3]! & INFO_LENGTH_MASK;
  const sought = probe.length - prefix;
  const common = length < sought ? length : sought;
  const { bytes } = probe;
  for (let at = HEAD_BYTES; at < common; at++) {
    const order = u8[rest + at - HEAD_BYTES]! - bytes[prefix + at]!;
    if (order !== 0) return order;
  }
  return length - sought;
}
