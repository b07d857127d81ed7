/** Bytes of the nonce of AES-256-GCM. A nonce is never used twice with one key. */
export const NONCE_BYTES = 12;
/** Bytes of the authentication tag of AES-256-GCM. */
export const TAG_BYTES = 16;
/** Bytes of a key of AES-256-GCM. */
export const KEY_BYTES = 32;

/**
 * Authenticated encryption under one key, synchronous, so that a page is sealed in the turn that
 * writes it. Input and output may be the same bytes, or must not overlap at all.
 *
 * Source: NIST SP 800-38D.
 */
export interface Cipher {
  /**
   * Encrypts `plain` into `sealed` (same length) and writes `message.tag`.
   */
  seal(message: CipherMessage, plain: Uint8Array, sealed: Uint8Array): void;
  /**
   * Decrypts `sealed` into `plain` (same length).
   *
   * @returns false if key, nonce, tag, associated data or text do not belong together; `plain`
   *   is then undefined and must not be used.
   */
  open(message: CipherMessage, sealed: Uint8Array, plain: Uint8Array): boolean;
}

export interface CipherMessage {
  /** `NONCE_BYTES` long. */
  readonly nonce: Uint8Array;
  /** Bytes that are authenticated, not encrypted: which file, page and LSN the text belongs to. */
  readonly associated: Uint8Array;
  /** `TAG_BYTES` long; written by `seal`, read by `open`. */
  readonly tag: Uint8Array;
}

/** Makes ciphers. Keys never leave it and are never traced. */
export interface Ciphers {
  /** @param key `KEY_BYTES` long; copied. */
  aes256Gcm(key: Uint8Array): Cipher;
}
