/** Storage that copies share: small, for one copy that is kept keeps all of it. */
const SLAB_BYTES: number = 8 << 10;
/** A copy of at most this many bytes is cheap by itself: the engine keeps it on its own heap. */
const HEAP_BYTES_MAX = 64;
/** A longer copy gets memory of its own: there the copying is what costs. */
const POOLED_BYTES_MAX = 1024;
/** Copies begin at multiples of this. */
const ALIGNMENT = 8;

/**
 * Makes copies of ranges of bytes that belong to the caller.
 *
 * Copies of middling length lie side by side in slabs of 8 KiB: memory of their own would cost three
 * times as much as everything else that a read does. So `buffer` of such a copy is wider than the
 * copy, as that of Node's `Buffer`s is; nothing is ever written to it again.
 */
export class BytePool {
  #slab: Uint8Array = new Uint8Array(SLAB_BYTES);
  #used = 0;

  /** A copy of the bytes [from, to). */
  copy(source: Uint8Array, from: number, to: number): Uint8Array {
    const length = to - from;
    if (length <= HEAP_BYTES_MAX || length > POOLED_BYTES_MAX) return source.slice(from, to);
    if (this.#used + length > SLAB_BYTES) {
      this.#slab = new Uint8Array(SLAB_BYTES);
      this.#used = 0;
    }
    const at = this.#used;
    this.#used = (at + length + ALIGNMENT - 1) & -ALIGNMENT;
    this.#slab.set(source.subarray(from, to), at);
    return this.#slab.subarray(at, at + length);
  }
}
