import { assert } from "@kvs/env";
import { protocolError } from "@kvs/protocol";

/** What a cursor walks over: entries of keys, or documents. */
export interface CursorSource {
  /** The next items, as fields of a response are to be written, and whether they are the last. */
  next(itemsMax: number, bytesMax: number): Promise<CursorStep>;
  /** Gives up what the walk holds, also while a step is under way. Called once. */
  close(): void;
}

/** One step: fields in the order in which they are written. */
export interface CursorStep {
  readonly fields: readonly CursorField[];
  readonly isEnd: boolean;
}

/** Bytes; a version; or nothing. */
export type CursorField = Uint8Array | number | undefined;

interface OpenCursor {
  readonly source: CursorSource;
  /** Whether a step is under way. */
  isBusy: boolean;
  lastUsedMs: number;
}

export interface CursorTableOptions {
  readonly cursorsMax: number;
  readonly idleMs: number;
  /** Sabotage: cursors live as long as their connection. */
  readonly neverExpires: boolean;
}

/**
 * The open cursors of one connection. Ids are 1, 2, 3 …, and never used again.
 *
 * A cursor goes when it is read to its end, fails, is closed, or was not stepped for the idle time;
 * a step of any of these is `CURSOR_EXPIRED`.
 */
export class CursorTable {
  readonly #options: CursorTableOptions;
  readonly #cursors = new Map<number, OpenCursor>();
  #lastId = 0;

  constructor(options: CursorTableOptions) {
    this.#options = options;
  }

  get count(): number {
    return this.#cursors.size;
  }

  /**
   * Checks that there is room for one more. Call it before the source is made.
   *
   * @throws {KvsError} `TOO_MANY_CURSORS`.
   */
  checkRoom(): void {
    const { cursorsMax } = this.#options;
    if (this.#cursors.size < cursorsMax) return;
    throw protocolError(
      "TOO_MANY_CURSORS",
      `${cursorsMax} cursors of this connection are open, as many as it may have; ` +
        "read them to their end, or leave their loops",
      { details: { cursorsMax } },
    );
  }

  /** Adds a cursor and returns its id. */
  open(source: CursorSource, nowMs: number): number {
    assert(this.#cursors.size < this.#options.cursorsMax, "there was room for the cursor");
    this.#lastId++;
    this.#cursors.set(this.#lastId, { source, isBusy: false, lastUsedMs: nowMs });
    return this.#lastId;
  }

  /**
   * Makes a step of a cursor, and closes it after the last one or a failure.
   *
   * @throws {KvsError} `CURSOR_EXPIRED`; `PROTOCOL_BAD_REQUEST` if a step of it is under way.
   */
  async step(id: number, bounds: StepBounds): Promise<CursorStep> {
    const cursor = this.#cursors.get(id);
    if (cursor === undefined) throw expired(id);
    if (cursor.isBusy) {
      const message = `cursor ${id} is asked for a step while another is under way`;
      throw protocolError("PROTOCOL_BAD_REQUEST", message, { details: { cursor: id } });
    }
    cursor.isBusy = true;
    cursor.lastUsedMs = bounds.nowMs;
    try {
      const step = await cursor.source.next(bounds.itemsMax, bounds.bytesMax);
      if (step.isEnd) this.close(id);
      return step;
    } catch (error) {
      this.close(id);
      throw error;
    } finally {
      cursor.isBusy = false;
    }
  }

  /** Closes a cursor, if it is open. */
  close(id: number): void {
    const cursor = this.#cursors.get(id);
    if (cursor === undefined) return;
    this.#cursors.delete(id);
    cursor.source.close();
  }

  /** Closes those that nobody stepped for the idle time. Returns how many. */
  expire(nowMs: number): number {
    if (this.#options.neverExpires) return 0;
    let count = 0;
    for (const [id, cursor] of this.#cursors) {
      if (cursor.isBusy || nowMs - cursor.lastUsedMs < this.#options.idleMs) continue;
      this.close(id);
      count++;
    }
    return count;
  }

  closeAll(): void {
    for (const id of this.#cursors.keys()) this.close(id);
  }
}

export interface StepBounds {
  readonly itemsMax: number;
  readonly bytesMax: number;
  readonly nowMs: number;
}

function expired(id: number): Error {
  return protocolError(
    "CURSOR_EXPIRED",
    `cursor ${id} is not open: it was closed, or not stepped for too long; begin again`,
    { details: { cursor: id } },
  );
}
