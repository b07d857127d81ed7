/**
 * The file `keys` of a store: its data keys, each wrapped by a master key.
 *
 *   offset  size  field        integers are little-endian
 *        0     8  magic        "KVSKEYS\n"
 *        8     4  version      1
 *       12     8  storeId      which store the keys belong to: low word, high word
 *       20     4  nextId       the number that the next key gets
 *       24     2  count        entries
 *       26     2  flags        bit 0: every page of the store is sealed
 *       28     …  entries      in the order of their numbers
 *        …    12  nonce        of the seal
 *        …    16  tag          AES-256-GCM of no text under the current key, over all bytes before
 *        …     4  checksum     CRC-32 of all bytes before
 *
 * An entry:
 *
 *        0     4  id           1 to 2^32 − 1
 *        4     1  state        1 current, 2 retired, 3 rewritten, 4 destroyed
 *        5     1  nameBytes    length of the master key's name; 0 if destroyed
 *        6     2  keyBytes     length of the wrapped key; 0 if destroyed
 *        8     8  created      milliseconds since 1970
 *       16     …  name, wrapped key
 *
 * 1. The checksum exposes damage, to whoever has no master key; the tag exposes change, and a ring
 *    of another store.
 * 2. Exactly one key is current. A number is never given out twice.
 *
 * Format: docs/formats/key-ring.md.
 */
import { ByteReader, ByteWriter, crc32, decodeUtf8, encodeUtf8 } from "@kvs/codec";
import { NONCE_BYTES, TAG_BYTES, type WrappedKey, assert, isKvsError } from "@kvs/env";
import { txnError } from "./txn-error.ts";

/** Which part of a store may still need a key. */
export type KeyState = "current" | "retired" | "rewritten" | "destroyed";

/** A data key as the ring stores it. */
export interface RingEntry {
  readonly id: number;
  readonly state: KeyState;
  readonly createdMs: number;
  /** `undefined` if the key was destroyed. */
  readonly wrapped: WrappedKey | undefined;
}

/** What the file holds, without its seal. */
export interface RingContent {
  readonly storeId: readonly [high: number, low: number];
  readonly nextId: number;
  /** Whether no page that is plain belongs to the store. */
  readonly isAllSealed: boolean;
  readonly entries: readonly RingEntry[];
}

/** The seal of a ring: under which key, and over which bytes. */
export interface RingSeal {
  readonly covered: Uint8Array;
  readonly nonce: Uint8Array;
  readonly tag: Uint8Array;
}

export const RING_ENTRIES_MAX = 256;
/** A ring of so many entries is far below this. */
export const RING_BYTES_MAX: number = 1 << 20;
const MASTER_NAME_BYTES_MAX = 64;
const WRAPPED_BYTES_MAX = 1024;
const VERSION = 1;
const FLAG_ALL_SEALED = 1;
const MAGIC: readonly number[] = [0x4b, 0x56, 0x53, 0x4b, 0x45, 0x59, 0x53, 0x0a];
const CHECKSUM_BYTES = 4;
const SEAL_BYTES: number = NONCE_BYTES + TAG_BYTES;
const STATES: readonly KeyState[] = ["current", "retired", "rewritten", "destroyed"];

/**
 * Encodes a ring.
 *
 * @param seal Writes nonce and tag over the bytes it is given.
 */
export function encodeRing(content: RingContent, seal: (seal: RingSeal) => void): Uint8Array {
  const { storeId, nextId, isAllSealed, entries } = content;
  assert(entries.length <= RING_ENTRIES_MAX, "a ring has a bounded number of entries");
  const writer = new ByteWriter();
  writer.bytes(Uint8Array.from(MAGIC));
  writer.u32(VERSION);
  writer.u32(storeId[1]);
  writer.u32(storeId[0]);
  writer.u32(nextId);
  writer.u16(entries.length);
  writer.u16(isAllSealed ? FLAG_ALL_SEALED : 0);
  for (const entry of entries) writeEntry(writer, entry);
  const nonce = new Uint8Array(NONCE_BYTES);
  const tag = new Uint8Array(TAG_BYTES);
  seal({ covered: writer.toBytes(), nonce, tag });
  writer.bytes(nonce);
  writer.bytes(tag);
  writer.u32(crc32(writer.view()));
  return writer.toBytes();
}

