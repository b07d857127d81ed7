import { NO_PAGE, type PageId, PageView } from "@kvs/pager";
import { Descent } from "./descent.ts";
import { type PageReader, type PageWriter } from "./page-writer.ts";
import { type Probe } from "./probe.ts";
import { findChild } from "./search.ts";
import { setChildAt, setNextPage } from "./tree-page.ts";
import { type TreeState } from "./tree-state.ts";
import { writePageAs } from "./write-page-as.ts";

/** Pages that must be resident at once: more than any other change of a tree needs. */
export const PAGE_MOVE_FRAMES = 6;

/**
 * Moves a page of a tree to a lower place in the file, so that the file's tail becomes free. One
 * mini-transaction changes the parent, the left sibling, the new page and one or two bitmap pages: see
 * that there are more than `PAGE_MOVE_FRAMES` frames. A root keeps its place.
 */
export class PageMove {
  readonly #tree: TreeState;
  readonly #writer: PageWriter;
  readonly #page: Descent;
  readonly #parent: Descent;
  readonly #before: Descent;
  readonly #target = new PageView();
  #level = 0;

  constructor(tree: TreeState, pages: PageReader, writer: PageWriter) {
    this.#tree = tree;
    this.#writer = writer;
    this.#page = new Descent(tree, pages);
    this.#parent = new Descent(tree, pages);
    this.#before = new Descent(tree, pages);
  }

  /** Begins with the page of `level` that this probe belongs to. */
  begin(probe: Probe, level: number): void {
    this.#level = level;
    for (const descent of [this.#page, this.#parent]) {
      descent.probe.set(probe.bytes, probe.length, probe.version);
      descent.restart();
    }
    this.#before.restart();
  }

  /**
   * Moves the page, if a free one is lower.
   *
   * @returns where it is now; `NO_PAGE` if it stays: nothing changed.
   * @throws {PageMiss} before anything changed; call again.
   */
  run(): PageId {
    const writer = this.#writer;
    const level = this.#level;
    this.#page.reachWithFences(level);
    if (this.#page.isRoot(level)) return NO_PAGE;
    const id = this.#page.pageAt(level);
    this.#parent.reach(level + 1);
    const parentFrame = writer.need(this.#parent.pageAt(level + 1), this.#parent.view);
    const beforeFrame = this.#needBefore();
    writer.need(id, this.#page.view);
    writer.needBits({ first: id, count: 1 });
    const to = writer.allocate();
    if (to >= id) return NO_PAGE; // what was picked is given back with the attempt

    writer.begin("none");
    writer.create(to, this.#target);
    writePageAs(this.#target, to, this.#page.view);
    setChildAt(this.#parent.view, findChild(this.#parent.view, this.#parent.probe), to);
    writer.image(parentFrame);
    if (beforeFrame !== undefined) {
      setNextPage(this.#before.view, to);
      writer.image(beforeFrame);
    }
    writer.free({ first: id, count: 1 });
    writer.end();
    this.#tree.structureVersion++;
    this.#tree.changeVersion++;
    return to;
  }

  /** The page on the left, which links to this one. */
  #needBefore(): number | undefined {
    const { low } = this.#page;
    if (!low.isFinite) return undefined;
    const before = this.#before;
    before.probe.set(low.bytes, low.length, low.version);
    before.reachBefore(this.#level);
    return this.#writer.need(before.pageAt(this.#level), before.view);
  }
}
