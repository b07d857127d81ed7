/**
 * Turns what a Ready asks for into records of the shared log, in the order of duty 2, and keeps the
 * group's index.
 *
 * Neighbours of one term and kind share a record, up to a length that is read back in one piece.
 */
import { ByteWriter } from "@kvs/codec";
import { assert } from "@kvs/env";
import { type Wal } from "@kvs/wal";

import {
  bytesOf,
  countOf,
  type EntryBatch,
  lastIndexOf,
  limitBatch,
  sliceBatch,
} from "../core/entry.ts";
import { type GroupId } from "../core/ids.ts";
import { type HardState } from "../core/log-store.ts";
import { type NewBase } from "../core/ready.ts";
import { type LogWrite } from "../store/group-log.ts";
import { type GroupIndex } from "./group-index.ts";
import {
  encodeBase,
  encodeCut,
  encodeDropped,
  encodeEntriesIdentity,
  encodeHardState,
  encodePayloadsRecord,
  RECORD_KINDS,
} from "./log-record.ts";
import { type LogSabotage } from "./sabotage.ts";

/** Entries of one record, unless a single one is longer: what a reader of one entry has to load. */
const RECORD_ENTRIES_BYTES: number = 256 << 10;

export class RecordWriter {
  readonly #wal: Wal;
  readonly #sabotage: LogSabotage;
  readonly #writer = new ByteWriter({ initialBytes: 4096 });
  readonly #payloads = new ByteWriter({ initialBytes: 4096 });

  constructor(wal: Wal, sabotage: LogSabotage) {
    this.#wal = wal;
    this.#sabotage = sabotage;
  }

  /** @throws {KvsError} as `Wal.append`; a part may have been written, which does no harm. */
  write(group: GroupId, index: GroupIndex, write: LogWrite): void {
    if (write.hardState !== undefined) this.hardState(group, index, write.hardState);
    if (write.newBase !== undefined) this.base(group, index, write.newBase);
    if (write.cutFrom !== 0) this.#cut(group, index, write.cutFrom);
    this.#entries(group, index, write.entries, false);
    this.#entries(group, index, write.repairs ?? [], true);
  }

  hardState(group: GroupId, index: GroupIndex, hardState: HardState): void {
    encodeHardState(this.#begin(), group, hardState);
    index.setHardState(hardState, this.#append(RECORD_KINDS.hardState));
  }

  base(group: GroupId, index: GroupIndex, newBase: NewBase): void {
    encodeBase(this.#begin(), group, newBase);
    index.rebase(newBase, this.#append(RECORD_KINDS.base));
  }

  dropped(group: GroupId): void {
    encodeDropped(this.#begin(), group);
    this.#append(RECORD_KINDS.dropped);
  }

  #cut(group: GroupId, index: GroupIndex, from: number): void {
    encodeCut(this.#begin(), group, from);
    if (!this.#sabotage["raft.log.skip-cut"]) this.#append(RECORD_KINDS.cut);
    index.cut(from);
  }

  #entries(
    group: GroupId,
    index: GroupIndex,
    batches: readonly EntryBatch[],
    isRepair: boolean,
  ): void {
    let run: EntryBatch[] = [];
    let bytes = 0;
    const flush = (): void => {
      if (run.length > 0) this.#run(group, index, run, isRepair);
      run = [];
      bytes = 0;
    };
    for (const piece of pieces(batches)) {
      if (!continues(run.at(-1), piece) || bytes + bytesOf(piece) > RECORD_ENTRIES_BYTES) flush();
      run.push(piece);
      bytes += bytesOf(piece);
    }
    flush();
  }

  #run(group: GroupId, index: GroupIndex, run: readonly EntryBatch[], isRepair: boolean): void {
    const first = run[0]!;
    const last = lastIndexOf(run.at(-1)!);
    const count = last - first.firstIndex + 1;
    // Members must be known even where payloads are lost; an empty entry has none.
    const isInline = first.kind !== "command";
    const payloads = this.#payloads;
    payloads.reset();
    if (!isInline) encodePayloadsRecord(payloads, group, run);
    const payloadsBytes = payloads.position;
    encodeEntriesIdentity(this.#begin(), group, first, { count, isRepair, payloadsBytes });
    const position = this.#append(RECORD_KINDS.entries);
    if (!isInline) this.#wal.append(RECORD_KINDS.payloads, payloads.buffer, payloadsBytes);
    const payloadsStart = this.#wal.lastStart;
    const { kind, term, firstIndex } = first;
    const placement = {
      kind,
      term,
      firstIndex,
      lastIndex: last,
      recordIndex: firstIndex,
      position,
      payloadsStart,
      payloadsBytes,
      inline: isInline ? { data: first.data, offsets: first.offsets } : undefined,
      isDamaged: false,
    };
    assert(isRepair || firstIndex === index.lastIndex + 1, "entries are written without a gap");
    if (isRepair) index.repair(placement);
    else index.append(placement);
  }

  #begin(): ByteWriter {
    this.#writer.reset();
    return this.#writer;
  }

  /** Returns where the record begins. */
  #append(kind: number): number {
    this.#wal.append(kind, this.#writer.buffer, this.#writer.position);
    return this.#wal.lastStart;
  }
}

/** The same entries in batches of a bounded weight; entries that stand in their identity alone. */
function* pieces(batches: readonly EntryBatch[]): Generator<EntryBatch> {
  for (const batch of batches) {
    const end = lastIndexOf(batch) + 1;
    for (let rest: EntryBatch | undefined = batch; rest !== undefined;) {
      const piece: EntryBatch =
        batch.kind === "command"
          ? limitBatch(rest, RECORD_ENTRIES_BYTES)
          : sliceBatch(rest, rest.firstIndex, rest.firstIndex + 1);
      yield piece;
      const next: number = piece.firstIndex + countOf(piece);
      rest = next < end ? sliceBatch(batch, next, end) : undefined;
    }
  }
}

function continues(last: EntryBatch | undefined, next: EntryBatch): boolean {
  if (last === undefined) return true;
  const isSame = last.kind === "command" && next.kind === "command" && last.term === next.term;
  return isSame && lastIndexOf(last) + 1 === next.firstIndex;
}
