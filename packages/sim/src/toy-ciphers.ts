import { assert, type Cipher, type CipherMessage, type Ciphers, KEY_BYTES } from "@kvs/env";
import { NONCE_BYTES, TAG_BYTES } from "@kvs/env";
import { hashBytes } from "./trace-hash.ts";

/**
 * Ciphers with the shape of AES-256-GCM and none of its security: a keyed stream of pseudo-random
 * bytes and a 128-bit keyed checksum. They are fast, the same on every platform, and refuse a
 * message of which any byte, also of nonce, tag or associated data, was changed. For simulations
 * only.
 */
export const toyCiphers: Ciphers = {
  aes256Gcm(key: Uint8Array): Cipher {
    assert(key.length === KEY_BYTES, "a key of AES-256 has 32 bytes");
    const secret = hashBytes(key) ^ hashBytes(key.subarray(16), 1);
    const second = hashBytes(key, 2);
    return {
      seal: (message, plain, sealed) => {
        checkMessage(message, plain, sealed);
        applyStream(secret ^ hashBytes(message.nonce), plain, sealed);
        message.tag.set(makeTag(second, message, sealed));
      },
      open: (message, sealed, plain) => {
        checkMessage(message, plain, sealed);
        const expected = makeTag(second, message, sealed);
        if (!expected.every((byte, at) => byte === message.tag[at])) return false;
        applyStream(secret ^ hashBytes(message.nonce), sealed, plain);
        return true;
      },
    };
  },
};

function checkMessage(message: CipherMessage, plain: Uint8Array, sealed: Uint8Array): void {
  assert(message.nonce.length === NONCE_BYTES, "a nonce has 12 bytes");
  assert(message.tag.length === TAG_BYTES, "a tag has 16 bytes");
  assert(plain.length === sealed.length, "plain and sealed text have the same length");
}

/** XORs `from` with a stream that follows from `seed`, into `to`. Its own inverse. */
function applyStream(seed: number, from: Uint8Array, to: Uint8Array): void {
  let state = seed | 1;
  for (let at = 0; at < from.length; at++) {
    state = (Math.imul(state, 0x5bd1e995) + 0x27d4eb2f) | 0;
    to[at] = from[at]! ^ (state >>> 24);
  }
}

/** Two hashes of everything, and two numbers that follow from them. */
function makeTag(secret: number, message: CipherMessage, sealed: Uint8Array): Uint8Array {
  const tag = new Uint8Array(TAG_BYTES);
  const view = new DataView(tag.buffer);
  for (let half = 0; half < 2; half++) {
    let hash = hashBytes(message.nonce, secret ^ (half * 0x9e3779b9));
    hash = hashBytes(message.associated, hash ^ message.associated.length);
    hash = hashBytes(sealed, hash);
    view.setUint32(8 * half, hash);
    view.setUint32(8 * half + 4, Math.imul(hash ^ secret, 0x5bd1e995));
  }
  return tag;
}
