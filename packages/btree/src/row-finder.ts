import { NO_PAGE, PageView } from "@kvs/pager";
import { damagedPage } from "./btree-error.ts";
import { type Descent } from "./descent.ts";
import { type PageReader } from "./page-writer.ts";
import { type Probe } from "./probe.ts";
import { findChild, findRow, hasKey } from "./search.ts";
import { childAt, entryCount, nextPage, pageLevel, treeIdOf } from "./tree-page.ts";
import { type TreeState } from "./tree-state.ts";

/**
 * Finds single rows. Hot: the way down is a loop over resident pages that allocates nothing.
 *
 * After a hit `view` and `slot` tell where the row is, valid until the next call that may load or
 * evict a page.
 */
export class RowFinder {
  readonly view: PageView = new PageView();
  slot = 0;
  readonly #pages: PageReader;

  constructor(pages: PageReader) {
    this.#pages = pages;
  }

  /**
   * Finds the newest row of the probe's key that is not newer than the probe's version.
   *
   * @throws {PageMiss}: the way begins at the root again; see `findBy`. {KvsError}
   *   `BTREE_DAMAGED_PAGE`.
   */
  find(tree: TreeState, probe: Probe): boolean {
    const { view } = this;
    const pages = this.#pages;
    pages.fetch(tree.rootId, view);
    let level = pageLevel(view);
    while (level > 0) {
      const child = childAt(view, findChild(view, probe));
      pages.fetch(child, view);
      level--;
      if (pageLevel(view) !== level) throw damagedPage(child, "its level is wrong");
    }
    if (treeIdOf(view) !== tree.treeId) throw damagedPage(tree.rootId, "a leaf of another tree");
    this.slot = findRow(view, probe);
    return this.slot >= 0 || this.#findBehind(probe);
  }

  /** The row is not in its leaf: if it should stand behind all others there, it may be in the next. */
  #findBehind(probe: Probe): boolean {
    const { view } = this;
    this.slot = ~this.slot;
    if (this.slot < entryCount(view)) return false;
    while (this.slot === entryCount(view)) {
      const next = nextPage(view);
      if (next === NO_PAGE) return false;
      this.#pages.fetch(next, view);
      this.slot = 0;
    }
    return hasKey(view, 0, probe, true);
  }

  /**
   * As `find` with the descent's probe, but goes on where the last miss stopped it: one page at a
   * time needs to be resident. It may move the probe on; set it anew for another search.
   *
   * @throws {PageMiss}: call again. {KvsError} `BTREE_DAMAGED_PAGE`.
   */
  findBy(descent: Descent): boolean {
    const { probe, high } = descent;
    for (;;) {
      descent.reachWithFences(0);
      this.#pages.fetch(descent.pageAt(0), this.view);
      this.slot = findRow(this.view, probe);
      if (this.slot >= 0) return true;
      this.slot = ~this.slot;
      if (this.slot < entryCount(this.view)) return false;
      if (!high.hasKey(probe.bytes, probe.length)) return false;
      probe.set(probe.bytes, probe.length, high.version); // the key's older versions go on there
      descent.restart();
    }
  }
}
