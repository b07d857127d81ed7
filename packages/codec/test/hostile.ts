import { createRandom, isKvsError } from "@kvs/env";
import { expect } from "vitest";

/**
 * Feeds a decoder damaged forms of a valid input. Each must give a value or a `CODEC_…` error, and
 * `check` says whether a value is right.
 */
export interface HostileInput {
  readonly valid: Uint8Array;
  readonly decode: (bytes: Uint8Array) => unknown;
  /** Whether a proper prefix must be refused. Default: true. */
  readonly refusesPrefixes?: boolean;
}

export function feedDamaged({ valid, decode, refusesPrefixes = true }: HostileInput): void {
  const original = valid.slice();
  for (let length = 0; length < valid.length; length++) {
    const error = errorOf(() => decode(valid.slice(0, length)));
    if (refusesPrefixes) expect(error, `a prefix of ${length} bytes`).toBeDefined();
  }
  for (let bit = 0; bit < valid.length * 8; bit++) {
    const damaged = valid.slice();
    damaged[bit >> 3]! ^= 1 << (bit & 7);
    errorOf(() => decode(damaged));
  }
  for (let extra = 0; extra < 256; extra++) {
    const longer = new Uint8Array(valid.length + 1);
    longer.set(valid);
    longer[valid.length] = extra;
    errorOf(() => decode(longer));
  }
  expect(valid).toEqual(original); // a decoder never writes into its input
}

/** Feeds random bytes, the same ones on every run. */
export function feedGarbage(decode: (bytes: Uint8Array) => unknown, rounds = 5000): void {
  const random = createRandom(20_260_101);
  for (let round = 0; round < rounds; round++) {
    const garbage = random.fill(new Uint8Array(random.below(40)));
    if (random.chance(0.5) && garbage.length > 0) garbage[0] = 0x80 + random.below(0x60);
    errorOf(() => decode(garbage));
  }
}

/** The code of the error that `act` throws, or `undefined`; anything but a `CODEC_…` error fails. */
export function errorOf(act: () => unknown): string | undefined {
  try {
    act();
    return undefined;
  } catch (error) {
    if (!isKvsError(error)) throw error;
    expect(error.code).toMatch(/^CODEC_/);
    expect(error.outcome).toBe("none");
    expect(error.retryable).toBe(false);
    return error.code;
  }
}

/** Bytes from hexadecimal digits; blanks do not count. */
export function fromHex(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/[0-9a-f]{2}/gi) ?? [], (digits) => Number.parseInt(digits, 16));
}

export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
}
