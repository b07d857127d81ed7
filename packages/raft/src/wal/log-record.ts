/**
 * What the log of many groups holds. docs/formats/raft-log.md has the format and examples.
 *
 *   entries     identity of a run of entries: group, term, first index, count. Their payloads are the
 *               record that follows, so that a damaged payload is known to have existed.
 *   payloads    what `entries` announced
 *   hard-state  term, vote, commit index
 *   cut         the entries from an index on are void
 *   base        where the log begins: what came before is dropped, and perhaps all else
 *   dropped     the group is no longer here
 */
import { ByteReader, type ByteWriter } from "@kvs/codec";
import { assert, isKvsError } from "@kvs/env";

import { decodePayloads, encodePayloads } from "../codec/entries-codec.ts";
import { decodeConfiguration, encodeConfiguration } from "../core/configuration-codec.ts";
import { type EntryBatch, type EntryKind, payloadAt, type Payloads } from "../core/entry.ts";
import { type GroupId, isId, isPosition, type LogIndex, type Term } from "../core/ids.ts";
import { type HardState } from "../core/log-store.ts";
import { type NewBase } from "../core/ready.ts";
import { logDamaged } from "./log-error.ts";

export const RECORD_KINDS = {
  entries: 1,
  payloads: 2,
  hardState: 3,
  cut: 4,
  base: 5,
  dropped: 6,
} as const;

const ENTRY_KINDS: readonly EntryKind[] = ["command", "empty", "configuration"];
/** They repair what was there before, and change nothing else. */
const REPAIR = 1;

/** What is known of a run of entries without their payloads. */
export interface EntriesIdentity {
  readonly type: "entries";
  readonly group: GroupId;
  readonly kind: EntryKind;
  readonly term: Term;
  readonly firstIndex: LogIndex;
  readonly count: number;
  readonly isRepair: boolean;
  /** Length of the `payloads` record that follows; 0 if there is none. */
  readonly payloadsBytes: number;
  /** The entries themselves, if they are short enough to stand here. */
  readonly inline: Payloads | undefined;
}

export type LogRecord =
  | EntriesIdentity
  | { readonly type: "payloads"; readonly group: GroupId; readonly firstIndex: LogIndex }
  | { readonly type: "hard-state"; readonly group: GroupId; readonly hardState: HardState }
  | { readonly type: "cut"; readonly group: GroupId; readonly from: LogIndex }
  | { readonly type: "base"; readonly group: GroupId; readonly newBase: NewBase }
  | { readonly type: "dropped"; readonly group: GroupId };

/** Writes the identity of `batch`. Without `payloadsBytes` its payloads stand in it. */
export function encodeEntriesIdentity(
  writer: ByteWriter,
  group: GroupId,
  batch: EntryBatch,
  options: { readonly count: number; readonly isRepair: boolean; readonly payloadsBytes: number },
): void {
  writer.varint(group);
  writer.u8(options.isRepair ? REPAIR : 0);
  writer.u8(ENTRY_KINDS.indexOf(batch.kind));
  writer.varint(batch.term);
  writer.varint(batch.firstIndex);
  writer.varint(options.count);
  writer.varint(options.payloadsBytes);
  if (options.payloadsBytes > 0) return;
  assert(options.count === 1, "an entry that stands in its identity is alone");
  writer.bytes(payloadAt(batch, batch.firstIndex));
}

/** Writes the payloads of batches that follow each other. */
export function encodePayloadsRecord(
  writer: ByteWriter,
  group: GroupId,
  batches: readonly EntryBatch[],
): void {
  writer.varint(group);
  writer.varint(batches[0]!.firstIndex);
  encodePayloads(writer, batches);
}

export function encodeHardState(writer: ByteWriter, group: GroupId, hardState: HardState): void {
  writer.varint(group);
  writer.varint(hardState.term);
  writer.varint(hardState.votedFor);
  writer.varint(hardState.commitIndex);
}

export function encodeCut(writer: ByteWriter, group: GroupId, from: LogIndex): void {
  writer.varint(group);
  writer.varint(from);
}

