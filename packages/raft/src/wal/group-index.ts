/**
 * Where in the shared log each entry of one group stands. The same rules for records that are written
 * and for those that are found when the log is opened.
 *
 * A log that was pruned begins in the middle of a group's history, and may hold bases that were replaced
 * since, without the entries behind them. What is known on the way is at most what was there; at the
 * end the last base and the entries behind it are known, for neither was pruned. `image` checks that.
 *
 * Memory: about 100 bytes for each record of entries behind the base.
 */
import { assert } from "@kvs/env";

import { decodeConfiguration } from "../core/configuration-codec.ts";
import { payloadAt, type Payloads, type EntryKind } from "../core/entry.ts";
import { type LogIndex, type Term } from "../core/ids.ts";
import { lastStartAt } from "../core/last-start.ts";
import {
  type ConfigurationAt,
  type DamagedRange,
  type HardState,
  type LogImage,
  type LogPoint,
} from "../core/log-store.ts";
import { type NewBase } from "../core/ready.ts";
import { type TermRun } from "../core/term-runs.ts";
import { logDamaged } from "./log-error.ts";

/** A run of entries, and where it stands. */
export interface Placement {
  readonly kind: EntryKind;
  readonly term: Term;
  readonly firstIndex: LogIndex;
  readonly lastIndex: LogIndex;
  /** The first entry of the record, some of which may be void. */
  readonly recordIndex: LogIndex;
  /** Where its identity begins: what must be kept. */
  readonly position: number;
  /** Where its payloads begin: what is read. Meaningless if they are inline. */
  readonly payloadsStart: number;
  readonly payloadsBytes: number;
  readonly inline: Payloads | undefined;
  readonly isDamaged: boolean;
}

const NO_MEMBERS = { incoming: [], outgoing: [], learners: [], witnesses: [] } as const;

export class GroupIndex {
  #hardState: HardState | undefined;
  #hasBase = false;
  #base: LogPoint = { index: 0, term: 0, configuration: NO_MEMBERS };
  #lastIndex: LogIndex = 0;
  /** Whether nothing but a hard state was met. */
  #isFresh = true;
  #placements: Placement[] = [];
  #hasRepairs = false;
  #hardStatePosition = 0;
  #basePosition = 0;

  get base(): LogPoint {
    return this.#base;
  }

  get lastIndex(): LogIndex {
    return this.#lastIndex;
  }

  get hardState(): HardState | undefined {
    return this.#hardState;
  }

  /** Whether a crash came while the group was made: nobody was told that it exists. */
  get isUnborn(): boolean {
    return this.#isFresh && this.#hardState?.term === 0;
  }

  setHardState(hardState: HardState, position: number): void {
    this.#hardState = hardState;
    this.#hardStatePosition = position;
  }

