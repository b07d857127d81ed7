import { type Archiver } from "./archiver.ts";
import { type GroupCommit } from "./group-commit.ts";
import { failureOf } from "./log-space.ts";
import { type Retentions } from "./retention.ts";
import { type Sabotage } from "./sabotage.ts";
import { type SegmentSet } from "./segment-set.ts";

export interface HeadTruncationParts {
  readonly segments: SegmentSet;
  readonly commit: GroupCommit;
  readonly retentions: Retentions;
  readonly archiver: Archiver | undefined;
  readonly spareSegments: number;
  readonly sabotage: Sabotage;
}

/** Drops segments from the head on, as far as nobody retains them and they are archived. */
export class HeadTruncation {
  readonly #parts: HeadTruncationParts;
  /** Where the log may begin, as far as its users said. */
  #wanted = 0;
  #isClosed = false;

  constructor(parts: HeadTruncationParts) {
    this.#parts = parts;
  }

  /** Notes that what lies before `position` is not needed, and drops what may go now. */
  async dropBefore(position: number): Promise<void> {
    this.#wanted = Math.max(this.#wanted, Math.min(position, this.#retainedFrom));
    await this.#drop();
  }

  /** Drops what the archive has taken meanwhile. Never rejects. */
  async resume(): Promise<void> {
    try {
      await this.#drop();
    } catch {
      // A full disk: the next truncation tries again. Anything else has ended the log's life.
    }
  }

  /** The log ends at `position` now: what will follow is needed. */
  cutAfter(position: number): void {
    this.#wanted = Math.min(this.#wanted, position);
  }

  close(): void {
    this.#isClosed = true;
  }

  get #retainedFrom(): number {
    return this.#parts.sabotage.ignoresRetention ? Infinity : this.#parts.retentions.minimum;
  }

  async #drop(): Promise<void> {
    const { segments, commit, archiver, spareSegments, sabotage } = this.#parts;
    const { geometry } = segments;
    const archivedTo = sabotage.dropsBeforeArchive ? Infinity : (archiver?.archivedTo ?? Infinity);
    const position = Math.min(this.#wanted, this.#retainedFrom, commit.durableLsn);
    const isOver = this.#isClosed || commit.failure !== undefined;
    if (isOver || position <= segments.headBase) return;
    // The head has begun: a segment that only will begin with the next record is none.
    const start = geometry.startAfter(position);
    const isBegun = start < commit.durableLsn;
    const keep = isBegun ? geometry.baseOf(start) : geometry.baseBefore(position);
    const tailBase = geometry.baseBefore(commit.durableLsn);
    try {
      await segments.dropBefore(Math.min(keep, archivedTo), tailBase, spareSegments);
    } catch (error) {
      throw failureOf(commit, error);
    }
  }
}
