import { createRandom } from "@kvs/env";
import { forEachSeedAsync } from "@kvs/sim";
import { expect, test } from "vitest";

import { sealFragment } from "../src/record-format.ts";
import { decodeSegmentHeader, encodeSegmentHeader } from "../src/segment-format.ts";
import { payloadOf } from "./fixture.ts";
import { MemoryLog } from "./memory-log.ts";

function filledLog(start = 0): MemoryLog {
  const log = new MemoryLog({ start });
  for (let index = 0; index < 12; index++) {
    log.buffer.append(1 + index, payloadOf(index, index === 5 ? 2500 : 60 + 37 * index), 0, 60);
  }
  log.buffer.append(99, payloadOf(50, 2400), 0, 2400);
  log.buffer.append(100, payloadOf(51, 10), 0, 10);
  log.flush();
  return log;
}

test("a log reads the same whole and byte by byte", async () => {
  for (const start of [0, 2 ** 31 - 700, 2 ** 32 - 700, 2 ** 53 - 2 ** 30]) {
    const log = filledLog(start);
    const whole = await log.walk();
    expect(whole.rejection.reason).toBe("zeros");
    expect(whole.fragments.at(-1)).toMatchObject({ kind: 100, lsn: log.buffer.lsn });
    for (const chunkBytes of [1, 7, 33, 64, 500]) {
      expect(await log.walk({ chunkBytes })).toEqual(whole);
    }
  }
});

test("a cut log reads up to the last whole fragment, wherever it is cut", async () => {
  const { fragments } = await filledLog().walk();
  const end = Math.max(...fragments.map(({ lsn }) => lsn).filter((lsn) => lsn <= 1024));
  for (let size = 64; size < end; size++) {
    const log = filledLog();
    const first = log.segments.get(0)!;
    log.segments.set(0, first.slice(0, size));
    const cut = await log.walk();
    expect(cut.fragments).toEqual(fragments.filter(({ lsn }) => lsn <= size));
  }
});

// REL-W23
test("REL-W23: a flipped bit anywhere in a fragment or a header ends the walk before it", async () => {
  const { fragments } = await filledLog().walk();
  const log = filledLog();
  for (const [base, bytes] of log.segments) {
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      bytes[bit >>> 3]! ^= 1 << (bit & 7);
      const { fragments: found } = await log.walk();
      bytes[bit >>> 3]! ^= 1 << (bit & 7);

      const position = base + (bit >>> 3);
      const harmed = fragments.findIndex(({ lsn }) => lsn > position);
      const isBehindEnd = harmed < 0;
      const expected = isBehindEnd ? fragments : fragments.slice(0, harmed);
      if (found.length !== fragments.length) expect(found).toEqual(expected);
      else expect(isBehindEnd || position < fragments[harmed]!.start).toBe(true);
    }
  }
});

// REL-W7
test("REL-W7: a false length reads no more than the segment holds, and gives no fragment", async () => {
  const log = filledLog();
  const bytes = log.segments.get(0)!;
  const { fragments } = await log.walk();
  const second = fragments[1]!;
  for (const length of [0, 1, 59, 61, 500, 1023, 1024, 2 ** 20, 2 ** 31, 2 ** 32 - 1]) {
    const view = new DataView(bytes.buffer);
    const before = view.getUint32(second.start + 4, true);
    view.setUint32(second.start + 4, length, true);
    log.longestRead = 0;
    const { fragments: found } = await log.walk({ chunkBytes: 32 });
    view.setUint32(second.start + 4, before, true);

    expect(found).toEqual([fragments[0]]);
    expect(log.longestRead).toBeLessThanOrEqual(1024);
  }
});

// REL-W8
test("REL-W8: zeros are no fragment, and the checksum of nothing is not zero", async () => {
  const log = new MemoryLog();
  const { fragments, rejection } = await log.walk();
  expect(fragments).toEqual([]);
  expect(rejection).toMatchObject({ position: 64, reason: "zeros" });
  const header = new Uint8Array(32);
  const seed = log.identity.seed;
  const fields = {
    length: 0,
    epoch: 1,
    kind: 1,
    flags: 3,
    previousLsn: 0,
    syncedDistance: 0,
    seed,
  };
  sealFragment(header, new DataView(header.buffer), 0, fields);
  expect(new DataView(header.buffer).getUint32(0, true)).not.toBe(0);
});

test("garbage, wherever a fragment should be, gives none", async () => {
  await forEachSeedAsync({ seeds: 200 }, async ({ random }) => {
    const log = filledLog();
    const { fragments } = await log.walk();
    const kept = random.below(fragments.length);
    const from = fragments[kept]!.start;
    const base = log.geometry.baseOf(from);
    for (const [at, bytes] of log.segments) {
      if (at >= base) random.fill(at === base ? bytes.subarray(from - base) : bytes);
    }
    const { fragments: found } = await log.walk();
    expect(found).toEqual(fragments.slice(0, kept));
  });
});

test("a fragment of another log does not check", async () => {
  const log = filledLog();
  const other = new MemoryLog({ logId: Uint8Array.of(9, 9, 9, 9, 9, 9, 9, 9) });
  for (let index = 0; index < 3; index++) other.buffer.append(7, payloadOf(index, 60), 0, 60);
  other.flush();
  const { fragments } = await log.walk();
  // Same position, same previous LSN, same epoch, same length: only the seed differs.
  log.segments.get(0)!.set(other.segments.get(0)!.subarray(156, 248), 156);

  const { fragments: found, rejection } = await log.walk();
  expect(found).toEqual(fragments.slice(0, 1));
  expect(rejection).toMatchObject({ reason: "checksum", position: 156 });
});

