import { PAGE_MOVE_FRAMES, PageMove, Descent, NEWEST_VERSION, Probe, TreeFill } from "@kvs/btree";
import { type Clock, isKvsError, yieldTurn } from "@kvs/env";
import { NO_PAGE, PAGE_BYTES, type PageId, type Pager } from "@kvs/pager";
import { type Wal } from "@kvs/wal";
import { repeatUntilDone } from "./attempt-mini.ts";
import { type BatchQueue } from "./batch-queue.ts";
import { ensureUrgentLog } from "./batch-space.ts";
import { type Checkpointer } from "./checkpoint.ts";
import { type Forest, type TreeHandle } from "./forest.ts";
import { type MiniTransaction } from "./mini-transaction.ts";
import { type MutationGuard } from "./mutation-guard.ts";
import { rootLevelOf } from "./root-level.ts";
import { type Timestamp } from "./timestamp.ts";

/** Leaves looked at in one turn among the batches: a few milliseconds at most. */
const LEAVES_PER_TURN = 8;
/** Log that one turn may write: of each leaf two images, of its parent and a bitmap page one each. */
const LOG_BYTES_PER_TURN: number = LEAVES_PER_TURN * (24 << 10);
/** Fewer frames than this are left to the batches. */
const FRAMES_MIN: number = 8 * PAGE_MOVE_FRAMES;

export interface CompactorParts {
  readonly clock: Clock;
  readonly forest: Forest;
  readonly pager: Pager;
  readonly wal: Wal;
  readonly mini: MiniTransaction;
  readonly guard: MutationGuard;
  readonly queue: BatchQueue;
  readonly checkpointer: Checkpointer;
  readonly horizon: () => Timestamp;
}

/** What a compaction did. */
export interface CompactionReport {
  /** Pages in use before and after. */
  readonly pagesBefore: number;
  readonly pagesAfter: number;
  /** Pages moved towards the file's start. */
  readonly pagesMoved: number;
  /** Bytes by which the page file is shorter. */
  readonly bytesReturned: number;
}

/**
 * Makes a store small: removes what no reader can need, fills leaves that are half empty, moves pages
 * from the end of the file into holes, and gives the end back to the file system. All of it in small
 * steps among the batches: nobody waits for more than one turn.
 */
export class Compactor {
  readonly #parts: CompactorParts;
  #isStopped = false;
  #running: Promise<CompactionReport> | undefined;

  constructor(parts: CompactorParts) {
    this.#parts = parts;
  }

  /** Compacts the whole store. A second call while one is under way is the same. */
  run(): Promise<CompactionReport> {
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  /** Begins no more steps, and waits for the one under way. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#running?.catch(() => undefined); // whoever called for it is told
  }

  async #run(): Promise<CompactionReport> {
    const { forest, pager, checkpointer } = this.#parts;
    const pageCount = pager.pageCount;
    const pagesBefore = this.#pagesInUse;
    for (const tree of forest.all()) {
      await this.#prune(tree);
      await this.#fill(tree);
    }
    let pagesMoved = 0;
    if (pager.frameCount >= FRAMES_MIN) {
      for (const tree of forest.all()) pagesMoved += await this.#moveDown(tree);
    }
    if (!this.#isStopped) await checkpointer.run();
    const bytesReturned = Math.max(0, pageCount - pager.pageCount) * PAGE_BYTES;
    return { pagesBefore, pagesAfter: this.#pagesInUse, pagesMoved, bytesReturned };
  }

  get #pagesInUse(): number {
    const { pager } = this.#parts;
    return pager.pageCount - pager.space.freePages;
  }

  /** Removes from every leaf what nobody can need: else full leaves would be full of that. */
  #prune(tree: TreeHandle): Promise<void> {
    return this.#eachPage(tree, 0, async (probe) => {
      tree.writer.begin(probe);
      await this.#repeat(() => tree.writer.vacuum(this.#parts.horizon()));
    });
  }

  /** Fills every leaf from the next. */
  async #fill(tree: TreeHandle): Promise<void> {
    const fill = new TreeFill(tree.state, this.#parts.pager, this.#parts.mini);
    fill.begin(new Probe().set(NO_KEY, 0, NEWEST_VERSION));
    await this.#inTurns(async () => {
      let isLast = false;
      await this.#repeat(() => {
        isLast = fill.step();
        return true;
      });
      return isLast;
    });
  }

  /** Moves pages that lie behind as many places as pages are in use. The upper levels go first. */
  async #moveDown(tree: TreeHandle): Promise<number> {
    const { pager, mini } = this.#parts;
    const move = new PageMove(tree.state, pager, mini);
    let moved = 0;
    for (let level = (await rootLevelOf(tree.state, pager)) - 1; level >= 0; level--) {
      await this.#eachPage(tree, level, async (probe, page) => {
        if (page >= this.#pagesInUse && (await this.#move(move, probe, level))) moved++;
      });
    }
    return moved;
  }

  /** Visits the pages of a level from left to right, each with a position that belongs there. */
  async #eachPage(
    tree: TreeHandle,
    level: number,
    visit: (probe: Probe, page: PageId) => Promise<void>,
  ): Promise<void> {
    const { pager } = this.#parts;
    const descent = new Descent(tree.state, pager);
    const probe = new Probe().set(NO_KEY, 0, NEWEST_VERSION);
    await this.#inTurns(async () => {
      if (level > 0 && (await rootLevelOf(tree.state, pager)) <= level) return true; // it has become lower
      descent.probe.copyFrom(probe);
      descent.restart();
      const page = await pager.attempt(() => {
        descent.reachWithFences(level);
        return descent.pageAt(level);
      });
      await visit(probe, page);
      const { high } = descent;
      if (high.isFinite) probe.set(high.bytes, high.length, high.version);
      return !high.isFinite;
    });
  }

  async #move(move: PageMove, probe: Probe, level: number): Promise<boolean> {
    let hasMoved = false;
    move.begin(probe, level);
    await this.#repeat(() => {
      hasMoved = move.run() !== NO_PAGE;
      return true;
    });
    this.#parts.mini.startAttempt(); // a place that was too high is given back
    return hasMoved;
  }

  /** Repeats `step` until it returns true, a few at a time among the batches. */
  async #inTurns(step: () => Promise<boolean>): Promise<void> {
    const { clock, queue, wal } = this.#parts;
    for (let isDone = false; !isDone && !this.#isStopped;) {
      await this.#makeLog();
      isDone = await queue.exclusive(async () => {
        await wal.room();
        await ensureUrgentLog(wal, LOG_BYTES_PER_TURN);
        for (let leaves = 0; leaves < LEAVES_PER_TURN; leaves++) if (await step()) return true;
        return false;
      });
      await yieldTurn(clock);
    }
  }

  /** On a full disk a checkpoint sets log free for the next turns. */
  async #makeLog(): Promise<void> {
    const { wal, checkpointer } = this.#parts;
    try {
      await ensureUrgentLog(wal, LOG_BYTES_PER_TURN);
    } catch (error) {
      if (!isKvsError(error, "WAL_DISK_FULL") || !checkpointer.hasLogToDrop) throw error;
      await checkpointer.run();
    }
  }

  #repeat(step: () => boolean): Promise<void> {
    return repeatUntilDone(this.#parts, step);
  }
}

const NO_KEY = new Uint8Array(0);