/**
 * Decodes a ring, and checks all that can be checked without a key.
 *
 * @param path For the error's text.
 * @throws {KvsError} `TXN_DAMAGED_KEYS`, `TXN_UNKNOWN_VERSION`.
 */
export function decodeRing(
  bytes: Uint8Array,
  path: string,
): { readonly content: RingContent; readonly seal: RingSeal } {
  const end = bytes.length - CHECKSUM_BYTES;
  const covered = bytes.subarray(0, Math.max(0, end - SEAL_BYTES));
  if (MAGIC.some((byte, at) => bytes[at] !== byte)) throw damagedKeys(path, "it is no key ring");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (end < SEAL_BYTES || view.getUint32(end, true) !== crc32(bytes.subarray(0, end))) {
    throw damagedKeys(path, "its checksum does not match");
  }
  const reader = new ByteReader(covered, MAGIC.length);
  try {
    const version = reader.u32();
    if (version !== VERSION) throw unknownVersion(path, version);
    const content = readContent(reader);
    if (content === undefined) throw damagedKeys(path, "its entries make no sense");
    const nonce = bytes.slice(covered.length, covered.length + NONCE_BYTES);
    const tag = bytes.slice(covered.length + NONCE_BYTES, end);
    return { content, seal: { covered, nonce, tag } };
  } catch (error) {
    if (!isKvsError(error) || !error.code.startsWith("CODEC_")) throw error;
    throw damagedKeys(path, "its entries make no sense");
  }
}

/** Says that the file of keys cannot be trusted, and what to do. */
export function damagedKeys(path: string, what: string): Error {
  const message =
    `the keys of the store in ${path} cannot be used (${what}); ` +
    "put that file back from a copy of the store";
  return txnError("TXN_DAMAGED_KEYS", message, { details: { path } });
}

function unknownVersion(path: string, version: number): Error {
  const message = `${path} has version ${version}, and this program knows ${VERSION}; use a newer one`;
  return txnError("TXN_UNKNOWN_VERSION", message, { details: { path, version } });
}

function writeEntry(writer: ByteWriter, entry: RingEntry): void {
  const name = encodeUtf8(entry.wrapped?.masterKeyName ?? "");
  const key = entry.wrapped?.bytes ?? new Uint8Array(0);
  assert(name.length <= MASTER_NAME_BYTES_MAX, "a master key's name has at most 64 characters");
  assert(key.length <= WRAPPED_BYTES_MAX, "a wrapped key has at most 1,024 bytes");
  writer.u32(entry.id);
  writer.u8(STATES.indexOf(entry.state) + 1);
  writer.u8(name.length);
  writer.u16(key.length);
  writer.u64(entry.createdMs);
  writer.bytes(name);
  writer.bytes(key);
}

function readContent(reader: ByteReader): RingContent | undefined {
  const low = reader.u32();
  const high = reader.u32();
  const nextId = reader.u32();
  const count = reader.u16();
  const flags = reader.u16();
  const entries: RingEntry[] = [];
  for (let at = 0; at < count; at++) entries.push(readEntry(reader));
  reader.expectEnd();
  const isSound = entries.every(({ id, state, wrapped }, at) => {
    const isInOrder = id > (entries[at - 1]?.id ?? 0) && id < nextId;
    const hasState = STATES.includes(state);
    return isInOrder && hasState && (wrapped === undefined) === (state === "destroyed");
  });
  const hasOneCurrent = entries.filter(({ state }) => state === "current").length === 1;
  if (!isSound || !hasOneCurrent || flags > FLAG_ALL_SEALED) return undefined;
  return { storeId: [high, low], nextId, isAllSealed: flags !== 0, entries };
}

function readEntry(reader: ByteReader): RingEntry {
  const id = reader.u32();
  const state = STATES[reader.u8() - 1] as KeyState;
  const nameBytes = reader.u8();
  const keyBytes = reader.u16();
  const createdMs = reader.u64();
  const masterKeyName = decodeUtf8(reader.copy(nameBytes));
  const bytes = reader.copy(keyBytes);
  const wrapped = keyBytes === 0 ? undefined : { masterKeyName, bytes };
  return { id, state, createdMs, wrapped };
}