test("a fragment moved to another position is refused by its previous LSN", async () => {
  const log = filledLog();
  const bytes = log.segments.get(0)!;
  bytes.copyWithin(248, 156, 248);

  const { rejection } = await log.walk();
  expect(rejection).toMatchObject({ position: 248, reason: "previous", expected: 248, found: 156 });
});

/** Writes one more fragment with a right checksum behind the end of a log. */
function forge(log: MemoryLog, fields: Partial<Parameters<typeof sealFragment>[3]>): number {
  const lsn = log.buffer.lsn;
  const base = log.geometry.baseOf(lsn);
  const bytes = log.segments.get(base)!;
  const { seed } = log.identity;
  const header = {
    length: 20,
    epoch: 2,
    kind: 5,
    flags: 3,
    previousLsn: lsn,
    syncedDistance: 0,
    seed,
  };
  sealFragment(bytes, new DataView(bytes.buffer), lsn - base, { ...header, ...fields });
  return lsn;
}

test("what has a right checksum but does not belong there is refused, with the reason", async () => {
  const reasons = async (fields: Parameters<typeof forge>[1]): Promise<string> => {
    const log = filledLog();
    const position = forge(log, fields);
    const { rejection } = await log.walk();
    if (rejection.position !== position) return "taken";
    return rejection.reason;
  };
  expect(await reasons({})).toBe("taken");
  expect(await reasons({ epoch: 3 })).toBe("taken");
  expect(await reasons({ epoch: 1 })).toBe("epoch");
  expect(await reasons({ epoch: 0 })).toBe("header");
  expect(await reasons({ kind: 0 })).toBe("header");
  expect(await reasons({ flags: 24 + 3 })).toBe("header");
  expect(await reasons({ flags: 32 + 3 })).toBe("header");
  expect(await reasons({ flags: 4 + 3 })).toBe("length"); // too short for a seal
  expect(await reasons({ flags: 8 + 3 })).toBe("taken");
  expect(await reasons({ flags: 2 })).toBe("sequence");
  expect(await reasons({ flags: 0 })).toBe("length");
  expect(await reasons({ flags: 1 })).toBe("length");
  expect(await reasons({ previousLsn: 64 })).toBe("previous");
});

test("a record's fragments have one epoch and one kind", async () => {
  for (const [fields, isTaken] of [
    [{}, true],
    [{ epoch: 3 }, false],
    [{ kind: 6 }, false],
    [{ flags: 3 }, false],
    [{ flags: 2 + 4 }, false],
    [{ flags: 2 + 8 }, false],
  ] as const) {
    const log = new MemoryLog();
    log.buffer.append(5, payloadOf(1, 1500), 0, 1500);
    log.flush();
    const bytes = log.segments.get(1024)!;
    const view = new DataView(bytes.buffer);
    const length = view.getUint32(64 + 4, true);
    const { seed } = log.identity;
    const header = {
      length,
      epoch: 2,
      kind: 5,
      flags: 2,
      previousLsn: 1024,
      syncedDistance: 960,
      seed,
    };
    sealFragment(bytes, view, 64, { ...header, ...fields });

    const { fragments, rejection } = await log.walk();
    expect(fragments.length).toBe(isTaken ? 2 : 1);
    if (!isTaken) expect(rejection).toMatchObject({ reason: "sequence", position: 1024 + 64 });
  }
});

test("a segment is entered only through a header that belongs there", async () => {
  const entered = async (fields: object): Promise<boolean> => {
    const log = filledLog();
    const { fragments } = await log.walk();
    const header = decodeSegmentHeader(log.segments.get(1024)!)!;
    encodeSegmentHeader(log.segments.get(1024)!, 0, { ...header, ...fields });
    const { fragments: found, rejection } = await log.walk();
    if (found.length === fragments.length) return true;
    expect(found).toEqual(fragments.filter(({ lsn }) => lsn <= 1024));
    expect(rejection).toMatchObject({ position: 1024, reason: "segment header" });
    return false;
  };
  expect(await entered({})).toBe(true);
  expect(await entered({ epoch: 1 })).toBe(false);
  expect(await entered({ previousLsn: 1023 })).toBe(false);
  expect(await entered({ base: 2048 })).toBe(false);
  expect(await entered({ logId: new Uint8Array(8) })).toBe(false);
});

test("a walk may begin at any record", async () => {
  const log = filledLog(2 ** 32 - 700);
  const { fragments } = await log.walk();
  for (const [at, fragment] of fragments.entries()) {
    if ((fragment.flags & 1) === 0) continue;
    const { fragments: found } = await log.walk({ from: fragment.start });
    expect(found).toEqual(fragments.slice(at));
  }
});

test("random logs, damaged at random, never give a wrong fragment", async () => {
  const random = createRandom(5);
  const { fragments } = await filledLog().walk();
  const known = new Map(fragments.map((fragment) => [fragment.start, fragment]));
  for (let round = 0; round < 500; round++) {
    const log = filledLog();
    for (const bytes of log.segments.values()) {
      const at = random.below(bytes.length);
      const source = random.below(bytes.length);
      if (random.chance(0.5)) bytes.copyWithin(at, source, source + random.below(200));
      else random.fill(bytes.subarray(at, at + random.below(64)));
    }
    const { fragments: found } = await log.walk();
    for (const fragment of found) expect(fragment).toEqual(known.get(fragment.start));
  }
});