export function encodeBase(writer: ByteWriter, group: GroupId, newBase: NewBase): void {
  const { point, keepsSuffix } = newBase;
  writer.varint(group);
  writer.u8(keepsSuffix ? 1 : 0);
  writer.varint(point.index);
  writer.varint(point.term);
  // Who waits to be invited knows no members.
  const isKnown = point.configuration.incoming.length > 0;
  writer.varBytes(isKnown ? encodeConfiguration(point.configuration) : new Uint8Array(0));
}

export function encodeDropped(writer: ByteWriter, group: GroupId): void {
  writer.varint(group);
}

/**
 * Reads a record, but for payloads.
 *
 * @throws {KvsError} `RAFT_LOG_DAMAGED`: its checksum was right, but it is none of these.
 */
export function decodeRecord(kind: number, bytes: Uint8Array): LogRecord {
  try {
    const reader = new ByteReader(bytes);
    const record = readRecord(kind, reader);
    if (record.type !== "payloads") reader.expectEnd();
    return record;
  } catch (error) {
    if (!isKvsError(error) || error.code === "RAFT_LOG_DAMAGED") throw error;
    throw logDamaged(`a record of kind ${kind} breaks the format`, error);
  }
}

/** The payloads of a `payloads` record, as views of `bytes`. @throws {KvsError} `RAFT_LOG_DAMAGED` */
export function decodePayloadsRecord(bytes: Uint8Array): Payloads {
  try {
    const reader = new ByteReader(bytes);
    reader.varint();
    reader.varint();
    const payloads = decodePayloads(reader);
    reader.expectEnd();
    return payloads;
  } catch (error) {
    if (!isKvsError(error)) throw error;
    throw logDamaged("payloads break the format", error);
  }
}

function readRecord(kind: number, reader: ByteReader): LogRecord {
  const group = reader.varint();
  if (!isId(group)) throw logDamaged("a record is of no group");
  switch (kind) {
    case RECORD_KINDS.entries:
      return readIdentity(reader, group);
    case RECORD_KINDS.payloads:
      return { type: "payloads", group, firstIndex: readPosition(reader) };
    case RECORD_KINDS.hardState:
      return { type: "hard-state", group, hardState: readHardState(reader) };
    case RECORD_KINDS.cut:
      return { type: "cut", group, from: readPosition(reader) };
    case RECORD_KINDS.base:
      return { type: "base", group, newBase: readBase(reader) };
    case RECORD_KINDS.dropped:
      return { type: "dropped", group };
    default:
      throw logDamaged(`a record is of kind ${kind}, which this program does not know`);
  }
}

function readIdentity(reader: ByteReader, group: GroupId): EntriesIdentity {
  const isRepair = (reader.u8() & REPAIR) !== 0;
  const kind = ENTRY_KINDS[reader.u8()];
  if (kind === undefined) throw logDamaged("an entry is of no kind that is known");
  const [term, firstIndex] = [readPosition(reader), readPosition(reader)];
  const [count, payloadsBytes] = [reader.varint(), reader.varint()];
  const isPlausible = term > 0 && firstIndex > 0 && count > 0 && isPosition(firstIndex + count);
  if (!isPlausible) throw logDamaged("a run of entries has no place in a log");
  const identity = { type: "entries", group, kind, term, firstIndex, count, isRepair } as const;
  if (payloadsBytes > 0) return { ...identity, payloadsBytes, inline: undefined };
  if (count !== 1) throw logDamaged("several entries have one payload");
  const data = reader.copy(reader.remaining);
  return { ...identity, payloadsBytes, inline: { data, offsets: Uint32Array.of(0, data.length) } };
}

function readHardState(reader: ByteReader): HardState {
  const term = readPosition(reader);
  const votedFor = reader.varint();
  return { term, votedFor, commitIndex: readPosition(reader) };
}

function readBase(reader: ByteReader): NewBase {
  const keepsSuffix = (reader.u8() & 1) !== 0;
  const [index, term] = [readPosition(reader), readPosition(reader)];
  const members = reader.varBytes();
  const configuration =
    members.length === 0
      ? { incoming: [], outgoing: [], learners: [], witnesses: [] }
      : decodeConfiguration(members);
  if (configuration === undefined) throw logDamaged("the members at a base can be no group");
  return { point: { index, term, configuration }, keepsSuffix };
}

function readPosition(reader: ByteReader): number {
  const position = reader.varint();
  if (!isPosition(position)) throw logDamaged("a position is beyond what a log can hold");
  return position;
}
