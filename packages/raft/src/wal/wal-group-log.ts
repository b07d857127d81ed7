import { assert } from "@kvs/env";

import { bytesOf, type EntryBatch, limitBatch, type Payloads, sliceBatch } from "../core/entry.ts";
import { type GroupId, type LogIndex } from "../core/ids.ts";
import { type LogImage } from "../core/log-store.ts";
import { type GroupLog, type LogWrite } from "../store/group-log.ts";
import { type GroupIndex, type Placement } from "./group-index.ts";

/** What the log of one group needs of the log of all. */
export interface SharedLog {
  write(group: GroupId, index: GroupIndex, write: LogWrite): void;
  sync(): Promise<void>;
  /** Payloads that are in memory. */
  cached(placement: Placement): Payloads | undefined;
  /** Reads them from the disk, into memory. */
  load(placement: Placement): Promise<void>;
}

/** Loaded at a time for one call of `read`: a few messages. */
const READ_AHEAD_BYTES: number = 1 << 20;

/** The log of one group in a log of many. Made by `WalLogStore.group`. */
export class WalGroupLog implements GroupLog {
  readonly group: GroupId;
  readonly #index: GroupIndex;
  readonly #shared: SharedLog;
  #listener: ((error?: unknown) => void) | undefined;
  #isLoading = false;

  constructor(group: GroupId, index: GroupIndex, shared: SharedLog) {
    this.group = group;
    this.#index = index;
    this.#shared = shared;
  }

  get lastIndex(): LogIndex {
    return this.#index.lastIndex;
  }

  image(): LogImage {
    return this.#index.image();
  }

  write(write: LogWrite): void {
    this.#shared.write(this.group, this.#index, write);
  }

  sync(): Promise<void> {
    return this.#shared.sync();
  }

  onLoaded(listener: (error?: unknown) => void): void {
    assert(this.#listener === undefined, "one listener is told what was loaded");
    this.#listener = listener;
  }

  read(from: LogIndex, to: LogIndex, maxBytes: number): readonly EntryBatch[] | undefined {
    assert(
      from > this.#index.base.index && to <= this.#index.lastIndex,
      "what is read was written",
    );
    assert(from <= to, "something is read");
    const found: EntryBatch[] = [];
    let room = maxBytes;
    let placement = this.#index.find(from);
    while (placement !== undefined && placement.firstIndex <= to && room > 0) {
      const batch = this.#batchOf(placement);
      if (batch === undefined) {
        if (found.length > 0) return found;
        this.#load(placement, to, maxBytes);
        return undefined;
      }
      const first = Math.max(from, placement.firstIndex);
      const wanted = sliceBatch(batch, first, Math.min(to, placement.lastIndex) + 1);
      const limited = limitBatch(wanted, room);
      if (found.length > 0 && bytesOf(limited) > room) break;
      found.push(limited);
      room -= bytesOf(limited);
      if (limited !== wanted) break;
      placement = this.#index.after(placement);
    }
    return found;
  }

  /** The entries of a whole record, of which the placement is a part; `undefined` if not in memory. */
  #batchOf(placement: Placement): EntryBatch | undefined {
    assert(!placement.isDamaged, "a damaged entry is not read");
    const { kind, term, recordIndex } = placement;
    const payloads = placement.inline ?? this.#shared.cached(placement);
    return payloads === undefined
      ? undefined
      : { kind, term, firstIndex: recordIndex, ...payloads };
  }

  /** Loads what is missing from here on, one time at a time. */
  #load(first: Placement, to: LogIndex, maxBytes: number): void {
    if (this.#isLoading) return;
    this.#isLoading = true;
    const wanted: Placement[] = [];
    let room = Math.min(maxBytes, READ_AHEAD_BYTES);
    for (
      let at: Placement | undefined = first;
      at !== undefined && at.firstIndex <= to && !at.isDamaged && room > 0;
      at = this.#index.after(at)
    ) {
      if (at.inline === undefined && this.#shared.cached(at) === undefined) wanted.push(at);
      room -= at.payloadsBytes;
    }
    void this.#loadAll(wanted);
  }

  async #loadAll(wanted: readonly Placement[]): Promise<void> {
    let failure: { readonly error: unknown } | undefined;
    try {
      // The first one last: whatever the cache has to drop, what is waited for stays.
      for (const placement of wanted.toReversed()) await this.#shared.load(placement);
    } catch (error) {
      failure = { error };
    }
    this.#isLoading = false;
    this.#listener?.(failure?.error);
  }
}
