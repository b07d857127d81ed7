import { type Payloads } from "../core/entry.ts";

/** Payloads that were read back from the log, the latest used last, up to a budget of bytes. */
export class PayloadCache {
  readonly #maxBytes: number;
  readonly #held: Map<number, Payloads> = new Map();
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get(start: number): Payloads | undefined {
    const found = this.#held.get(start);
    if (found === undefined) return undefined;
    this.#held.delete(start);
    this.#held.set(start, found);
    return found;
  }

  /** Holds them, even if they alone exceed the budget: somebody waits for them. */
  set(start: number, payloads: Payloads): void {
    this.delete(start);
    this.#held.set(start, payloads);
    this.#bytes += weightOf(payloads);
    for (const [oldest, held] of this.#held) {
      if (this.#bytes <= this.#maxBytes || oldest === start) return;
      this.#held.delete(oldest);
      this.#bytes -= weightOf(held);
    }
  }

  delete(start: number): void {
    const held = this.#held.get(start);
    if (held === undefined) return;
    this.#held.delete(start);
    this.#bytes -= weightOf(held);
  }
}

function weightOf({ data, offsets }: Payloads): number {
  return data.byteLength + offsets.byteLength;
}
