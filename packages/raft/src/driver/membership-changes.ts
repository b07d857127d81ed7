import { type EntryBatch, lastIndexOf } from "../core/entry.ts";
import { type LogIndex, type Term } from "../core/ids.ts";
import { isJoint } from "../core/configuration.ts";
import { type RaftCore } from "../core/raft-core.ts";
import { changeFailed, undecided } from "./driver-error.ts";

interface Change {
  readonly index: LogIndex;
  readonly term: Term;
  readonly resolve: (index: LogIndex) => void;
  readonly reject: (error: unknown) => void;
  /** Whether the entry that begins it is committed. */
  isBegun: boolean;
}

/** Who waits for a change of members to be complete. */
export class MembershipChanges {
  #changes: Change[] = [];

  add(
    entry: { readonly index: LogIndex; readonly term: Term },
    resolve: Change["resolve"],
    reject: Change["reject"],
  ): void {
    this.#changes.push({ ...entry, resolve, reject, isBegun: false });
  }

  applied(batches: readonly EntryBatch[], core: RaftCore): void {
    if (this.#changes.length === 0) return;
    for (const batch of batches) this.#see(batch);
    // A joint configuration ends by an entry of its own, which must be committed, too.
    const { current, currentIndex } = core.state.membership;
    if (isJoint(current) || currentIndex > core.appliedIndex) return;
    for (const { isBegun, index, resolve } of this.#changes) if (isBegun) resolve(index);
    this.#changes = this.#changes.filter(({ isBegun }) => !isBegun);
  }

  abort(): void {
    for (const { index, reject } of this.#changes) reject(undecided(index, "the replica stopped"));
    this.#changes = [];
  }

  #see(batch: EntryBatch): void {
    const failed: Change[] = [];
    for (const change of this.#changes) {
      if (change.isBegun || batch.term < change.term) continue;
      const isThere = change.index >= batch.firstIndex && change.index <= lastIndexOf(batch);
      if (batch.term > change.term) failed.push(change);
      else if (isThere) change.isBegun = true;
    }
    for (const { index, reject } of failed) reject(changeFailed(index));
    this.#changes = this.#changes.filter((change) => !failed.includes(change));
  }
}
