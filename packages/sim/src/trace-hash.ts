/**
 * A rolling hash of everything that happens, in order: two runs that differ anywhere end with
 * different hashes, save for one chance in 2^64. Not cryptographic.
 *
 * Two 32-bit lanes with different multipliers, because 64-bit integers would cost an allocation
 * for every event.
 */
export class TraceHash {
  #low = 0x811c9dc5;
  #high = 0x9e3779b9;

  /** Folds in one unsigned 32-bit word. */
  add(word: number): void {
    this.#low = Math.imul(this.#low ^ word, 0x01000193);
    this.#low ^= this.#low >>> 15;
    this.#high = Math.imul(this.#high + word, 0x85ebca6b) ^ this.#low;
    this.#high ^= this.#high >>> 13;
  }

  /** Folds in a safe integer of 0 or more. */
  addInteger(value: number): void {
    this.add(value >>> 0);
    this.add(Math.floor(value / 0x1_0000_0000));
  }

  /** 16 hexadecimal digits. */
  toString(): string {
    return hex(this.#high) + hex(this.#low);
  }
}

/** Hashes a text to 32 bits: names of kinds, hosts, sites. */
export function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) {
    hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  }
  return (hash ^ (hash >>> 15)) >>> 0;
}

/**
 * Hashes bytes to 32 bits; every byte counts.
 *
 * Cost: about 1 ns a byte.
 */
export function hashBytes(bytes: Uint8Array, seed = 0): number {
  let hash = (0x811c9dc5 ^ seed) | 0;
  for (let at = 0; at < bytes.length; at++) {
    hash = Math.imul(hash ^ bytes[at]!, 0x01000193);
  }
  hash = Math.imul(hash ^ bytes.length, 0x85ebca6b);
  return (hash ^ (hash >>> 15)) >>> 0;
}

function hex(word: number): string {
  return (word >>> 0).toString(16).padStart(8, "0");
}