  /**
   * Adds entries behind the last.
   *
   * A gap before them means that what lies between was pruned, and so is of no use: everything before
   * is forgotten, and a later base has to say so.
   *
   * @throws {KvsError} `RAFT_LOG_DAMAGED` if they are there already.
   */
  append(placement: Placement): void {
    const { firstIndex, lastIndex } = placement;
    if (firstIndex > this.#lastIndex + 1) this.#placements = [];
    else if (firstIndex <= this.#lastIndex) {
      throw logDamaged(`entries from ${firstIndex} on follow entry ${this.#lastIndex}`);
    }
    const before = this.#placements.at(-1);
    if (before !== undefined && placement.term < before.term) {
      throw logDamaged("terms descend along the log");
    }
    this.#isFresh = false;
    this.#placements.push(placement);
    this.#lastIndex = lastIndex;
  }

  /**
   * Takes a new place for entries whose payloads were lost; those that were cut off or dropped since
   * are left out.
   *
   * @throws {KvsError} `RAFT_LOG_DAMAGED` if they are other entries than those that were lost.
   */
  repair(placement: Placement): void {
    const firstIndex = Math.max(placement.firstIndex, this.#placements[0]?.firstIndex ?? Infinity);
    const lastIndex = Math.min(placement.lastIndex, this.#lastIndex);
    if (firstIndex > lastIndex) return;
    this.#hasRepairs = true;
    const kept: Placement[] = [];
    for (const old of this.#placements) {
      if (old.lastIndex < firstIndex || old.firstIndex > lastIndex) {
        kept.push(old);
        continue;
      }
      if (old.term !== placement.term) throw logDamaged("a repair is of another entry");
      if (old.firstIndex < firstIndex) kept.push({ ...old, lastIndex: firstIndex - 1 });
      if (old.lastIndex >= lastIndex) kept.push({ ...placement, firstIndex, lastIndex });
      if (old.lastIndex > lastIndex) kept.push({ ...old, firstIndex: lastIndex + 1 });
    }
    this.#placements = kept;
  }

  /** Makes the entries from `from` on void. */
  cut(from: LogIndex): void {
    while (this.#placements.length > 0 && this.#placements.at(-1)!.lastIndex >= from) {
      const last = this.#placements.pop()!;
      if (last.firstIndex < from) this.#placements.push({ ...last, lastIndex: from - 1 });
    }
    this.#isFresh = false;
    this.#lastIndex = Math.min(this.#lastIndex, from - 1);
  }

  rebase({ point, keepsSuffix }: NewBase, position: number): void {
    if (!keepsSuffix) this.#placements = [];
    const kept = this.#placements.filter(({ lastIndex }) => lastIndex > point.index);
    const [first] = kept;
    if (first !== undefined && first.firstIndex <= point.index) {
      kept[0] = { ...first, firstIndex: point.index + 1 };
    }
    this.#placements = kept;
    this.#base = point;
    this.#basePosition = position;
    this.#hasBase = true;
    this.#isFresh = false;
    this.#lastIndex = kept.at(-1)?.lastIndex ?? point.index;
  }

  /** The first position that is still needed. */
  get neededFrom(): number {
    return Math.min(this.#hardStatePosition, this.#basePosition, this.entriesFrom);
  }

  /** The same, of entries alone; `Infinity` if there are none. */
  get entriesFrom(): number {
    if (!this.#hasRepairs) return this.#placements[0]?.position ?? Infinity;
    let least = Infinity; // what was repaired stands later than its neighbours
    for (const { position } of this.#placements) least = Math.min(least, position);
    return least;
  }

  /** The run with this entry. */
  find(index: LogIndex): Placement | undefined {
    return this.#placements[lastStartAt(this.#placements, index)];
  }

  /** The run after the one with this entry. */
  after(placement: Placement): Placement | undefined {
    return placement.lastIndex < this.#lastIndex ? this.find(placement.lastIndex + 1) : undefined;
  }

  /** What a core is made from. @throws {KvsError} `RAFT_LOG_DAMAGED` */
  image(): LogImage {
    const hardState = this.#hardState;
    const first = this.#placements[0]?.firstIndex ?? this.#base.index + 1;
    if (hardState === undefined || !this.#hasBase || first !== this.#base.index + 1) {
      throw logDamaged("a group's vote, or the beginning of its log, is missing");
    }
    const runs: TermRun[] = [];
    const configurations: ConfigurationAt[] = [];
    const damaged: DamagedRange[] = [];
    for (const placement of this.#placements) {
      const { term, firstIndex, lastIndex, kind, inline } = placement;
      if (runs.at(-1)?.term !== term) runs.push({ firstIndex, term });
      if (placement.isDamaged) damaged.push({ from: firstIndex, to: lastIndex });
      if (kind !== "configuration") continue;
      assert(inline !== undefined, "configurations stand in their identity");
      const payload = payloadAt({ kind, term, firstIndex, ...inline }, firstIndex);
      const configuration = decodeConfiguration(payload);
      if (configuration === undefined) throw logDamaged("members in the log can be no group");
      configurations.push({ index: firstIndex, configuration });
    }
    const base = this.#base;
    return { hardState, base, runs, lastIndex: this.#lastIndex, configurations, damaged };
  }
}
