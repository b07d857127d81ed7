import { type DataKeys } from "@kvs/env";
import { type SimStorage } from "@kvs/sim";
import {
  BITMAP_BITS,
  PAGE_BITMAP,
  PAGE_LEAF,
  type PageId,
  type PageLsn,
  PageView,
  type Pager,
  type Run,
  bitOf,
  bitmapPageOf,
  formatPage,
  reservedBits,
  setBits,
  toPageId,
  toPageLsn,
} from "../src/index.ts";
import {
  HEADER,
  type World,
  CountingLog,
  fillBody,
  makeWorld,
  openPager,
  readPage,
} from "./fixture.ts";

/** What one mini-transaction did: runs of pages that were taken and filled, or freed. */
interface LogRecord {
  readonly lsn: number;
  readonly run: Run<PageId>;
  /** What the pages hold; `undefined` if they were freed. */
  readonly word: number | undefined;
  /** The bitmap page as it is afterwards. */
  readonly bitmap: Uint8Array;
}

/**
 * A store as small as can be: runs of pages, taken and freed by logged mini-transactions, with
 * checkpoints that trim the file, and redo after a crash. Every record has the image of all pages that
 * it changed.
 */
export class LoggedPages {
  readonly records: LogRecord[] = [];
  readonly log: CountingLog = new CountingLog();
  readonly held: { readonly run: Run<PageId>; readonly word: number }[] = [];
  pager!: Pager;
  trimmed = 0;
  readonly #view = new PageView();
  #word = 1;

  async open(world: World, frames = 64, keys?: DataKeys): Promise<void> {
    const sealing = keys === undefined ? {} : { keys };
    this.pager = await openPager(world, { frames, gate: this.log, ...sealing });
  }

  /** Logs an image of each page that is not under the current key, as a change of keys does. */
  async rewriteOldKeys(): Promise<void> {
    const { pages } = await this.pager.pagesUnderOldKeys(toPageId(0), 10_000);
    for (const { run, word } of this.held) {
      if (!pages.some((id) => id >= run.first && id < run.first + run.count)) continue;
      await this.pager.attempt(() => {
        this.#prepare(run, true);
        this.#rewrite(run, word, undefined);
      });
    }
    const bitmaps = pages.filter((id) => bitmapPageOf(id) === id);
    const { run, word } = this.held[0]!;
    // The bitmap page is in every record; one of the first run will do.
    if (bitmaps.length > 0) {
      await this.pager.attempt(() => {
        this.#prepare(run, true);
        this.#rewrite(run, word, bitmaps[0]);
      });
    }
  }

  async take(count: number): Promise<Run<PageId>> {
    const { pager } = this;
    const word = this.#word++;
    const run = await pager.attempt(() => {
      const taken = pager.space.take(count);
      try {
        this.#prepare(taken, true);
      } catch (error) {
        pager.space.release(taken);
        throw error;
      }
      const lsn = this.log.append();
      const bitmap = this.#changeBits(taken, true, lsn);
      for (let at = 0; at < taken.count; at++) this.#fill((taken.first + at) as PageId, word, lsn);
      this.records.push({ lsn, run: taken, word, bitmap });
      return taken;
    });
    this.held.push({ run, word });
    return run;
  }

  /** Frees what was taken as number `at`. */
  async free(at: number): Promise<void> {
    const { pager } = this;
    const { run } = this.held[at]!;
    await pager.attempt(() => {
      this.#prepare(run, false);
      const lsn = this.log.append();
      const bitmap = this.#changeBits(run, false, lsn);
      for (let page = 0; page < run.count; page++) pager.drop((run.first + page) as PageId);
      pager.space.release(run);
      this.records.push({ lsn, run, word: undefined, bitmap });
    });
    this.held.splice(at, 1);
  }

  /** @param onMark Called when the checkpoint has begun, before any page is written. */
  async checkpoint(onMark: () => Promise<void> = () => Promise.resolve()): Promise<void> {
    const { pager } = this;
    const begin = this.log.append();
    pager.markTail();
    const { regionCount } = pager.space;
    await onMark();
    await pager.flushBefore(begin);
    await pager.datasync();
    await pager.writeHeader({ ...HEADER, regionCount, redoLsn: begin, checkpointLsn: begin });
    this.trimmed += await pager.trimTail({ keepPages: 2, stepPages: 7 });
  }

