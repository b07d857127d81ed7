import { ByteWriter } from "@kvs/codec";
import { createRandom } from "@kvs/env";
import { expect, test } from "vitest";

import { MINI_IN_BATCH, readMiniHead } from "../src/engine-record.ts";
import { MiniHeadReader } from "../src/mini-head.ts";
import { codeIs } from "./fixture.ts";

test("the quick reader of heads agrees with the other one, on heads and on any bytes", () => {
  const random = createRandom(2);
  const reader = new MiniHeadReader();
  let heads = 0;
  for (let at = 0; at < 3000; at++) {
    const writer = new ByteWriter();
    writer.u8(random.below(4) === 0 ? random.below(256) : MINI_IN_BATCH);
    writer.u8(random.below(random.below(8) === 0 ? 256 : 3));
    writer.u64(random.below(2 ** 30));
    writer.u64(random.below(2 ** 30));
    for (let left = random.below(12); left > 0; left--) writer.u8(random.below(6));
    const payload = writer.toBytes();
    try {
      const { flags, timestamp, previousStart, opsFrom } = readMiniHead(payload);
      reader.read(payload);
      expect(reader).toMatchObject({ flags, timestamp, previousStart, opsFrom });
      heads++;
    } catch {
      expect(() => reader.read(payload)).toThrow(codeIs("TXN_DAMAGED_LOG"));
    }
  }
  expect(heads).toBeGreaterThan(500);
});
