import { assert } from "./assert.ts";
import { NONCE_BYTES } from "./ciphers.ts";
import { type Random } from "./random.ts";

/** Random bytes at the start of a nonce; the rest counts. */
const PREFIX_BYTES = 8;
const COUNTER_MAX = 0xffff_ffff;

/**
 * Nonces that are never used twice with one key: 64 random bits, drawn anew each time a sequence is
 * made and after 2^32 nonces, then a counter. Nothing of it is stored, so a store that goes on from
 * an older copy of itself draws another prefix and repeats nothing. With a billion sequences under
 * one key the chance that two share a prefix is 1 in 36.
 *
 * Cost: no allocation.
 * Source: NIST SP 800-38D, section 8.2.1 (deterministic construction; the prefix is the fixed field).
 */
export class NonceSequence {
  readonly #random: Random;
  readonly #prefix = new Uint8Array(PREFIX_BYTES);
  #counter = 0;

  /** @param random A cryptographic generator where secrets matter. */
  constructor(random: Random) {
    this.#random = random;
    random.fill(this.#prefix);
  }

  /** Writes the next nonce into `target` at `offset`: `NONCE_BYTES` bytes. */
  writeNext(target: Uint8Array, offset = 0): void {
    assert(offset + NONCE_BYTES <= target.length, "a nonce has its place in the target");
    if (this.#counter === COUNTER_MAX) {
      this.#random.fill(this.#prefix);
      this.#counter = 0;
    }
    const counter = this.#counter++;
    target.set(this.#prefix, offset);
    target[offset + 8] = counter >>> 24;
    target[offset + 9] = counter >>> 16;
    target[offset + 10] = counter >>> 8;
    target[offset + 11] = counter;
  }
}
