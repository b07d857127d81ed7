import { type Clock, createRandom } from "@kvs/env";
import { expect, test } from "vitest";
import { UuidSource } from "../../src/database/uuid.ts";

const FORM = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

test("ids have the form of version 7, tell their time, and are never the same", () => {
  let nowMs = Date.UTC(2025, 0, 1);
  const clock = { wallMs: () => nowMs } as Clock;
  const source = new UuidSource(clock, createRandom(1));
  const seen = new Set<string>();
  for (let round = 0; round < 10_000; round++) {
    nowMs += round % 7 === 0 ? 1 : 0;
    const id = source.next();
    expect(id).toMatch(FORM);
    expect(Number.parseInt(id.replaceAll("-", "").slice(0, 12), 16)).toBe(nowMs);
    seen.add(id);
  }
  expect(seen.size).toBe(10_000);
});

test("ids grow with time", () => {
  let nowMs = 1;
  const source = new UuidSource({ wallMs: () => nowMs } as Clock, createRandom(2));
  let last = source.next();
  while (nowMs < 2 ** 47) {
    nowMs = nowMs * 2 + 1;
    const id = source.next();
    expect(id > last).toBe(true);
    last = id;
  }
});

test("every bit of chance is used", () => {
  const source = new UuidSource({ wallMs: () => 5 } as Clock, createRandom(3));
  const letters = Array.from({ length: 36 }, () => new Set<string>());
  for (let round = 0; round < 1000; round++) {
    const id = source.next();
    for (let at = 0; at < id.length; at++) letters[at]!.add(id[at]!);
  }
  expect(letters.slice(15, 18).map(({ size }) => size)).toEqual([16, 16, 16]);
  expect(letters[19]!.size).toBe(4);
  expect(letters.slice(24).every(({ size }) => size === 16)).toBe(true);
});
