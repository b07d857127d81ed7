import { createRandom } from "@kvs/env";
import { type SimStorage } from "@kvs/sim";
import { expect, test } from "vitest";

import { type WorldOptions, newStorage, openWal, payloadOf, readAll } from "./fixture.ts";
import { LogModel, checkImage } from "./log-model.ts";
import { runScript } from "./script.ts";

function sabotaged(name: string): WorldOptions {
  return { hooks: { hasMutant: (mutant) => mutant === name } };
}

/**
 * REL-W16's oracle: at each acknowledgement, the least that a power cut would leave holds all that
 * was acknowledged.
 */
async function checkAcknowledgements(world: WorldOptions): Promise<void> {
  const storage = newStorage();
  const wal = await openWal(storage, {}, world);
  const model = new LogModel(wal.endLsn);
  const images: { storage: SimStorage; expectation: ReturnType<LogModel["expectation"]> }[] = [];
  wal.onDurable((lsn) => {
    model.ackedLsn = Math.max(model.ackedLsn, lsn);
    images.push({ storage: storage.worstCase(), expectation: model.expectation() });
  });
  await runScript(wal, model);

  expect(images.length).toBeGreaterThan(5);
  for (const image of images) await checkImage(image.storage, image.expectation);
}

test("REL-W16: what is acknowledged is durable at that moment", async () => {
  await checkAcknowledgements({});
});

test("REL-W16: an acknowledgement without a sync is caught (wal.skip-datasync)", async () => {
  await expect(checkAcknowledgements(sabotaged("wal.skip-datasync"))).rejects.toThrow(
    /acknowledged up to|head|first segment|too short|records, not/,
  );
});

/**
 * The alignment that only the epoch tells apart: a tail is cut, and a new record of the same size
 * ends exactly where a record of the old tail begins.
 */
async function recordsAfterAlignedCut(world: WorldOptions, isReopened = false): Promise<number[]> {
  const storage = newStorage();
  let first = await openWal(storage, {}, world);
  first.append(1, payloadOf(0, 200));
  await first.sync();
  if (isReopened) {
    storage.processDied();
    first = await openWal(storage, {}, world);
  }
  // A group of three whose first record is torn: its sectors are lost, the others are there.
  const start = first.endLsn;
  for (let index = 1; index <= 3; index++) first.append(1, payloadOf(index, 600));
  await first.sync();
  storage.overwrite("log/00000000000000000000.wal", start, new Uint8Array(32));

  storage.processDied();
  const second = await openWal(storage, {}, world);
  second.append(2, payloadOf(9, 600));
  await second.close();

  const third = await openWal(storage, {}, world);
  const records = await readAll(third);
  return records.map(({ kind }) => kind);
}

test("REL-W6: the remains of a cut tail are not taken for records, even where one would fit", async () => {
  expect(await recordsAfterAlignedCut({})).toEqual([1, 2]);
  // The remains have the newest epoch there is: no sound record before the end has it.
  expect(await recordsAfterAlignedCut({}, true)).toEqual([1, 2]);
});

test("REL-W6: without epochs the remains of a cut tail come back (wal.ignore-epoch)", async () => {
  expect(await recordsAfterAlignedCut(sabotaged("wal.ignore-epoch"))).toEqual([1, 2, 1, 1]);
});

test("REL-W6: a recycled segment's old records are not taken for new ones, even of equal size", async () => {
  const storage = newStorage();
  const random = createRandom(3);
  const wal = await openWal(storage, { spareSegments: 3 });
  const model = new LogModel(wal.endLsn);
  // 4096 - 64 = 4032 = 21 x 192: every segment has its records at the same offsets.
  for (let index = 0; index < 21 * 12; index++) {
    model.append(wal, 1, payloadOf(index, 192 - 32));
    if (index % 5 !== 0) continue;
    await wal.sync();
    model.ackedLsn = wal.durableLsn;
    if (index % 20 === 0) {
      model.droppedBefore = wal.durableLsn;
      await wal.truncateBefore(wal.durableLsn);
    }
    const expectation = model.expectation();
    await checkImage(storage.worstCase(), expectation, { spareSegments: 3 });
    await checkImage(storage.sampleCrashImage(random), expectation, { spareSegments: 3 });
  }
  // Beyond the end lies a whole segment of stale records, in their old places.
  const tail = storage.files().at(-1)!;
  expect(storage.readFile(tail).some((byte) => byte !== 0)).toBe(true);
});
