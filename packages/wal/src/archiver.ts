import { type Environment, assert, yieldTurn } from "@kvs/env";

import { type SegmentSet } from "./segment-set.ts";

/** A segment that is full: its bytes change no more, unless the log is cut before its end. */
export interface FullSegment {
  /** Position of its first byte. */
  readonly base: number;
  /** Position behind its last byte: where the next segment begins. */
  readonly end: number;
  /** Its file. Copy it, or link it: it stays until the promise settles. */
  readonly path: string;
  /** End of its last whole or partial fragment. */
  readonly lastLsn: number;
}

/** Takes full segments into safe keeping before they may go. */
export interface WalArchive {
  /**
   * Takes one segment. They come in order of their bases, one at a time. A segment may come more than
   * once: after a restart all that are still there come again (see `from`), and one that was cut by
   * `truncateAfter` and filled anew comes again; the later copy replaces the earlier.
   *
   * What it throws is told by `stats().archiveError`; the segment is offered again when the next one
   * is full, or with the next `truncateBefore` or `archiveFull`. It stays in the log until it is taken.
   */
  seal(segment: FullSegment): Promise<void>;
  /**
   * Segments that end at or before this position are known to be in the archive: they are not handed
   * out again. Default: none are.
   */
  readonly from?: number;
}

export interface ArchiverParts {
  readonly environment: Environment;
  readonly segments: SegmentSet;
  readonly archive: WalArchive;
  readonly durableLsn: () => number;
  /** Called when the archive has taken a segment. Never rejects. */
  readonly onTaken: () => Promise<void>;
}

/**
 * Hands out full segments, oldest first.
 *
 * 1. A segment is full when the next one has begun, durably.
 * 2. `archivedTo` moves only when the archive has taken a segment; nothing at or behind it is dropped.
 * 3. Nothing of this is stored: after an open every segment that is left is taken for not archived.
 *    Dropped ones were. So a segment may be handed out twice, and never not at all.
 */
export class Archiver {
  readonly #parts: ArchiverParts;
  #archivedTo: number;
  #running: Promise<void> | undefined;
  #isHeld = false;
  #isClosed = false;
  #error: unknown;

  constructor(parts: ArchiverParts) {
    const { segments, archive } = parts;
    this.#parts = parts;
    const from = segments.geometry.baseOf(Math.max(segments.headBase, archive.from ?? 0));
    this.#archivedTo = Math.max(segments.headBase, Math.min(from, this.#fullTo));
  }

  get archivedTo(): number {
    return this.#archivedTo;
  }

  get error(): unknown {
    return this.#error;
  }

  /** Where the first segment begins that is not full. */
  get #fullTo(): number {
    const { segments, durableLsn } = this.#parts;
    return segments.geometry.baseBefore(durableLsn());
  }

  /** Hands out what is full, in the background; does nothing if that is under way. Never rejects. */
  start(): Promise<void> {
    if (this.#isHeld || this.#isClosed || this.#archivedTo >= this.#fullTo) return this.settled();
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  /** Waits for the segment that is being handed out. */
  async settled(): Promise<void> {
    await this.#running;
  }

  /** Runs `body`, which may cut the log, while nothing is handed out. */
  async paused(body: () => Promise<void>): Promise<void> {
    assert(!this.#isHeld, "one cut at a time");
    this.#isHeld = true;
    try {
      await this.#running;
      await body();
      // What was cut will be filled with other records.
      this.#archivedTo = Math.min(this.#archivedTo, this.#fullTo);
    } finally {
      this.#isHeld = false;
    }
  }

  /** Hands out nothing more; waits for the segment that is being handed out. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    const { environment, segments, archive } = this.#parts;
    while (!this.#isHeld && !this.#isClosed && this.#archivedTo < this.#fullTo) {
      const base = this.#archivedTo;
      const end = base + segments.geometry.segmentBytes;
      try {
        const lastLsn = await segments.previousLsnOf(end);
        await archive.seal({ base, end, path: segments.pathOf(base), lastLsn });
      } catch (error) {
        this.#error = error;
        const fields = { base, archivedTo: this.#archivedTo };
        environment.trace.event("warn", "wal", "the archive did not take a segment", fields);
        return;
      }
      this.#error = undefined;
      this.#archivedTo = end;
      await this.#parts.onTaken();
      await yieldTurn(environment.clock);
    }
  }
}
