import { assert } from "@kvs/env";
import { type FrameCache } from "./frame-cache.ts";
import { NO_PAGE, type PageId } from "./page-id.ts";
import { type PageLoader } from "./page-loader.ts";
import { PageMiss } from "./page-miss.ts";
import { closed } from "./pager-error.ts";
import { type Attempt, type Room } from "./room.ts";

/** A body that misses more pages than this is taken for one that makes no progress. */
const MISSES_MAX = 2 ** 24;

export interface AttemptRunnerParts {
  readonly path: string;
  readonly cache: FrameCache;
  readonly room: Room;
  readonly loader: PageLoader;
  grow(pages: number): Promise<void>;
}

/**
 * Runs bodies of synchronous work on pages, and runs them again from their start after each miss, with
 * what was missing at hand. `Pager` says what bodies may do.
 */
export class AttemptRunner {
  misses = 0;
  readonly #parts: AttemptRunnerParts;
  readonly #miss = new PageMiss();
  #isClosed = false;

  constructor(parts: AttemptRunnerParts) {
    this.#parts = parts;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** From here on every attempt fails with `PAGER_CLOSED`. */
  close(): void {
    this.#isClosed = true;
  }

  /** Stops the body under way. */
  throwMiss(pageId: PageId, frames: number, pages: number): never {
    const miss = this.#miss;
    miss.pageId = pageId;
    miss.frames = frames;
    miss.pages = pages;
    this.misses++;
    throw miss;
  }

  runSync<T>(body: () => T): T {
    const { path, cache, loader } = this.#parts;
    if (this.#isClosed) throw closed(path);
    try {
      for (let misses = 0; ; misses++) {
        try {
          return body();
        } catch (error) {
          if (error !== this.#miss) throw error;
        }
        assert(this.#miss.pageId !== NO_PAGE, "a body that only reads needs pages, nothing else");
        assert(misses < MISSES_MAX, "a body makes progress with one page at a time");
        cache.endPeriod();
        loader.loadSync(this.#miss.pageId);
      }
    } finally {
      cache.clearSpare();
    }
  }

  async run<T>(body: () => T): Promise<T> {
    const { path, room } = this.#parts;
    let attempt: Attempt | undefined;
    try {
      for (let misses = 0; ; misses++) {
        if (this.#isClosed) throw closed(path);
        if (attempt !== undefined) room.returnSetAside(attempt); // and use it in this turn
        try {
          return body();
        } catch (error) {
          if (error !== this.#miss) throw error;
        }
        assert(misses < MISSES_MAX, "a body makes progress from run to run");
        attempt ??= room.begin();
        await this.#provide(attempt).catch((error: unknown) => {
          throw this.#isClosed ? closed(path) : error;
        });
      }
    } finally {
      if (attempt !== undefined) room.end(attempt);
    }
  }

  /** Provides what the last miss asked for. */
  async #provide(attempt: Attempt): Promise<void> {
    const { cache, room, loader } = this.#parts;
    const { pageId, frames, pages } = this.#miss;
    cache.endPeriod();
    if (pageId !== NO_PAGE) await loader.load(attempt, pageId);
    else if (pages > 0) await this.#parts.grow(pages);
    else await room.take(attempt, frames, true);
  }
}
