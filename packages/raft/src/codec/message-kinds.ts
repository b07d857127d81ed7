/**
 * Each kind of message: its number, the fields it writes, and how they are read, in one place.
 *
 * Fields stand in the order of their lines. A flag is a bit of one byte; positions, terms and contexts
 * are varints. A newer program may add fields behind those that are here: an older one skips them.
 */
import { type ByteReader, type ByteWriter } from "@kvs/codec";

import { decodeConfiguration, encodeConfiguration } from "../core/configuration-codec.ts";
import { type Message, type SnapshotMetadata } from "../core/message.ts";
import { decodeEntries, encodeEntries } from "./entries-codec.ts";
import { frameMalformed } from "./message-error.ts";

/** What every message begins with. */
export interface Envelope {
  readonly group: number;
  readonly from: number;
  readonly to: number;
  readonly term: number;
}

export interface MessageKind<M extends Message = Message> {
  /** The kind on the wire, 1 to 255. Never used again for another one. */
  readonly number: number;
  /** Writes the fields. */
  readonly write: (writer: ByteWriter, message: M) => void;
  /** Writes what follows the fields: entries, or a piece of a snapshot. Most kinds have none. */
  readonly writeBulk?: (writer: ByteWriter, message: M) => void;
  /** Reads both. `bulk` ends with the message. */
  readonly read: (fields: ByteReader, bulk: ByteReader, envelope: Envelope) => M;
}

type Kinds = {
  readonly [T in Message["type"]]: MessageKind<Extract<Message, { readonly type: T }>>;
};

