import { assert } from "@kvs/env";
import { NO_PAGE, type PageId, PageView } from "@kvs/pager";
import { Descent } from "./descent.ts";
import { type PageReader } from "./page-writer.ts";
import { BEHIND_ALL_VERSIONS, type Probe } from "./probe.ts";
import { hasKey, lowerBound } from "./search.ts";
import {
  INFO_OVERFLOW,
  INFO_TOMBSTONE,
  TREE_KEY_BYTES_MAX,
  cellValueAt,
  cellValueLength,
  copyKey,
  entryCount,
  entryInfo,
  leafVersion,
  nextPage,
} from "./tree-page.ts";
import { type TreeState } from "./tree-state.ts";

/**
 * What the cursor knows of its place.
 *
 * - `lost`: key and version alone.
 * - `forward`, `backward`: a descent is on its way to the next row on that side.
 * - `entering`: it goes on at the start of `#leaf`, unless the tree's structure has changed.
 * - `standing`: on `slot` of `#leaf`, unless anything in the tree has changed.
 */
type Mode = "lost" | "forward" | "backward" | "entering" | "standing";

/**
 * Walks over the rows of a tree, in one direction or the other, and survives whatever happens to the
 * tree in between: it remembers its row by key and version and, when the tree has changed, finds the
 * place again. A row that is there all the time is met exactly once; one that comes or goes meanwhile
 * is met or not.
 *
 * `next` and `previous` may throw `PageMiss`: provide the page and call again; nothing has moved.
 * What the fields and views say of the current row is valid within the turn. One page at a time needs
 * to be resident.
 *
 * Cost: a step inside an unchanged leaf is a few array reads and a copy of the key; a step back over
 * a leaf's edge is a descent, for there are no links to the left.
 */
export class Cursor {
  /** The current row's key: the first `keyBytes` bytes. */
  readonly key: Uint8Array = new Uint8Array(TREE_KEY_BYTES_MAX);
  keyBytes = 0;
  /** The current row's version. */
  version = 0;
  /** The leaf of the current row, and its slot there. */
  readonly view: PageView = new PageView();
  slot = -1;
  readonly #tree: TreeState;
  readonly #pages: PageReader;
  readonly #descent: Descent;
  #mode: Mode = "lost";
  /** `changeVersion` while standing, `structureVersion` while entering. */
  #seen = -1;
  /** Whether a row with exactly the remembered key and version is still to come, going forward. */
  #includesPlace = true;
  #leaf: PageId = NO_PAGE;

  constructor(tree: TreeState, pages: PageReader) {
    this.#tree = tree;
    this.#pages = pages;
    this.#descent = new Descent(tree, pages);
  }

  /**
   * Stands before the first row at or behind the probe: `next` gives that row, `previous` the one
   * before it.
   */
  place(probe: Probe): void {
    this.key.set(probe.bytes.subarray(0, probe.length));
    this.keyBytes = probe.length;
    this.version = probe.version;
    this.#includesPlace = true;
    this.#mode = "lost";
  }

  /** Stands behind the last row. */
  placeAtEnd(): void {
    this.key.fill(0xff); // no key is greater
    this.keyBytes = TREE_KEY_BYTES_MAX;
    this.version = BEHIND_ALL_VERSIONS;
    this.#includesPlace = true;
    this.#mode = "lost";
  }

  get isTombstone(): boolean {
    return (entryInfo(this.view, this.slot) & INFO_TOMBSTONE) !== 0;
  }

  /** Whether the value is a descriptor of pages. */
  get isLong(): boolean {
    return (entryInfo(this.view, this.slot) & INFO_OVERFLOW) !== 0;
  }

  /** The value's bytes in the page, or the descriptor's; not copied. */
  valueView(): Uint8Array {
    const from = cellValueAt(this.view, this.slot);
    return this.view.u8.subarray(from, from + cellValueLength(this.view, this.slot));
  }

  /**
   * Moves to the next row. Returns whether there is one; at the end it stays where it is.
   *
   * @throws {PageMiss}
   */
  next(): boolean {
    let slot = this.#nextSlot();
    while (slot >= entryCount(this.view)) {
      const next = nextPage(this.view);
      if (next === NO_PAGE) return this.#lose();
      this.#leaf = next;
      this.#mode = "entering"; // so that an empty leaf is passed once, however often a miss comes
      this.#seen = this.#tree.structureVersion;
      this.#pages.fetch(next, this.view);
      slot = 0;
    }
    this.#stand(slot);
    return true;
  }

  /**
   * Moves to the row before. Returns whether there is one; at the start it stays where it is.
   *
   * @throws {PageMiss}
   */
  previous(): boolean {
    if (this.#isStanding() && this.slot > 0) {
      this.#pages.fetch(this.#leaf, this.view);
      this.#stand(this.slot - 1);
      return true;
    }
    const descent = this.#descent;
    if (this.#mode !== "backward") this.#aim("backward");
    for (;;) {
      descent.reachBefore();
      this.#enter();
      const slot = lowerBound(this.view, descent.probe) - 1;
      if (slot >= 0) {
        this.#stand(slot);
        return true;
      }
      const { low, probe } = descent;
      if (!low.isFinite) return this.#lose();
      probe.set(low.bytes.slice(0, low.length), low.length, low.version); // the fence is reused
      descent.restart();
    }
  }

  /**
   * Moves on to a later row of the leaf that it stands in, in the turn in which it came to stand
   * there: for who reads a whole leaf from `view` at once.
   */
  skipTo(slot: number): void {
    assert(this.#isStanding() && slot >= this.slot, "a cursor skips rows of its own leaf");
    if (slot > this.slot) this.#stand(slot);
  }

  #isStanding(): boolean {
    return this.#mode === "standing" && this.#seen === this.#tree.changeVersion;
  }

  /** Points `view` at the leaf where the next row may be, and says from which slot on. */
  #nextSlot(): number {
    if (this.#isStanding()) {
      this.#pages.fetch(this.#leaf, this.view);
      return this.slot + 1;
    }
    if (this.#mode === "entering" && this.#seen === this.#tree.structureVersion) {
      this.#pages.fetch(this.#leaf, this.view);
      return 0;
    }
    if (this.#mode !== "forward") this.#aim("forward");
    const { probe } = this.#descent;
    this.#descent.reach(0);
    this.#enter();
    const slot = lowerBound(this.view, probe);
    if (this.#includesPlace || slot >= entryCount(this.view)) return slot;
    const isPlace = leafVersion(this.view, slot) === probe.version;
    return isPlace && hasKey(this.view, slot, probe, false) ? slot + 1 : slot;
  }

  #enter(): void {
    this.#leaf = this.#descent.pageAt(0);
    this.#pages.fetch(this.#leaf, this.view);
  }

  #stand(slot: number): void {
    this.slot = slot;
    this.keyBytes = copyKey(this.view, slot, this.key);
    this.version = leafVersion(this.view, slot);
    this.#includesPlace = false;
    this.#mode = "standing";
    this.#seen = this.#tree.changeVersion;
  }

  /** Nothing further this way; the place stays, and what is current is void. */
  #lose(): false {
    this.#mode = "lost";
    return false;
  }

  #aim(mode: "forward" | "backward"): void {
    this.#mode = mode;
    this.#descent.probe.set(this.key, this.keyBytes, this.version);
    this.#descent.restart();
  }
}
