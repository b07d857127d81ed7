import { assert, type Random, pick } from "@kvs/env";

import { encodeConfiguration } from "../core/configuration-codec.ts";
import { toConfiguration } from "../core/configuration.ts";
import { type EntryBatch, type EntryKind, lastIndexOf, packPayloads } from "../core/entry.ts";
import { type LogIndex, type Term } from "../core/ids.ts";
import { type HardState, type LogImage, type LogPoint } from "../core/log-store.ts";
import { type LogWrite } from "../store/group-log.ts";

/** One entry of the model. */
export interface ModelEntry {
  readonly index: LogIndex;
  readonly term: Term;
  readonly kind: EntryKind;
  readonly payload: string;
}

const FOUNDERS = toConfiguration({ incoming: [1, 2, 3] });

/** What a log store has to hold: the plainest possible one. States are values, never changed. */
export class LogModel {
  readonly hardState: HardState;
  readonly base: LogPoint;
  readonly entries: readonly ModelEntry[];

  constructor(
    hardState: HardState = { term: 0, votedFor: 0, commitIndex: 0 },
    base: LogPoint = { index: 0, term: 0, configuration: FOUNDERS },
    entries: readonly ModelEntry[] = [],
  ) {
    this.hardState = hardState;
    this.base = base;
    this.entries = entries;
  }

  get lastIndex(): LogIndex {
    return this.entries.at(-1)?.index ?? this.base.index;
  }

  get lastTerm(): Term {
    return this.entries.at(-1)?.term ?? this.base.term;
  }

  /** The states after each step of a write, the last of them with all. */
  after(write: LogWrite): readonly LogModel[] {
    const states: LogModel[] = [];
    let { hardState, base } = this;
    let entries = [...this.entries];
    const note = (): void => void states.push(new LogModel(hardState, base, [...entries]));
    if (write.hardState !== undefined) {
      ({ hardState } = write);
      note();
    }
    if (write.newBase !== undefined) {
      base = write.newBase.point;
      entries = write.newBase.keepsSuffix ? entries.filter(({ index }) => index > base.index) : [];
      note();
    }
    if (write.cutFrom !== 0) {
      entries = entries.filter(({ index }) => index < write.cutFrom);
      note();
    }
    for (const batch of write.entries) {
      entries.push(...entriesOf([batch]));
      note();
    }
    if (states.length === 0) note();
    return states;
  }

  /** Whether an image is of this state. */
  isImage(image: LogImage): boolean {
    return JSON.stringify(summarize(image)) === JSON.stringify(this.#summary());
  }

  describe(): string {
    return JSON.stringify(this.#summary());
  }

  #summary(): unknown {
    const runs: { firstIndex: LogIndex; term: Term }[] = [];
    for (const { index, term } of this.entries) {
      if (runs.at(-1)?.term !== term) runs.push({ firstIndex: index, term });
    }
    const configurations = this.entries.filter(({ kind }) => kind === "configuration");
    const indices = configurations.map(({ index }) => index);
    const { hardState, base, lastIndex } = this;
    return [hardState.term, hardState.votedFor, base.index, base.term, lastIndex, runs, indices];
  }
}

/** What an image says, in a form that can be compared. A commit index may lag. */
export function summarize(image: LogImage): unknown {
  const { hardState, base, lastIndex, runs, configurations } = image;
  const ordered = runs.map(({ firstIndex, term }) => ({ firstIndex, term }));
  const indices = configurations.map(({ index }) => index);
  return [hardState.term, hardState.votedFor, base.index, base.term, lastIndex, ordered, indices];
}

/** Entries one by one. */
export function entriesOf(batches: readonly EntryBatch[]): ModelEntry[] {
  return batches.flatMap(({ kind, term, firstIndex, data, offsets }) =>
    Array.from({ length: offsets.length - 1 }, (_, at) => ({
      index: firstIndex + at,
      term,
      kind,
      payload: Array.from(data.subarray(offsets[at], offsets[at + 1])).join(),
    })),
  );
}

/** What a Raft node might write next: its log as it is, and what it could become. */
export function drawWrite(random: Random, model: LogModel, payloadBytesMax: number): LogWrite {
  const { hardState, base, lastIndex } = model;
  const hasEntries = lastIndex > base.index;
  let term = Math.max(hardState.term, model.lastTerm, 1);
  const isCut = hasEntries && random.chance(0.2);
  const cutFrom = isCut ? base.index + 1 + random.below(lastIndex - base.index) : 0;
  // What is cut off is replaced by another leader's: no two entries share index and term.
  const isNewTerm = isCut || random.chance(0.3);
  if (isNewTerm) term += 1 + random.below(3);
  const newBase = isCut ? undefined : drawBase(random, model, term);
  const end = isCut ? cutFrom - 1 : lastIndex;
  const from = newBase?.keepsSuffix === false ? newBase.point.index + 1 : end + 1;
  const isVoting = isNewTerm || random.chance(0.1) || hardState.term < term;
  return {
    hardState: isVoting ? { term, votedFor: random.below(4), commitIndex: base.index } : undefined,
    newBase,
    cutFrom,
    entries: drawBatches(random, { from, term, payloadBytesMax }),
  };
}

/** Sometimes a base within the log, as after compacting; rarely one behind it, as after an image. */
function drawBase(random: Random, model: LogModel, term: Term): LogWrite["newBase"] {
  const { base, lastIndex } = model;
  if (lastIndex > base.index && random.chance(0.2)) {
    const index = base.index + 1 + random.below(lastIndex - base.index);
    return { point: { ...base, index, term: termAt(model, index) }, keepsSuffix: true };
  }
  if (!random.chance(0.03)) return undefined;
  const index = lastIndex + 1 + random.below(5);
  return { point: { ...base, index, term }, keepsSuffix: false };
}

function termAt(model: LogModel, index: LogIndex): Term {
  const found = model.entries.find((entry) => entry.index === index);
  assert(found !== undefined, "the base becomes an entry of the log");
  return found.term;
}

interface BatchOptions {
  readonly from: LogIndex;
  readonly term: Term;
  readonly payloadBytesMax: number;
}

function drawBatches(random: Random, options: BatchOptions): EntryBatch[] {
  const batches: EntryBatch[] = [];
  let firstIndex = options.from;
  for (let left = random.below(4); left > 0; left--) {
    const kind: EntryKind = pick(random, [
      "command",
      "command",
      "command",
      "empty",
      "configuration",
    ]);
    const batch = { kind, term: options.term, firstIndex, ...drawPayloads(random, kind, options) };
    batches.push(batch);
    firstIndex = lastIndexOf(batch) + 1;
  }
  return batches;
}

function drawPayloads(
  random: Random,
  kind: EntryKind,
  { payloadBytesMax }: BatchOptions,
): Pick<EntryBatch, "data" | "offsets"> {
  if (kind === "empty") return packPayloads([new Uint8Array(0)]);
  if (kind === "configuration") return packPayloads([encodeConfiguration(FOUNDERS)]);
  const payloads = Array.from({ length: 1 + random.below(5) }, () => {
    const bytes = new Uint8Array(random.below(payloadBytesMax + 1));
    for (let at = 0; at < bytes.length; at++) bytes[at] = random.below(256);
    return bytes;
  });
  return packPayloads(payloads);
}
