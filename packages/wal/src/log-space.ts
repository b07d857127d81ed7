import { type Environment, assert, isKvsError } from "@kvs/env";

import { type GroupCommit } from "./group-commit.ts";
import { type SegmentSet } from "./segment-set.ts";
import { diskFull, isNoSpace } from "./wal-error.ts";

/** For whom space is asked. */
export interface SpaceRequest {
  /**
   * Whether the records may use the reserve (`WalOptions.reserveBytes`): those that must be written
   * for space to come back, such as undo, checkpoints and deletes. Default: false.
   */
  readonly urgent?: boolean;
}

export interface LogSpaceParts {
  readonly environment: Environment;
  readonly segments: SegmentSet;
  readonly commit: GroupCommit;
  readonly reserveBytes: number;
  /** Bytes of a record's seal. */
  readonly sealBytes: number;
  readonly endLsn: () => number;
}

/**
 * Keeps segments ready ahead of the records that will fill them, so that a full disk is met before
 * anything is begun.
 *
 *     written │ asked for │ reserve │ spare
 *           endLsn                  └ the last segment's end
 *
 * The reserve is nothing but room in segments that exist: no file of its own, nothing to rename when
 * the disk is full, and it is there after a crash. A request that is not urgent succeeds only if
 * the whole reserve is left behind it; so the reserve is full again before anyone else writes.
 */
export class LogSpace {
  readonly #parts: LogSpaceParts;
  #attempt: { readonly base: number; readonly done: Promise<void> } | undefined;
  /** Whether the last attempt met a full disk: the next one looks before it writes zeros. */
  #wasFull = false;

  constructor(parts: LogSpaceParts) {
    this.#parts = parts;
    assert(parts.reserveBytes >= 0, "a reserve is a count of bytes");
  }

  /** Bytes that can be appended before another segment is needed, reserve included. */
  get preparedBytes(): number {
    const { segments, endLsn } = this.#parts;
    return Math.max(0, segments.lastBase + segments.geometry.segmentBytes - endLsn());
  }

  /** Bytes of each record's seal. */
  get sealBytes(): number {
    return this.#parts.sealBytes;
  }

  /** See `Wal.ensureSpace`. */
  ensure(bytes: number, { urgent = false }: SpaceRequest): Promise<void> | undefined {
    const { segments, reserveBytes, sealBytes, endLsn } = this.#parts;
    const { geometry, lastBase } = segments;
    const needed = geometry.imageBytesFor(bytes, sealBytes) + (urgent ? 0 : reserveBytes);
    const base = geometry.baseBefore(endLsn() + needed);
    return base <= lastBase ? undefined : this.#prepareThrough(base);
  }

  /** Fills the reserve if there is space for it; a log opens without, too. */
  async refill(): Promise<void> {
    try {
      await this.ensure(0, {});
    } catch (error) {
      if (!isKvsError(error, "WAL_DISK_FULL")) throw error;
      this.#parts.environment.trace.event("warn", "wal", "no space for the log's reserve");
    }
  }

  /** One attempt at a time: who asks for as much, or less, shares it. */
  #prepareThrough(base: number): Promise<void> {
    if (this.#attempt !== undefined && this.#attempt.base >= base) return this.#attempt.done;
    const before = this.#attempt?.done.catch(() => undefined);
    const attempt = { base, done: this.#prepareAfter(before, base) };
    this.#attempt = attempt;
    const forget = (): void => {
      if (this.#attempt === attempt) this.#attempt = undefined;
    };
    attempt.done.then(forget, forget);
    return attempt.done;
  }

  async #prepareAfter(before: Promise<void> | undefined, base: number): Promise<void> {
    await before;
    const { segments, commit } = this.#parts;
    if (commit.failure !== undefined) throw commit.failure;
    if (this.#wasFull && !(await this.#hasSpace())) throw diskFull(undefined, "none");
    try {
      await segments.prepareThrough(base);
      this.#wasFull = false;
    } catch (error) {
      if (isNoSpace(error)) this.#wasFull = true;
      throw failureOf(commit, error);
    }
  }

  /** Whether zeros for a segment would fit: cheaper to ask than to write them in vain. */
  async #hasSpace(): Promise<boolean> {
    const { environment, segments } = this.#parts;
    try {
      const { freeBytes } = await environment.disk.space(segments.directory);
      return freeBytes >= segments.geometry.segmentBytes;
    } catch {
      return true; // not known: try
    }
  }
}

/** What to throw when changing the log's files failed; ends the life of the log if it must. */
export function failureOf(commit: GroupCommit, error: unknown): unknown {
  if (isNoSpace(error)) return diskFull(error, "none");
  commit.fail(error);
  return commit.failure ?? error;
}