/** All kinds that this program knows. */
export const MESSAGE_KINDS: Kinds = {
  "vote-request": {
    number: 1,
    write: (writer, m) => {
      writeFlags(writer, m.isPreVote, m.isTransfer);
      writeNumbers(writer, m.lastIndex, m.lastTerm);
    },
    read: (fields, _bulk, envelope) => {
      const flags = readFlags(fields);
      const [isPreVote, isTransfer] = [(flags & 1) !== 0, (flags & 2) !== 0];
      const [lastIndex, lastTerm] = [fields.varint(), fields.varint()];
      return { type: "vote-request", ...envelope, isPreVote, isTransfer, lastIndex, lastTerm };
    },
  },
  "vote-response": {
    number: 2,
    write: (writer, m) => {
      writeFlags(writer, m.isPreVote, m.granted);
      writeNumbers(writer, m.lastIndex, m.lastTerm);
    },
    read: (fields, _bulk, envelope) => {
      const flags = readFlags(fields);
      const [isPreVote, granted] = [(flags & 1) !== 0, (flags & 2) !== 0];
      const [lastIndex, lastTerm] = [fields.varint(), fields.varint()];
      return { type: "vote-response", ...envelope, isPreVote, granted, lastIndex, lastTerm };
    },
  },
  "append-request": {
    number: 3,
    write: (writer, m) => {
      writeNumbers(writer, m.prevIndex, m.prevTerm, m.commitIndex, m.stableIndex);
    },
    writeBulk: (writer, m) => encodeEntries(writer, m.entries),
    read: (fields, bulk, envelope) => {
      const [prevIndex, prevTerm] = [fields.varint(), fields.varint()];
      const [commitIndex, stableIndex] = [fields.varint(), fields.varint()];
      const entries = decodeEntries(bulk, prevIndex + 1);
      const positions = { prevIndex, prevTerm, commitIndex, stableIndex };
      return { type: "append-request", ...envelope, ...positions, entries };
    },
  },
  "append-response": {
    number: 4,
    write: (writer, m) => {
      writeFlags(writer, m.accepted);
      writeNumbers(writer, m.matchIndex, m.rejectedIndex, m.hintIndex, m.hintTerm);
    },
    read: (fields, _bulk, envelope) => {
      const accepted = (readFlags(fields) & 1) !== 0;
      const [matchIndex, rejectedIndex] = [fields.varint(), fields.varint()];
      const [hintIndex, hintTerm] = [fields.varint(), fields.varint()];
      const positions = { matchIndex, rejectedIndex, hintIndex, hintTerm };
      return { type: "append-response", ...envelope, accepted, ...positions };
    },
  },
  "heartbeat-request": {
    number: 5,
    write: (writer, m) => writeNumbers(writer, m.round, m.commitIndex, m.stableIndex),
    read: (fields, _bulk, envelope) => {
      const [round, commitIndex] = [fields.varint(), fields.varint()];
      const stableIndex = fields.varint();
      return { type: "heartbeat-request", ...envelope, round, commitIndex, stableIndex };
    },
  },
  "heartbeat-response": {
    number: 6,
    write: (writer, m) => writer.varint(m.round),
    read: (fields, _bulk, envelope) => ({
      type: "heartbeat-response",
      ...envelope,
      round: fields.varint(),
    }),
  },
  "hibernate-request": {
    number: 7,
    write: (writer, m) => writeNumbers(writer, m.lastIndex, m.commitIndex),
    read: (fields, _bulk, envelope) => {
      const [lastIndex, commitIndex] = [fields.varint(), fields.varint()];
      return { type: "hibernate-request", ...envelope, lastIndex, commitIndex };
    },
  },
  "hibernate-response": {
    number: 8,
    write: (writer, m) => {
      writeFlags(writer, m.accepted);
      writer.varint(m.lastIndex);
    },
    read: (fields, _bulk, envelope) => {
      const accepted = (readFlags(fields) & 1) !== 0;
      return { type: "hibernate-response", ...envelope, accepted, lastIndex: fields.varint() };
    },
  },
  "snapshot-request": {
    number: 9,
    write: (writer, m) => {
      writeSnapshot(writer, m.snapshot);
      writer.varint(m.offset);
      writer.u32(m.checksum);
    },
    writeBulk: (writer, m) => writer.bytes(m.data),
    read: (fields, bulk, envelope) => {
      const snapshot = readSnapshot(fields);
      const [offset, checksum] = [fields.varint(), fields.u32()];
      const data = bulk.bytes(bulk.remaining);
      return { type: "snapshot-request", ...envelope, snapshot, offset, checksum, data };
    },
  },
  "snapshot-response": {
    number: 10,
    write: (writer, m) => writeNumbers(writer, m.index, m.offset),
    read: (fields, _bulk, envelope) => {
      const [index, offset] = [fields.varint(), fields.varint()];
      return { type: "snapshot-response", ...envelope, index, offset };
    },
  },
  "timeout-now": {
    number: 11,
    write: (writer, m) => writeNumbers(writer, m.lastIndex, m.lastTerm),
    read: (fields, _bulk, envelope) => {
      const [lastIndex, lastTerm] = [fields.varint(), fields.varint()];
      return { type: "timeout-now", ...envelope, lastIndex, lastTerm };
    },
  },
  "read-request": {
    number: 12,
    write: (writer, m) => writer.varint(m.context),
    read: (fields, _bulk, envelope) => ({
      type: "read-request",
      ...envelope,
      context: fields.varint(),
    }),
  },
  "read-response": {
    number: 13,
    write: (writer, m) => writeNumbers(writer, m.context, m.index),
    read: (fields, _bulk, envelope) => {
      const [context, index] = [fields.varint(), fields.varint()];
      return { type: "read-response", ...envelope, context, index };
    },
  },
  "fetch-request": {
    number: 14,
    write: (writer, m) => writeNumbers(writer, m.prevIndex, m.prevTerm),
    read: (fields, _bulk, envelope) => {
      const [prevIndex, prevTerm] = [fields.varint(), fields.varint()];
      return { type: "fetch-request", ...envelope, prevIndex, prevTerm };
    },
  },
  "fetch-response": {
    number: 15,
    write: (writer, m) => {
      writeNumbers(writer, m.prevIndex, m.prevTerm, m.lastIndex, m.lastTerm);
      writer.varint(m.hintIndex);
    },
    writeBulk: (writer, m) => encodeEntries(writer, m.entries),
    read: (fields, bulk, envelope) => {
      const [prevIndex, prevTerm] = [fields.varint(), fields.varint()];
      const [lastIndex, lastTerm] = [fields.varint(), fields.varint()];
      const hintIndex = fields.varint();
      const entries = decodeEntries(bulk, prevIndex + 1);
      const positions = { prevIndex, prevTerm, lastIndex, lastTerm, hintIndex };
      return { type: "fetch-response", ...envelope, ...positions, entries };
    },
  },
};

function writeNumbers(writer: ByteWriter, ...numbers: readonly number[]): void {
  for (const each of numbers) writer.varint(each);
}

function writeFlags(writer: ByteWriter, first: boolean, second = false): void {
  writer.u8((first ? 1 : 0) | (second ? 2 : 0));
}

/** Bits that are not known are a newer program's. */
function readFlags(fields: ByteReader): number {
  return fields.u8();
}

function writeSnapshot(writer: ByteWriter, snapshot: SnapshotMetadata): void {
  writeNumbers(writer, snapshot.index, snapshot.term, snapshot.sizeBytes);
  writer.u32(snapshot.checksum);
  writer.varBytes(encodeConfiguration(snapshot.configuration));
}

function readSnapshot(fields: ByteReader): SnapshotMetadata {
  const [index, term, sizeBytes] = [fields.varint(), fields.varint(), fields.varint()];
  const checksum = fields.u32();
  const configuration = decodeConfiguration(fields.varBytes());
  if (configuration === undefined) throw frameMalformed("a snapshot's members can be no group");
  return { index, term, configuration, sizeBytes, checksum };
}
