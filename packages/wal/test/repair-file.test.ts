import { createRandom } from "@kvs/env";
import { expect, test } from "vitest";

import { decodeRepair, encodeRepair } from "../src/repair-file.ts";
import { newStorage, openWal, payloadOf, walError } from "./fixture.ts";

const LOG_ID = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);

test("an intent decodes as it was encoded", () => {
  for (const isCut of [true, false]) {
    for (const length of [0, 1, 500]) {
      const repair = { from: 2 ** 53 - 1000, content: payloadOf(1, length), isCut };
      expect(decodeRepair(encodeRepair(repair, LOG_ID), LOG_ID)).toEqual(repair);
    }
  }
});

test("an intent that is cut short, longer, flipped anywhere, garbage or another log's is none", () => {
  const bytes = encodeRepair({ from: 100, content: payloadOf(1, 30), isCut: false }, LOG_ID);
  for (let size = 0; size < bytes.length; size++) {
    expect(decodeRepair(bytes.subarray(0, size), LOG_ID)).toBeUndefined();
  }
  expect(decodeRepair(Uint8Array.of(...bytes, 0), LOG_ID)).toBeUndefined();
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    bytes[bit >>> 3]! ^= 1 << (bit & 7);
    // One bit of the mark is no mark, and does no harm.
    const isMark = bit >= 40 * 8 && bit < 48 * 8;
    if (isMark) expect(decodeRepair(bytes, LOG_ID)).toMatchObject({ from: 100 });
    else expect(decodeRepair(bytes, LOG_ID)).toBeUndefined();
    bytes[bit >>> 3]! ^= 1 << (bit & 7);
  }
  expect(decodeRepair(bytes, new Uint8Array(8))).toBeUndefined();
  bytes.fill(0xdd, 40, 48);
  expect(decodeRepair(bytes, LOG_ID)).toBe("done");
  const random = createRandom(2);
  for (let round = 0; round < 500; round++) {
    const noise = random.fill(new Uint8Array(random.below(200)));
    expect(decodeRepair(noise, LOG_ID)).toBeUndefined();
  }
});

test("an intent about positions that the log does not have is damage", async () => {
  const storage = newStorage();
  const wal = await openWal(storage);
  wal.append(1, payloadOf(1, 100));
  await wal.close();
  const logId = storage.readFile("log/00000000000000000000.wal").slice(16, 24);
  const repair = { from: 1_000_000, content: payloadOf(1, 100), isCut: false };
  storage.writeFile("log/repair", encodeRepair(repair, logId));

  await expect(openWal(storage)).rejects.toEqual(walError("WAL_DAMAGED"));
});
