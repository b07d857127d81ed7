import { createRandom } from "@kvs/env";
import { expect, test } from "vitest";
import { ConfigurationMemo, spread } from "../../src/check/configuration-memo.ts";

test("a memo agrees with a Set, while it grows, and with colliding hashes", () => {
  for (const hashBits of [32, 8, 0]) {
    const random = createRandom(hashBits);
    const memo = new ConfigurationMemo();
    const expected = new Set<string>();
    const words = new Uint32Array(6);
    for (let round = 0; round < 3000; round++) {
      const length = 1 + random.below(6);
      for (let at = 0; at < length; at++) words[at] = random.below(3) * 0x7fff_ffff;
      const content = words.subarray(0, length).join();
      const hash = hashBits === 0 ? 5 : spread(content.length) >>> (32 - hashBits);

      expect(memo.add(hash, words, length)).toBe(expected.has(content) ? "known" : "added");

      expected.add(content);
    }
    expect(memo.count).toBe(expected.size);
  }
});

test("a full memo still knows what it holds", () => {
  const memo = new ConfigurationMemo(8);
  const first = Uint32Array.of(1, 2);
  const second = Uint32Array.of(1, 3);
  const third = Uint32Array.of(1, 4);
  memo.add(1, first, 2);
  memo.add(2, second, 2);

  expect(memo.add(3, third, 2)).toBe("full");
  expect(memo.add(1, first, 2)).toBe("known");
  expect(memo.count).toBe(2);
});