  #rewrite(run: Run<PageId>, word: number, bitmapId: PageId | undefined): void {
    const lsn = this.log.append();
    const frame = this.pager.fetch(bitmapPageOf(run.first), this.#view);
    const bitmap = this.#view.u8.slice(this.#view.base, this.#view.base + 4096);
    if (bitmapId !== undefined) this.pager.dirtied(frame, lsn);
    for (let at = 0; at < run.count; at++) this.#fill((run.first + at) as PageId, word, lsn);
    this.records.push({ lsn, run, word, bitmap });
  }

  #prepare(run: Run<PageId>, isTake: boolean): void {
    const { pager } = this;
    const isNew = pager.space.needsBitmapPage(run);
    if (!isNew) pager.fetch(bitmapPageOf(run.first), this.#view);
    pager.requireFrames((isTake ? run.count : 0) + (isNew ? 1 : 0));
  }

  #changeBits(run: Run<PageId>, isUsed: boolean, lsn: PageLsn): Uint8Array {
    const { pager } = this;
    const view = this.#view;
    const id = bitmapPageOf(run.first);
    if (pager.space.needsBitmapPage(run)) {
      pager.create(id, view);
      formatPage(view, id, PAGE_BITMAP);
      setBits(view, reservedBits(id), true);
      pager.space.beginRegion(Math.floor(id / BITMAP_BITS));
    }
    const frame = pager.fetch(id, view);
    setBits(view, { first: bitOf(run.first), count: run.count }, isUsed);
    pager.dirtied(frame, lsn);
    return view.u8.slice(view.base, view.base + 4096);
  }

  #fill(id: PageId, word: number, lsn: PageLsn): void {
    const frame = this.pager.create(id, this.#view);
    formatPage(this.#view, id, PAGE_LEAF);
    fillBody(this.#view, word);
    this.pager.dirtied(frame, lsn);
  }
}

/** A disk as a crash left it, and the part of the log that survived. */
export interface CrashImage {
  readonly storage: SimStorage;
  /** That the store had then. */
  readonly keys?: DataKeys | undefined;
  readonly records: readonly LogRecord[];
}

/**
 * Recovers and looks at everything: redo never wants a page behind the file's end, what is used is
 * marked and holds what it must, all else is free.
 *
 * @throws {Error} What is wrong.
 */
export async function recoverAndCheck({ storage, records, keys }: CrashImage): Promise<void> {
  const sealing = keys === undefined ? {} : { keys };
  const pager = await openPager(makeWorld({ storage }), { frames: 64, ...sealing });
  const view = new PageView();
  let { regionCount } = pager.header;
  for (const { lsn, run, word, bitmap } of records) {
    if (lsn <= pager.header.redoLsn) continue;
    const lay = async (id: PageId, fill: () => void): Promise<void> => {
      if (id >= pager.pageCount) throw new Error(`redo wants page ${id} of ${pager.pageCount}`);
      await pager.attempt(() => {
        pager.requireFrames(1);
        const frame = pager.create(id, view);
        fill();
        pager.dirtied(frame, toPageLsn(lsn));
      });
    };
    const bitmapId = bitmapPageOf(run.first);
    await lay(bitmapId, () => view.u8.set(bitmap, view.base));
    regionCount = Math.max(regionCount, Math.floor(bitmapId / BITMAP_BITS) + 1);
    if (word === undefined) continue;
    for (let at = 0; at < run.count; at++) {
      const id = toPageId(run.first + at);
      await lay(id, () => {
        formatPage(view, id, PAGE_LEAF);
        fillBody(view, word);
      });
    }
  }
  await pager.space.load(regionCount);
  await checkPages(pager, records, regionCount);
  await pager.close();
}

async function checkPages(
  pager: Pager,
  records: readonly LogRecord[],
  regionCount: number,
): Promise<void> {
  const words = new Map<number, number>();
  for (const { run, word } of records) {
    for (let page = run.first; page < run.first + run.count; page++) {
      if (word === undefined) words.delete(page);
      else words.set(page, word);
    }
  }
  for (const [page, word] of words) {
    const id = toPageId(page);
    if (pager.space.isFree(id)) throw new Error(`page ${page} is used, and marked as free`);
    const found = await readPage(pager, id);
    if (found !== word) throw new Error(`page ${page} of ${word} holds ${found}`);
  }
  const used = words.size + (regionCount === 0 ? 2 : 2 + regionCount);
  const free = pager.pageCount - used;
  if (pager.space.freePages !== free) {
    throw new Error(`${pager.space.freePages} pages are free, ${free} should be`);
  }
}
