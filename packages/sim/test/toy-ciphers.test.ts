import { createRandom, KEY_BYTES, NONCE_BYTES, TAG_BYTES } from "@kvs/env";
import { expect, test } from "vitest";
import { toyCiphers } from "../src/toy-ciphers.ts";

function drawBytes(seed: number, count: number): Uint8Array {
  const bytes = new Uint8Array(count);
  createRandom(seed).fill(bytes); // oxlint-disable-line unicorn/no-array-fill-with-reference-type
  return bytes;
}

function sealed(plain: Uint8Array, key = drawBytes(1, KEY_BYTES)) {
  const message = {
    nonce: drawBytes(2, NONCE_BYTES),
    associated: drawBytes(3, 20),
    tag: new Uint8Array(TAG_BYTES),
  };
  const bytes = new Uint8Array(plain.length);
  toyCiphers.aes256Gcm(key).seal(message, plain, bytes);
  return { message, bytes, key };
}

test("what is sealed opens again, for every length, also in place", () => {
  for (const length of [0, 1, 15, 16, 17, 4096]) {
    const plain = drawBytes(9, length);
    const { message, bytes, key } = sealed(plain);
    if (length > 8) expect(bytes).not.toEqual(plain);

    expect(toyCiphers.aes256Gcm(key).open(message, bytes, bytes)).toBe(true);
    expect(bytes).toEqual(plain);
  }
});

test("one flipped bit, anywhere in text, nonce, tag, associated data or key, is refused", () => {
  const plain = drawBytes(9, 40);
  const { message, bytes, key } = sealed(plain);
  const parts = [bytes, message.nonce, message.tag, message.associated, key];
  for (const part of parts) {
    for (let bit = 0; bit < part.length * 8; bit++) {
      part[bit >> 3]! ^= 1 << (bit & 7);
      expect(toyCiphers.aes256Gcm(key).open(message, bytes, new Uint8Array(40))).toBe(false);
      part[bit >> 3]! ^= 1 << (bit & 7);
    }
  }

  expect(toyCiphers.aes256Gcm(key).open(message, bytes, new Uint8Array(40))).toBe(true);
});

test("equal texts differ under another nonce and another key", () => {
  const plain = new Uint8Array(64);
  const first = sealed(plain).bytes;
  const other = sealed(plain, drawBytes(7, KEY_BYTES)).bytes;

  expect(first).not.toEqual(other);
});
