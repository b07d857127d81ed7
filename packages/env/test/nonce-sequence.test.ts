import { expect, test } from "vitest";
import { NONCE_BYTES, NonceSequence, createRandom } from "@kvs/env";

function nonces(sequence: NonceSequence, count: number): string[] {
  const target = new Uint8Array(NONCE_BYTES);
  return Array.from({ length: count }, () => {
    sequence.writeNext(target);
    return target.join(".");
  });
}

test("a sequence repeats nothing", () => {
  const seen = new Set(nonces(new NonceSequence(createRandom(1)), 70_000));
  expect(seen.size).toBe(70_000);
});

test("two sequences of one generator share nothing: a store that was restored goes on elsewhere", () => {
  const random = createRandom(2);
  const before = nonces(new NonceSequence(random), 1000);
  const after = nonces(new NonceSequence(random), 1000);
  expect(new Set([...before, ...after]).size).toBe(2000);
});

test("a nonce is written where it is asked for, and nothing beside it", () => {
  const target = new Uint8Array(NONCE_BYTES + 4).fill(0xaa);
  new NonceSequence(createRandom(3)).writeNext(target, 2);
  expect([...target.subarray(0, 2), ...target.subarray(14)]).toEqual([0xaa, 0xaa, 0xaa, 0xaa]);
  expect(target.subarray(2, 10).some((byte) => byte !== 0xaa)).toBe(true);
  expect([...target.subarray(10, 14)]).toEqual([0, 0, 0, 0]);
  expect(() => new NonceSequence(createRandom(3)).writeNext(target, 5)).toThrow(/place/u);
});
