/**
 * One message as bytes. docs/formats/raft-message.md has the format and examples.
 *
 *   message = kind:u8 fieldsBytes:u16 fields bulk
 *   fields  = group from to term (varints), then those of the kind, then a newer program's
 */
import { ByteReader, type ByteWriter } from "@kvs/codec";
import { assert, isKvsError } from "@kvs/env";

import { bytesOf } from "../core/entry.ts";
import { type Message } from "../core/message.ts";
import { MESSAGE_KINDS, type MessageKind } from "./message-kinds.ts";
import { frameMalformed } from "./message-error.ts";

/** The kind and the length of the fields. */
const HEADER_BYTES = 3;
const FIELDS_MAX_BYTES = 0xffff;
/** Header, ten numbers of eight bytes, flags. */
const SMALL_MAX_BYTES = 96;
/** As long, and the members: four lists of 64 ids. */
const SNAPSHOT_MAX_BYTES: number = 96 + 16 + 8 * 4 * 64;
/** Kind, term, count and length of a run; a single length is part of the weight of an entry. */
const RUN_MAX_BYTES = 24;

/** Appends `message` to `writer`. Entries and pieces of snapshots are copied once. */
export function encodeMessage(writer: ByteWriter, message: Message): void {
  const kind = MESSAGE_KINDS[message.type] as MessageKind;
  writer.u8(kind.number);
  const at = writer.claim(2);
  writer.varint(message.group);
  writer.varint(message.from);
  writer.varint(message.to);
  writer.varint(message.term);
  kind.write(writer, message);
  const fieldsBytes = writer.position - at - 2;
  assert(fieldsBytes <= FIELDS_MAX_BYTES, "fields without entries are short");
  writer.buffer[at] = fieldsBytes;
  writer.buffer[at + 1] = fieldsBytes >>> 8;
  kind.writeBulk?.(writer, message);
}

/** A bound of the bytes that a message takes, not far above what it does. */
export function encodedBytesMax(message: Message): number {
  if (message.type === "snapshot-request") return SNAPSHOT_MAX_BYTES + message.data.length;
  if (!("entries" in message)) return SMALL_MAX_BYTES;
  let bytes = SMALL_MAX_BYTES;
  for (const batch of message.entries) bytes += RUN_MAX_BYTES + bytesOf(batch);
  return bytes;
}

/**
 * Reads a message that takes up the whole of [from, to).
 *
 * @returns Entries and pieces of snapshots are views of `bytes`, which must not change from now on;
 *   `undefined` for a kind of message that a newer program knows.
 * @throws {KvsError} `RAFT_FRAME_MALFORMED`
 *
 * What it returns is well-formed, not yet plausible: `RaftCore.step` checks the meaning.
 */
export function decodeMessage(
  bytes: Uint8Array,
  from = 0,
  to: number = bytes.length,
): Message | undefined {
  try {
    return decode(bytes, from, to);
  } catch (error) {
    if (isKvsError(error, "RAFT_FRAME_MALFORMED") || !isKvsError(error)) throw error;
    throw frameMalformed("a message breaks the format", error);
  }
}

function decode(bytes: Uint8Array, from: number, to: number): Message | undefined {
  const header = new ByteReader(bytes, from, to);
  const kind = KIND_OF[header.u8()];
  const fieldsEnd = from + HEADER_BYTES + header.u16();
  if (fieldsEnd > to) throw frameMalformed("the fields end behind their message");
  if (kind === undefined) return undefined;
  const fields = new ByteReader(bytes, from + HEADER_BYTES, fieldsEnd);
  const bulk = new ByteReader(bytes, fieldsEnd, to);
  const [group, sender] = [fields.varint(), fields.varint()];
  const [receiver, term] = [fields.varint(), fields.varint()];
  const message = kind.read(fields, bulk, { group, from: sender, to: receiver, term });
  bulk.expectEnd();
  return message;
}

const KIND_OF: readonly (MessageKind | undefined)[] = (() => {
  const kinds: (MessageKind | undefined)[] = [];
  for (const kind of Object.values(MESSAGE_KINDS)) kinds[kind.number] = kind as MessageKind;
  return kinds;
})();
