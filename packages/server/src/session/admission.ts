import { assert } from "@kvs/env";

/**
 * Counts the requests that wait for a database, and their bytes, over all connections. The bound is
 * checked before a request begins, so one request at most goes beyond it.
 */
export class Admission {
  readonly #requestsMax: number;
  readonly #bytesMax: number;
  #requests = 0;
  #bytes = 0;

  constructor(requestsMax: number, bytesMax: number) {
    this.#requestsMax = requestsMax;
    this.#bytesMax = bytesMax;
  }

  get requests(): number {
    return this.#requests;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Whether one more may begin. */
  get hasRoom(): boolean {
    return this.#requests < this.#requestsMax && this.#bytes < this.#bytesMax;
  }

  enter(bytes: number): void {
    this.#requests++;
    this.#bytes += bytes;
  }

  leave(bytes: number): void {
    this.#requests--;
    this.#bytes -= bytes;
    assert(this.#requests >= 0 && this.#bytes >= 0, "what leaves has entered");
  }
}
