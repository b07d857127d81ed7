import { type PageView } from "@kvs/pager";
import { Fence } from "./fence.ts";
import { NEWEST_VERSION, Probe } from "./probe.ts";
import {
  INFO_VERSION,
  TREE_KEY_BYTES_MAX,
  copyKey,
  entryInfo,
  pageLevel,
  versionAt,
  versionHigh,
  versionLow,
} from "./tree-page.ts";

const TWO_32 = 0x1_0000_0000;

/**
 * The separator between two neighbouring entries of a page: the shortest bytes that stand behind the
 * one and not behind the other, with a version only if both are rows of one key. Of an interior page,
 * whose entry moves up, it is that entry as it is. See invariant 3 of tree-page.ts.
 *
 * Source: Bayer & Unterauer, "Prefix B-Trees" (1977).
 */
export class SeparatorChoice {
  readonly probe: Probe = new Probe();
  readonly fence: Fence = new Fence();
  hasVersion = false;
  readonly #key: Uint8Array = new Uint8Array(TREE_KEY_BYTES_MAX);
  readonly #before: Uint8Array = new Uint8Array(TREE_KEY_BYTES_MAX);

  /** Chooses the one between the entries `slot` − 1 and `slot`. */
  choose(page: PageView, slot: number): void {
    const length = copyKey(page, slot, this.#key);
    let kept = length;
    this.hasVersion = (entryInfo(page, slot) & INFO_VERSION) !== 0;
    if (pageLevel(page) === 0) {
      const before = copyKey(page, slot - 1, this.#before);
      const common = differAt(this.#before, this.#key, Math.min(before, length));
      this.hasVersion = before === length && common === length;
      if (!this.hasVersion) kept = common + 1;
    }
    const version = this.hasVersion ? storedVersion(page, slot) : NEWEST_VERSION;
    this.probe.set(this.#key, kept, version);
    this.fence.set(this.#key, kept, version);
  }

  /** Whether the entries `slot` − 1 and `slot` have different keys. */
  isKeyBoundary(page: PageView, slot: number): boolean {
    const before = copyKey(page, slot - 1, this.#before);
    const length = copyKey(page, slot, this.#key);
    return before !== length || differAt(this.#before, this.#key, length) < length;
  }
}

function storedVersion(page: PageView, slot: number): number {
  const at = versionAt(page, slot);
  return versionHigh(page.u8, at) * TWO_32 + versionLow(page.u8, at);
}

/** The first offset below `length` at which the two differ, else `length`. */
function differAt(a: Uint8Array, b: Uint8Array, length: number): number {
  let at = 0;
  while (at < length && a[at] === b[at]) at++;
  return at;
}
