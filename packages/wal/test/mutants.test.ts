import { createRandom } from "@kvs/env";
import { type DiskCall, type SimStorage } from "@kvs/sim";
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

// REL-W16
test("REL-W16: what is acknowledged is durable at that moment", async () => {
  await checkAcknowledgements({});
});

// REL-W16
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

// REL-W6
test("REL-W6: the remains of a cut tail are not taken for records, even where one would fit", async () => {
  expect(await recordsAfterAlignedCut({})).toEqual([1, 2]);
  // The remains have the newest epoch there is: no sound record before the end has it.
  expect(await recordsAfterAlignedCut({}, true)).toEqual([1, 2]);
});

// REL-W6
test("REL-W6: without epochs the remains of a cut tail come back (wal.ignore-epoch)", async () => {
  expect(await recordsAfterAlignedCut(sabotaged("wal.ignore-epoch"))).toEqual([1, 2, 1, 1]);
});

/** Segments are recycled whose records stand at the same offsets as the new ones. */
async function recycleEqualSizes(world: WorldOptions): Promise<void> {
  const storage = newStorage();
  const random = createRandom(3);
  const wal = await openWal(storage, { spareSegments: 3 }, world);
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
    await checkImage(storage.worstCase(), expectation, { spareSegments: 3 }, world);
    const sample = storage.sampleCrashImage(random);
    await checkImage(sample, expectation, { spareSegments: 3 }, world);
  }
  // Beyond the end lies a whole segment of stale records, in their old places.
  const tail = storage.files().at(-1)!;
  expect(storage.readFile(tail).some((byte) => byte !== 0)).toBe(true);
}

// REL-W6
test("REL-W6: a recycled segment's old records are not taken for new ones, even of equal size", async () => {
  await recycleEqualSizes({});
});

// REL-W6
test("REL-W6: a record that does not tell what it follows is taken in any place (wal.skip-prev-lsn)", async () => {
  await expect(recycleEqualSizes(sabotaged("wal.skip-prev-lsn"))).rejects.toThrow();
});

// REL-W16
test("REL-W16: an acknowledgement before the write is caught (wal.ack-before-sync)", async () => {
  await expect(checkAcknowledgements(sabotaged("wal.ack-before-sync"))).rejects.toThrow(
    /acknowledged up to|records, not/,
  );
});

// REL-W12
test("REL-W12: a segment whose name is not made durable is caught (wal.skip-directory-sync)", async () => {
  await expect(checkAcknowledgements(sabotaged("wal.skip-directory-sync"))).rejects.toThrow(
    /acknowledged up to|records, not/,
  );
});

/** Flips each bit of a record's header, and reads the log. */
async function readFlippedHeaders(world: WorldOptions): Promise<void> {
  const storage = newStorage();
  const wal = await openWal(storage, {}, world);
  for (let index = 0; index < 3; index++) {
    wal.append(index + 1, payloadOf(index, 50));
    await wal.sync();
  }
  await wal.close();
  for (let bit = 0; bit < 32 * 8; bit++) {
    const image = storage.clone();
    image.flipBit("log/00000000000000000000.wal", 8 * (64 + 82) + bit);
    const reading = openWal(image, {}, world).then((log) => readAll(log));
    await expect(reading).rejects.toMatchObject({ code: "WAL_DAMAGED" });
  }
}

// REL-W23
test("REL-W23: any flipped bit of a record's header is damage", async () => {
  await readFlippedHeaders({});
});

// REL-W23
test("REL-W23: a header outside the checksum passes for another (wal.header-outside-checksum)", async () => {
  await expect(readFlippedHeaders(sabotaged("wal.header-outside-checksum"))).rejects.toThrow();
});

/** Gives a record every kind of false length, under a right checksum of the header's word. */
async function readFalseLengths(world: WorldOptions): Promise<void> {
  const storage = newStorage();
  const wal = await openWal(storage, {}, world);
  for (let index = 0; index < 3; index++) {
    wal.append(index + 1, payloadOf(index, 50));
    await wal.sync();
  }
  await wal.close();
  for (const length of [51, 4096 - 64 - 82 - 31, 5000, 2 ** 24, 2 ** 31, 2 ** 32 - 1]) {
    const image = storage.clone();
    const field = new Uint8Array(4);
    new DataView(field.buffer).setUint32(0, length, true);
    image.overwrite("log/00000000000000000000.wal", 64 + 82 + 4, field);
    const reads: number[] = [];
    const onCall = ({ operation, bytes }: DiskCall): undefined => {
      if (operation === "readAt") reads.push(bytes ?? 0);
    };
    const reading = openWal(image, {}, { ...world, onCall }).then((log) => readAll(log));
    await expect(reading).rejects.toMatchObject({ code: "WAL_DAMAGED" });
    expect(Math.max(...reads)).toBeLessThanOrEqual(4096);
  }
}

// REL-W7
test("REL-W7: a corrupt length is damage, and reads no more than its segment", async () => {
  await readFalseLengths({});
});

// REL-W7
test("REL-W7: a length that is believed is caught (wal.trust-length)", async () => {
  await expect(readFalseLengths(sabotaged("wal.trust-length"))).rejects.toThrow();
});
