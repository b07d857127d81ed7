import { ByteReader, ByteWriter, compareBytes } from "@kvs/codec";
import { KvsError } from "@kvs/env";
import { KEY_BYTES_MAX } from "@kvs/txn";
import { type QueryErrorCode } from "../query-error.ts";

/**
 * How databases lie in a store: one tree, whose keys begin with the number of a *space*.
 *
 *   row key     space (4, big-endian) key
 *   space 0     the list of spaces: encodeKey([database, kind, name]) → document { space }
 *   space 1     what expires: expiresAtMs (8, big-endian) row key → nothing
 *   space 16…   one for the keys of each database, one for each collection
 *
 *   a value     flags (1) [ expiresAtMs (8) if bit 0 ] document
 *   a document  0 (1) version (varint) document, without its `_id`, which is the key
 *
 * Documents and keys are those of `@kvs/codec`. Format: docs/formats/database.md.
 */
export const SPACE_LIST = 0;
export const SPACE_EXPIRY = 1;
export const FIRST_SPACE = 16;
const SPACE_BYTES = 4;
const EXPIRY_BYTES = 8;
const FLAG_EXPIRES = 1;

/** The space of a row key. */
export function spaceOfRow(row: Uint8Array): number {
  return new ByteReader(row).u32be();
}

/** The row key of a key in a space. */
export function rowKey(space: number, key: Uint8Array): Uint8Array {
  const row = new Uint8Array(SPACE_BYTES + key.length);
  writeSpace(row, space);
  row.set(key, SPACE_BYTES);
  return row;
}

/** The key in a row key of whatever space. */
export function keyOfRow(row: Uint8Array): Uint8Array {
  return row.subarray(SPACE_BYTES);
}

/** The row keys of a space from one key, inclusive, to another, exclusive. */
export function rowRange(
  space: number,
  from: Uint8Array | undefined,
  to: Uint8Array | undefined,
): { readonly gte: Uint8Array; readonly lt: Uint8Array } {
  const gte = from === undefined ? rowKey(space, NO_BYTES) : rowKey(space, cut(from));
  const lt = to === undefined ? rowKey(space + 1, NO_BYTES) : rowKey(space, cut(to));
  return compareBytes(gte, lt) <= 0 ? { gte, lt } : { gte, lt: gte };
}

/** A bound longer than any key means the same without its tail, which no key reaches. */
function cut(bound: Uint8Array): Uint8Array {
  return bound.length + SPACE_BYTES <= KEY_BYTES_MAX
    ? bound
    : bound.subarray(0, KEY_BYTES_MAX - SPACE_BYTES);
}

/** A value as it is stored under a key. */
export interface ValueRow {
  /** The encoded document. */
  readonly value: Uint8Array;
  /** Milliseconds since 1970 from which it is expired; `undefined`: never. */
  readonly expiresAtMs: number | undefined;
}

export function encodeValueRow(value: Uint8Array, expiresAtMs: number | undefined): Uint8Array {
  if (expiresAtMs === undefined) {
    const row = new Uint8Array(1 + value.length);
    row.set(value, 1);
    return row;
  }
  const writer = new ByteWriter({ initialBytes: 1 + EXPIRY_BYTES + value.length });
  writer.u8(FLAG_EXPIRES);
  writer.u64(expiresAtMs);
  writer.bytes(value);
  return writer.toBytes();
}

/** @throws {KvsError} `QUERY_DAMAGED_ROW`. */
export function decodeValueRow(row: Uint8Array): ValueRow {
  if (row[0] === 0) return { value: row.subarray(1), expiresAtMs: undefined };
  return guarded(() => {
    const reader = new ByteReader(row);
    if (reader.u8() !== FLAG_EXPIRES) throw damagedRow();
    const expiresAtMs = reader.u64();
    return { value: row.subarray(reader.position), expiresAtMs };
  });
}

/** A document as it is stored under its id. */
export interface DocumentRow {
  /** How often it was written. */
  readonly version: number;
  /** The encoded document, without `_id`. */
  readonly data: Uint8Array;
}

/** @throws {KvsError} `QUERY_DAMAGED_ROW`. */
export function decodeDocumentRow(row: Uint8Array): DocumentRow {
  return guarded(() => {
    const reader = new ByteReader(row);
    if (reader.u8() !== 0) throw damagedRow();
    const version = reader.varint();
    return { version, data: row.subarray(reader.position) };
  });
}

/** Writes what stands before the document of a row. */
export function writeDocumentHead(writer: ByteWriter, version: number): void {
  writer.u8(0);
  writer.varint(version);
}

/** The key under which the expiry of a row is noted. */
export function expiryKey(expiresAtMs: number, row: Uint8Array): Uint8Array {
  const key = new Uint8Array(SPACE_BYTES + EXPIRY_BYTES + row.length);
  const view = new DataView(key.buffer);
  view.setUint32(0, SPACE_EXPIRY);
  view.setUint32(SPACE_BYTES, Math.floor(expiresAtMs / 0x1_0000_0000));
  view.setUint32(SPACE_BYTES + 4, expiresAtMs >>> 0);
  key.set(row, SPACE_BYTES + EXPIRY_BYTES);
  return key;
}

/** What an expiry key says. @throws {KvsError} `QUERY_DAMAGED_ROW`. */
export function readExpiryKey(key: Uint8Array): { expiresAtMs: number; row: Uint8Array } {
  if (key.length < SPACE_BYTES + EXPIRY_BYTES) throw damagedRow();
  const view = new DataView(key.buffer, key.byteOffset, key.byteLength);
  const high = view.getUint32(SPACE_BYTES);
  const low = view.getUint32(SPACE_BYTES + 4);
  return {
    expiresAtMs: high * 0x1_0000_0000 + low,
    row: key.subarray(SPACE_BYTES + EXPIRY_BYTES),
  };
}

function writeSpace(row: Uint8Array, space: number): void {
  row[0] = space >>> 24;
  row[1] = space >>> 16;
  row[2] = space >>> 8;
  row[3] = space;
}

const NO_BYTES = new Uint8Array(0);

function guarded<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw error instanceof KvsError && error.code === "QUERY_DAMAGED_ROW"
      ? error
      : damagedRow(error);
  }
}

function damagedRow(cause?: unknown): KvsError<QueryErrorCode> {
  const message = "a stored row is not what this version writes; restore it from a copy";
  return new KvsError("QUERY_DAMAGED_ROW", message, { outcome: "none", cause });
}
