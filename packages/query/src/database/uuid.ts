import { type Clock, type Random } from "@kvs/env";

const HEX = "0123456789abcdef";
const UUID_BYTES = 16;
/** Ids for which chance is asked at once: each question to the system costs more than the rest. */
const POOL_IDS = 64;

/**
 * Makes ids that are unique everywhere and grow with time: 48 bits of milliseconds, 74 random ones.
 *
 * Source: RFC 9562, §5.7, UUID version 7.
 */
export class UuidSource {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #pool = new Uint8Array(POOL_IDS * UUID_BYTES);
  #used = POOL_IDS;

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  next(): string {
    if (this.#used === POOL_IDS) {
      this.#random.fill(this.#pool);
      this.#used = 0;
    }
    const from = this.#used++ * UUID_BYTES;
    const bytes = this.#pool.subarray(from, from + UUID_BYTES);
    writeTime(bytes, this.#clock.wallMs());
    bytes[6] = 0x70 | (bytes[6]! & 0x0f);
    bytes[8] = 0x80 | (bytes[8]! & 0x3f);
    return format(bytes);
  }
}

function writeTime(bytes: Uint8Array, ms: number): void {
  bytes[0] = ms / 2 ** 40;
  bytes[1] = ms / 2 ** 32;
  bytes[2] = ms / 2 ** 24;
  bytes[3] = ms / 2 ** 16;
  bytes[4] = ms / 2 ** 8;
  bytes[5] = ms;
}

function format(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < UUID_BYTES; at++) {
    if (at === 4 || at === 6 || at === 8 || at === 10) text += "-";
    text += HEX[bytes[at]! >>> 4]! + HEX[bytes[at]! & 15]!;
  }
  return text;
}
