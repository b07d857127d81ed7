import { type Random, assert } from "@kvs/env";
import { randomFillSync } from "node:crypto";

/** Bytes drawn from the generator at once: a call for four bytes costs as much as for these. */
const POOL_BYTES = 4096;

/**
 * Chance from the operating system's cryptographic generator: good for keys, nonces and tokens.
 * Streams made by `split` are independent too; their labels mean nothing here.
 *
 * Each drawn number is wiped from the pool, so that memory never tells what was drawn.
 *
 * Cost: about 10 ns a draw; one system call for each 4 KiB.
 */
export class NodeRandom implements Random {
  readonly #pool = new Uint32Array(POOL_BYTES / 4);
  #next = this.#pool.length;

  nextUint32(): number {
    if (this.#next === this.#pool.length) this.#refill();
    const drawn = this.#pool[this.#next]!;
    this.#pool[this.#next++] = 0;
    return drawn;
  }

  below(bound: number): number {
    assert(Number.isInteger(bound) && bound >= 1 && bound <= 0x1_0000_0000, "1 <= bound <= 2^32");
    const usable = 0x1_0000_0000 - (0x1_0000_0000 % bound); // reject the uneven rest
    let drawn = this.nextUint32();
    while (drawn >= usable) drawn = this.nextUint32();
    return drawn % bound;
  }

  nextFloat(): number {
    const high = this.nextUint32() >>> 5;
    const low = this.nextUint32() >>> 6;
    return (high * 0x400_0000 + low) / 0x20_0000_0000_0000;
  }

  chance(probability: number): boolean {
    return this.nextFloat() < probability;
  }

  fill(target: Uint8Array): Uint8Array {
    return randomFillSync(target);
  }

  split(label: string): Random {
    assert(label.length > 0, "a stream of its own has a name");
    return new NodeRandom();
  }

  #refill(): void {
    randomFillSync(this.#pool);
    this.#next = 0;
  }
}
