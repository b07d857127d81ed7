import { AssertionFailure, createRandom } from "@kvs/env";
import { expect, test } from "vitest";
import { nodeCiphers } from "../src/node-ciphers.ts";

const random = createRandom(1);
const bytes = (length: number): Uint8Array => random.fill(new Uint8Array(length));
const hex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "hex"));

test("test case 16 of the GCM specification", () => {
  const cipher = nodeCiphers.aes256Gcm(
    hex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308"),
  );
  const plain = hex(
    "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72" +
      "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
  );
  const message = {
    nonce: hex("cafebabefacedbaddecaf888"),
    associated: hex("feedfacedeadbeeffeedfacedeadbeefabaddad2"),
    tag: new Uint8Array(16),
  };
  const sealed = new Uint8Array(plain.length);

  cipher.seal(message, plain, sealed);

  expect(sealed).toEqual(
    hex(
      "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa" +
        "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
    ),
  );
  expect(message.tag).toEqual(hex("76fc6ece0f4e1768cddf8853bb2d551b"));
});

test("what was sealed opens, in place as well, for every length", () => {
  const cipher = nodeCiphers.aes256Gcm(bytes(32));
  for (const length of [0, 1, 15, 16, 17, 4096, 70_000]) {
    const message = { nonce: bytes(12), associated: bytes(20), tag: new Uint8Array(16) };
    const plain = bytes(length);
    const page = plain.slice();

    cipher.seal(message, page, page);
    if (length > 16) expect(page).not.toEqual(plain);

    expect(cipher.open(message, page, page)).toBe(true);
    expect(page).toEqual(plain);
  }
});

test("a changed bit in key, nonce, tag, associated data or text is found", () => {
  const key = bytes(32);
  const message = { nonce: bytes(12), associated: bytes(8), tag: new Uint8Array(16) };
  const plain = bytes(40);
  const sealed = new Uint8Array(40);
  nodeCiphers.aes256Gcm(key).seal(message, plain, sealed);
  const parts = [key, message.nonce, message.tag, message.associated, sealed];

  for (const part of parts) {
    for (let bit = 0; bit < part.length * 8; bit += 3) {
      part[bit >> 3]! ^= 1 << (bit & 7);
      const target = new Uint8Array(40);
      expect(nodeCiphers.aes256Gcm(key).open(message, sealed, target)).toBe(false);
      expect(target).toEqual(new Uint8Array(40)); // text that failed is not handed out
      part[bit >> 3]! ^= 1 << (bit & 7);
    }
  }
  expect(nodeCiphers.aes256Gcm(key).open(message, sealed, new Uint8Array(40))).toBe(true);
});

test("the key is copied", () => {
  const key = bytes(32);
  const cipher = nodeCiphers.aes256Gcm(key);
  const message = { nonce: bytes(12), associated: bytes(0), tag: new Uint8Array(16) };
  const sealed = new Uint8Array(10);
  cipher.seal(message, bytes(10), sealed);

  key.fill(0);

  expect(cipher.open(message, sealed, new Uint8Array(10))).toBe(true);
});

test("wrong lengths of key, nonce, tag or target are bugs", () => {
  expect(() => nodeCiphers.aes256Gcm(bytes(16))).toThrow(AssertionFailure);
  const cipher = nodeCiphers.aes256Gcm(bytes(32));
  const good = { nonce: bytes(12), associated: bytes(0), tag: new Uint8Array(16) };
  const text = bytes(8);
  expect(() => cipher.seal({ ...good, nonce: bytes(16) }, text, text)).toThrow(AssertionFailure);
  expect(() => cipher.seal({ ...good, tag: bytes(12) }, text, text)).toThrow(AssertionFailure);
  expect(() => cipher.open(good, text, bytes(9))).toThrow(AssertionFailure);
});
