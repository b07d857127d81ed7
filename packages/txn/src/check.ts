import { checkTree } from "@kvs/btree";
import {
  BITMAP_BITS,
  type PageId,
  PageView,
  type Pager,
  type Run,
  bitOf,
  bitmapPageOf,
  hasBit,
  reservedBits,
} from "@kvs/pager";
import { type Forest } from "./forest.ts";

/**
 * What is wrong with a store.
 *
 * - A fault of a tree, as `checkTree` of `@kvs/btree` names it.
 * - `shared`: a page belongs to two trees or values.
 * - `leaked`: a page is marked as used, and nothing owns it.
 * - `unmarked`: a page is owned, and marked as free: it may be overwritten.
 * - `unreadable`: a bitmap page cannot be read.
 */
export interface StoreFinding {
  readonly type: string;
  /** The tree's name, or "" for what belongs to none. */
  readonly tree: string;
  readonly page: number;
  readonly message: string;
}

/** Findings after which a check stops looking for more. */
const FINDINGS_MAX = 1000;

/**
 * Reads every tree and every bitmap page: structure, and that each page has exactly one owner, or is
 * free. Nothing must change meanwhile.
 */
export async function checkStore(pager: Pager, forest: Forest): Promise<readonly StoreFinding[]> {
  const check = new StoreCheck(pager);
  const names = new Map([...forest.names()].map(([name, treeId]) => [treeId, name]));
  for (const { state } of forest.all()) {
    const name = names.get(state.treeId) ?? "(catalog)";
    const report = await checkTree(state, pager, (body) => pager.attempt(body));
    for (const { type, page, message } of report.findings) {
      check.find({ type, tree: name, page, message });
    }
    for (const page of report.pages) check.own({ first: page, count: 1 }, name);
    for (const run of report.runs) check.own(run, name);
  }
  await check.compareBitmaps();
  return check.findings;
}

class StoreCheck {
  readonly findings: StoreFinding[] = [];
  readonly #pager: Pager;
  /** A byte for each page: 1 if something owns it. */
  readonly #owned: Uint8Array;

  constructor(pager: Pager) {
    this.#pager = pager;
    this.#owned = new Uint8Array(pager.pageCount);
  }

  find(finding: StoreFinding): void {
    if (this.findings.length < FINDINGS_MAX) this.findings.push(finding);
  }

  /** Notes that a tree, or a value in it, owns these pages. */
  own(run: Run<PageId>, tree: string): void {
    for (let page: number = run.first; page < run.first + run.count; page++) {
      if (page >= this.#owned.length) {
        this.find({ type: "unmarked", tree, page, message: "the page is behind the file's end" });
      } else if (this.#owned[page] === 1) {
        this.find({ type: "shared", tree, page, message: "the page has another owner" });
      }
      this.#owned[page] = 1;
    }
  }

  async compareBitmaps(): Promise<void> {
    const { regionCount } = this.#pager.space;
    for (let region = 0; region < regionCount; region++) {
      const id = bitmapPageOf((region * BITMAP_BITS) as PageId);
      const reserved = reservedBits(id);
      for (let bit = reserved.first; bit < reserved.first + reserved.count; bit++) {
        this.#owned[region * BITMAP_BITS + bit] = 1;
      }
      try {
        await this.#pager.attempt(() => this.#compareRegion(region, id));
      } catch (error) {
        this.find({ type: "unreadable", tree: "", page: id, message: String(error) });
      }
    }
  }

  #compareRegion(region: number, id: PageId): void {
    const view = new PageView();
    this.#pager.fetch(id, view);
    const from = region * BITMAP_BITS;
    const to = Math.min(from + BITMAP_BITS, this.#owned.length);
    for (let page = from; page < to; page++) {
      const isMarked = hasBit(view, bitOf(page as PageId));
      const isOwned = this.#owned[page] === 1;
      const isTaken = !this.#pager.space.isFree(page as PageId);
      if (isMarked && !isOwned) {
        this.find({ type: "leaked", tree: "", page, message: "the page is used by nothing" });
      }
      if (!isMarked && isOwned) {
        this.find({ type: "unmarked", tree: "", page, message: "a used page is marked as free" });
      }
      if (isMarked !== isTaken) {
        const message = "memory and bitmap differ on whether the page is in use";
        this.find({ type: "unmarked", tree: "", page, message });
      }
    }
  }
}
