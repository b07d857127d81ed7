/**
 * What must be on the disk of one node, as the judge knows it: what was written before a sync that
 * succeeded. It outlives the node's processes, and is compared with what the next one finds.
 */
import { type HardState, lastIndexOf, type LogImage } from "@kvs/raft";
import { type GroupLog } from "@kvs/raft";

type LogWrite = Parameters<GroupLog["write"]>[0];

/** A sync under way: what it makes durable, lowered if entries are cut off meanwhile. */
export interface SyncMark {
  lastIndex: number;
  readonly hardState: HardState | undefined;
  readonly baseIndex: number;
}

export class KnownLog {
  /** Terms of entries behind the base, the first of entry `baseIndex + 1`. */
  #terms: number[] = [];
  #baseIndex = 0;
  #baseTerm = 0;
  #syncedIndex = 0;
  #syncedBase = 0;
  #hardState: HardState | undefined;
  #syncedHardState: HardState | undefined;
  readonly #marks = new Set<SyncMark>();

  get lastIndex(): number {
    return this.#baseIndex + this.#terms.length;
  }

  get baseIndex(): number {
    return this.#baseIndex;
  }

  /** The last entry that survives a power cut now, with all before it. */
  get syncedIndex(): number {
    return this.#syncedIndex;
  }

  get isSyncing(): boolean {
    return this.#marks.size > 0;
  }

  /** -1 if the log does not have it. */
  termAt(index: number): number {
    if (index === this.#baseIndex) return this.#baseTerm;
    return this.#terms[index - this.#baseIndex - 1] ?? -1;
  }

  /** Whether this entry survives a power cut now: it, or a state in which it took effect. */
  holds(index: number, term: number): boolean {
    if (index <= Math.min(this.#baseIndex, this.#syncedIndex)) return true;
    return index <= this.#syncedIndex && this.termAt(index) === term;
  }

  write({ hardState, newBase, cutFrom, entries }: LogWrite): void {
    if (hardState !== undefined) this.#hardState = hardState;
    if (newBase !== undefined) this.#rebase(newBase.point, newBase.keepsSuffix);
    if (cutFrom !== 0) this.#cut(cutFrom);
    for (const batch of entries) {
      for (let index = batch.firstIndex; index <= lastIndexOf(batch); index++) {
        this.#terms.push(batch.term);
      }
    }
  }

  beginSync(): SyncMark {
    const mark = {
      lastIndex: this.lastIndex,
      hardState: this.#hardState,
      baseIndex: this.#baseIndex,
    };
    this.#marks.add(mark);
    return mark;
  }

  endSync(mark: SyncMark, isDone: boolean): void {
    if (!this.#marks.delete(mark) || !isDone) return;
    this.#syncedIndex = Math.max(this.#syncedIndex, mark.lastIndex);
    this.#syncedBase = Math.max(this.#syncedBase, mark.baseIndex);
    this.#syncedHardState = mark.hardState ?? this.#syncedHardState;
  }

  /**
   * A new process found this log. Returns what is missing in it, if anything: all that was synced must
   * be there, and more of what was written may be.
   */
  reopen(image: LogImage): string | undefined {
    const missing = this.#findMissing(image);
    this.#marks.clear();
    this.#baseIndex = image.base.index;
    this.#baseTerm = image.base.term;
    this.#terms = [];
    for (const [at, { firstIndex, term }] of image.runs.entries()) {
      const end = image.runs[at + 1]?.firstIndex ?? image.lastIndex + 1;
      for (let index = firstIndex; index < end; index++) this.#terms.push(term);
    }
    this.#syncedIndex = this.lastIndex;
    this.#syncedBase = this.#baseIndex;
    this.#hardState = image.hardState;
    this.#syncedHardState = image.hardState;
    return missing;
  }

  #findMissing(image: LogImage): string | undefined {
    return this.#findForgotten(image.hardState) ?? this.#findLostEntry(image);
  }

  #findForgotten(hardState: HardState): string | undefined {
    const known = this.#syncedHardState;
    if (known !== undefined && hardState.term < known.term) {
      return `term ${known.term} was durable, ${hardState.term} was found`;
    }
    const isSameTerm = known?.term === hardState.term;
    if (isSameTerm && known.votedFor !== 0 && hardState.votedFor !== known.votedFor) {
      return `the vote of term ${known.term} was durable and is gone`;
    }
    if (isSameTerm && hardState.commitIndex < known.commitIndex) {
      return `commit index ${known.commitIndex} was durable, ${hardState.commitIndex} was found`;
    }
    return undefined;
  }

  #findLostEntry(image: LogImage): string | undefined {
    const { base, lastIndex } = image;
    if (base.index < this.#syncedBase) return `base ${this.#syncedBase} went back to ${base.index}`;
    for (let index = base.index + 1; index <= this.#syncedIndex; index++) {
      const run = image.runs.findLast(({ firstIndex }) => firstIndex <= index);
      const isThere = index <= lastIndex && run?.term === this.termAt(index);
      if (isThere || index <= this.#baseIndex) continue;
      // What was cut off or replaced, and not synced since, may be there in its new form only.
      return `entry ${index} was durable and is gone`;
    }
    return undefined;
  }

  #cut(from: number): void {
    this.#terms.length = Math.max(0, Math.min(this.#terms.length, from - 1 - this.#baseIndex));
    this.#lower(from - 1);
  }

  #rebase(point: { readonly index: number; readonly term: number }, keepsSuffix: boolean): void {
    const { index, term } = point;
    if (keepsSuffix && index <= this.lastIndex) {
      this.#terms = this.#terms.slice(index - this.#baseIndex);
    } else {
      this.#terms = [];
      this.#lower(index);
    }
    this.#baseIndex = index;
    this.#baseTerm = term;
  }

  #lower(lastIndex: number): void {
    this.#syncedIndex = Math.min(this.#syncedIndex, lastIndex);
    for (const mark of this.#marks) mark.lastIndex = Math.min(mark.lastIndex, lastIndex);
  }
}
