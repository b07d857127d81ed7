/**
 * A log store in memory: for tests, and for groups whose entries need not outlive the process.
 *
 * What is written is there at once; nothing is ever loaded later. The same image and reads as a store
 * on disk gives, so that a core cannot tell them apart.
 */
import { assert } from "@kvs/env";

import { type ConfigurationInput, toConfiguration } from "./core/configuration.ts";
import { decodeConfiguration } from "./core/configuration-codec.ts";
import {
  bytesOf,
  type EntryBatch,
  lastIndexOf,
  limitBatch,
  payloadAt,
  sliceBatch,
} from "./core/entry.ts";
import { type LogIndex, NOBODY } from "./core/ids.ts";
import { lastStartAt } from "./core/last-start.ts";
import {
  type ConfigurationAt,
  type HardState,
  type LogImage,
  type LogPoint,
} from "./core/log-store.ts";
import { type NewBase } from "./core/ready.ts";
import { type TermRun } from "./core/term-runs.ts";
import { type GroupLog, type LogWrite } from "./store/group-log.ts";

export class MemoryLogStore implements GroupLog {
  #hardState: HardState = { term: 0, votedFor: NOBODY, commitIndex: 0 };
  #base: LogPoint;
  /** Contiguous, from the base on. */
  #batches: EntryBatch[] = [];

  /** @param founders The members that all founders of the group are told; none: to be invited. */
  constructor(founders: ConfigurationInput = { incoming: [] }) {
    this.#base = { index: 0, term: 0, configuration: toConfiguration(founders) };
  }

  get lastIndex(): LogIndex {
    const last = this.#batches.at(-1);
    return last === undefined ? this.#base.index : lastIndexOf(last);
  }

  /** Duty 2: writes what a Ready asks for. */
  write(ready: LogWrite): void {
    if (ready.hardState !== undefined) this.#hardState = ready.hardState;
    if (ready.newBase !== undefined) this.#rebase(ready.newBase);
    if (ready.cutFrom !== 0) this.#cut(ready.cutFrom);
    for (const batch of ready.entries) {
      assert(batch.firstIndex === this.lastIndex + 1, "entries are written without a gap");
      this.#batches.push(batch);
    }
    // Nothing is ever lost here, so that what repairs it is there already.
    for (const batch of ready.repairs ?? [])
      assert(lastIndexOf(batch) <= this.lastIndex, "it was written");
  }

  sync(): Promise<void> {
    return Promise.resolve();
  }

  /** Nothing is ever loaded: the listener is never called. */
  onLoaded(): void {}

  /** What a core is made from. */
  image(): LogImage {
    const runs: TermRun[] = [];
    const configurations: ConfigurationAt[] = [];
    for (const batch of this.#batches) {
      const { term, firstIndex, kind } = batch;
      if (runs.at(-1)?.term !== term) runs.push({ firstIndex, term });
      if (kind !== "configuration") continue;
      const configuration = decodeConfiguration(payloadAt(batch, firstIndex));
      assert(configuration !== undefined, "a configuration in the log was checked before");
      configurations.push({ index: firstIndex, configuration });
    }
    const { lastIndex } = this;
    const [hardState, base] = [this.#hardState, this.#base];
    return { hardState, base, runs, lastIndex, configurations, damaged: [] };
  }

  read(from: LogIndex, to: LogIndex, maxBytes: number): readonly EntryBatch[] {
    assert(from > this.#base.index && to <= this.lastIndex, "what is read was written");
    const found: EntryBatch[] = [];
    let room = maxBytes;
    for (let at = lastStartAt(this.#batches, from); at < this.#batches.length && room > 0; at++) {
      const batch = this.#batches[at]!;
      if (batch.firstIndex > to) break;
      const first = Math.max(from, batch.firstIndex);
      const wanted = sliceBatch(batch, first, Math.min(to, lastIndexOf(batch)) + 1);
      const limited = limitBatch(wanted, room);
      if (found.length > 0 && bytesOf(limited) > room) break;
      found.push(limited);
      room -= bytesOf(limited);
      if (limited !== wanted) break;
    }
    return found;
  }

  #rebase({ point, keepsSuffix }: NewBase): void {
    this.#base = point;
    if (!keepsSuffix) this.#batches = [];
    const kept = this.#batches.filter((batch) => lastIndexOf(batch) > point.index);
    const [first] = kept;
    if (first !== undefined && first.firstIndex <= point.index) {
      kept[0] = sliceBatch(first, point.index + 1, lastIndexOf(first) + 1);
    }
    this.#batches = kept;
  }

  #cut(from: LogIndex): void {
    while (this.lastIndex >= from) {
      const last = this.#batches.pop();
      if (last === undefined) return;
      if (last.firstIndex < from) this.#batches.push(sliceBatch(last, last.firstIndex, from));
    }
  }
}
