import { type Cipher } from "./ciphers.ts";

/**
 * The keys that data at rest are sealed with, by number. Whoever writes pages, records or copies
 * stores the number of the key beside the sealed bytes, and asks for the same key to read them.
 */
export interface DataKeys {
  /**
   * The key for new data: an integer from 1 to 2^32 − 1. It may change between two calls, when keys
   * are rotated; 0 stands for "not sealed" and is never the number of a key.
   */
  readonly currentId: number;
  /** The cipher of a key, `undefined` if it is not known, or was destroyed after a rotation. */
  cipherOf(keyId: number): Cipher | undefined;
}
