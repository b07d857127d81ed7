import {
  type Cipher,
  type CipherMessage,
  type Ciphers,
  KEY_BYTES,
  NONCE_BYTES,
  TAG_BYTES,
  assert,
} from "@kvs/env";
import { type KeyObject, createCipheriv, createDecipheriv, createSecretKey } from "node:crypto";

const ALGORITHM = "aes-256-gcm";
const CIPHER_OPTIONS = { authTagLength: TAG_BYTES };

/** AES-256-GCM by OpenSSL, synchronous. */
export const nodeCiphers: Ciphers = {
  aes256Gcm(key: Uint8Array): Cipher {
    assert(key.length === KEY_BYTES, "a key of AES-256 has 32 bytes");
    return new AesGcm(createSecretKey(key));
  },
};

/** The key lives in OpenSSL's memory: it is neither printed nor serialised by accident. */
class AesGcm implements Cipher {
  readonly #key: KeyObject;

  constructor(key: KeyObject) {
    this.#key = key;
  }

  seal(message: CipherMessage, plain: Uint8Array, sealed: Uint8Array): void {
    checkLengths(message, plain, sealed);
    const cipher = createCipheriv(ALGORITHM, this.#key, message.nonce, CIPHER_OPTIONS);
    cipher.setAAD(message.associated);
    const text = cipher.update(plain); // fresh bytes: input and output may be the same array
    cipher.final();
    assert(text.length === plain.length, "counter mode keeps the length");
    sealed.set(text);
    message.tag.set(cipher.getAuthTag());
  }

  open(message: CipherMessage, sealed: Uint8Array, plain: Uint8Array): boolean {
    checkLengths(message, sealed, plain);
    const decipher = createDecipheriv(ALGORITHM, this.#key, message.nonce, CIPHER_OPTIONS);
    decipher.setAAD(message.associated);
    decipher.setAuthTag(message.tag);
    const text = decipher.update(sealed);
    if (!isAuthentic(() => decipher.final())) return false; // text that failed is never handed out
    assert(text.length === sealed.length, "counter mode keeps the length");
    plain.set(text);
    return true;
  }
}

/** OpenSSL tells a wrong tag by throwing from `final`, and throws there for nothing else. */
function isAuthentic(final: () => void): boolean {
  try {
    final();
    return true;
  } catch {
    return false;
  }
}

function checkLengths(message: CipherMessage, from: Uint8Array, to: Uint8Array): void {
  assert(message.nonce.length === NONCE_BYTES, "a nonce has 12 bytes");
  assert(message.tag.length === TAG_BYTES, "a tag has 16 bytes");
  assert(from.length === to.length, "plain and sealed bytes have one length");
}
