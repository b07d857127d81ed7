import { AssertionFailure, isKvsError } from "@kvs/env";
import { forEachSeed } from "@kvs/sim";
import { expect, test } from "vitest";

import { decodePayloadsRecord, decodeRecord } from "../src/wal/log-record.ts";

const RECORDS: readonly (readonly [number, readonly number[]])[] = [
  [1, [7, 0, 0, 2, 2, 2, 10]],
  [1, [7, 0, 1, 2, 1, 1, 0]],
  [2, [7, 2, 2, 0, 2, 1, 0x61, 0x62, 0x63]],
  [3, [7, 2, 1, 0]],
  [4, [7, 3]],
  [5, [7, 1, 1, 2, 0x0d, 1, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]],
  [6, [7]],
];

test("records that were changed are read as records, or refused by name", () => {
  let refused = 0;
  forEachSeed({ seeds: 20_000 }, ({ random }) => {
    const [kind, content] = RECORDS[random.below(RECORDS.length)]!;
    const bytes = Uint8Array.from(content);
    for (let changes = random.below(3); changes > 0; changes--) {
      bytes[random.below(bytes.length)] = random.below(256);
    }
    const cut = random.chance(0.3) ? bytes.subarray(0, random.below(bytes.length)) : bytes;
    try {
      decodeRecord(random.chance(0.1) ? random.below(256) : kind, cut);
      if (kind === 2) decodePayloadsRecord(cut);
    } catch (error) {
      refused++;
      expect(error).not.toBeInstanceOf(AssertionFailure);
      expect(isKvsError(error, "RAFT_LOG_DAMAGED"), String(error)).toBe(true);
    }
  });
  expect(refused).toBeGreaterThan(1000);
});
