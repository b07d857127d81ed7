/**
 * How a fragment is sealed: AES-256-GCM under one key, each fragment by itself. A sealed fragment has
 * flag 4, and its payload begins with the seal:
 *
 *   offset  size  field      integers are little-endian
 *        0     4  keyId      number of the key; at least 1
 *        4    12  nonce      never used twice with one key
 *       16    16  tag        of the content and of what it is bound to
 *       32     …  content    the record's bytes, encrypted
 *
 * The tag binds the content to its place (36 bytes, in no file):
 *
 *        0     8  logId
 *        8     8  start          position of the fragment's header
 *       16     4  length         of the payload, seal included
 *       20     4  epoch
 *       24     1  kind
 *       25     1  flags
 *       26     2  zero
 *       28     4  syncedDistance
 *       32     4  keyId
 *
 * 1. The checksum is of the bytes on disk, so that a torn tail and damage are told apart without
 *    keys, and bytes can be copied (repair file, archive) without opening them.
 * 2. A position is written again only in a later epoch, so that no two fragments that were ever
 *    sealed are bound to the same place: one cannot stand for the other.
 * 3. Kinds and lengths are not hidden.
 *
 * Format: docs/formats/wal.md. Source: NIST SP 800-38D.
 */
import {
  type Cipher,
  type DataKeys,
  NONCE_BYTES,
  NonceSequence,
  type Random,
  assert,
} from "@kvs/env";

import { FRAGMENT_HEADER_BYTES, SEAL_BYTES } from "./record-format.ts";
import { type Sabotage } from "./sabotage.ts";
import { LOG_ID_BYTES, type LogIdentity } from "./segment-format.ts";
import { putUint64 } from "./uint64.ts";
import { currentKeyUnknown } from "./wal-error.ts";

const NONCE_OFFSET = 4;
const TAG_OFFSET: number = NONCE_OFFSET + NONCE_BYTES;
const BINDING_BYTES: number = LOG_ID_BYTES + 28;

/** What a seal binds a fragment to. */
export interface SealedHeader {
  readonly epoch: number;
  readonly kind: number;
  readonly flags: number;
  readonly syncedDistance: number;
}

/** Seals new fragments, each record under the key that is current when it is appended. */
export class FragmentSealer {
  readonly #keys: DataKeys;
  readonly #nonces: NonceSequence;
  readonly #binding: SealBinding;
  readonly #reusesNonce: boolean;
  #keyId = 0;
  #cipher: Cipher | undefined;

  /** @param random A cryptographic generator: nonces begin with what it gives. */
  constructor(keys: DataKeys, random: Random, identity: LogIdentity, sabotage: Sabotage) {
    this.#keys = keys;
    this.#nonces = new NonceSequence(random);
    this.#binding = new SealBinding(identity, sabotage);
    this.#reusesNonce = sabotage.reusesNonce;
  }

  /**
   * Chooses the key of the next record.
   *
   * @returns Its number.
   * @throws {KvsError} `WAL_KEY_UNKNOWN`: nothing may be appended.
   */
  begin(): number {
    const keyId = this.#keys.currentId;
    assert(keyId >= 1 && keyId <= 0xffff_ffff, "a key's number is an integer in [1, 2^32)");
    const cipher = this.#keys.cipherOf(keyId);
    if (cipher === undefined) throw currentKeyUnknown(keyId);
    this.#keyId = keyId;
    this.#cipher = cipher;
    return keyId;
  }

  /**
   * Seals a fragment in place.
   *
   * @param target Holds the content behind the place of header and seal.
   * @param offset Of the fragment's header, which may be written before or after.
   * @param header `length` is that of the payload, seal included.
   * @param start The position of `target[offset]`.
   */
  seal(
    target: Uint8Array,
    offset: number,
    header: SealedHeader & { readonly length: number },
    start: number,
  ): void {
    assert(this.#cipher !== undefined, "a key is chosen before a record is sealed");
    const from = offset + FRAGMENT_HEADER_BYTES;
    const seal = target.subarray(from, from + SEAL_BYTES);
    const content = target.subarray(from + SEAL_BYTES, from + header.length);
    const keyId = this.#keyId;
    seal[0] = keyId;
    seal[1] = keyId >>> 8;
    seal[2] = keyId >>> 16;
    seal[3] = keyId >>> 24;
    if (this.#reusesNonce) seal.fill(0, NONCE_OFFSET, TAG_OFFSET);
    else this.#nonces.writeNext(seal, NONCE_OFFSET);
    const associated = this.#binding.bytes(header, header.length, start, keyId);
    const nonce = seal.subarray(NONCE_OFFSET, TAG_OFFSET);
    const tag = seal.subarray(TAG_OFFSET);
    this.#cipher.seal({ nonce, associated, tag }, content, content);
  }
}

/** The key that a sealed payload names. */
export function sealKeyId(payload: Uint8Array): number {
  assert(payload.length >= SEAL_BYTES, "a sealed payload begins with its seal");
  return (payload[0]! | (payload[1]! << 8) | (payload[2]! << 16) | (payload[3]! << 24)) >>> 0;
}

/** Opens sealed fragments. */
export class FragmentOpener {
  readonly #keys: DataKeys | undefined;
  readonly #binding: SealBinding;

  constructor(keys: DataKeys | undefined, identity: LogIdentity, sabotage: Sabotage) {
    this.#keys = keys;
    this.#binding = new SealBinding(identity, sabotage);
  }

  /**
   * Opens a payload in place.
   *
   * @returns The content, a view of the same bytes; or why there is none, and then the bytes must
   *   not be used.
   */
  open(
    header: SealedHeader,
    start: number,
    payload: Uint8Array,
  ): Uint8Array | "unknown key" | "not authentic" {
    const keyId = sealKeyId(payload);
    const cipher = keyId === 0 ? undefined : this.#keys?.cipherOf(keyId);
    if (cipher === undefined) return "unknown key";
    const content = payload.subarray(SEAL_BYTES);
    const associated = this.#binding.bytes(header, payload.length, start, keyId);
    const nonce = payload.subarray(NONCE_OFFSET, TAG_OFFSET);
    const tag = payload.subarray(TAG_OFFSET, SEAL_BYTES);
    const isOpened = cipher.open({ nonce, associated, tag }, content, content);
    return isOpened ? content : "not authentic";
  }
}

/** Builds the associated data of one fragment after the other, in the same bytes. */
class SealBinding {
  readonly #bytes: Uint8Array = new Uint8Array(BINDING_BYTES);
  readonly #view: DataView = new DataView(this.#bytes.buffer);
  readonly #isSkipped: boolean;

  constructor(identity: LogIdentity, sabotage: Sabotage) {
    assert(identity.logId.length === LOG_ID_BYTES, "a log id has 8 bytes");
    this.#isSkipped = sabotage.skipsAssociatedData;
    if (!this.#isSkipped) this.#bytes.set(identity.logId);
  }

  bytes(header: SealedHeader, length: number, start: number, keyId: number): Uint8Array {
    if (this.#isSkipped) return this.#bytes;
    const view = this.#view;
    putUint64(view, 8, start);
    view.setUint32(16, length, true);
    view.setUint32(20, header.epoch, true);
    view.setUint8(24, header.kind);
    view.setUint8(25, header.flags);
    view.setUint32(28, header.syncedDistance, true);
    view.setUint32(32, keyId, true);
    return this.#bytes;
  }
}
