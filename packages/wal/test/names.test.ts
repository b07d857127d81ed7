import { createRandom, isKvsError } from "@kvs/env";
import { type DiskCall, type DiskVerdict, SimStorage } from "@kvs/sim";
import { expect, test } from "vitest";

import { type Wal, type WalOptions, checkWal } from "../src/index.ts";
import {
  PATH,
  type WorldOptions,
  environmentOn,
  newStorage,
  openWal,
  payloadOf,
  readAll,
} from "./fixture.ts";
import { LogModel, checkImage, checkLog } from "./log-model.ts";
import { runScript } from "./script.ts";

const OPTIONS: Partial<WalOptions> = { segmentBytes: 1024, spareSegments: 2 };
const ORIGIN = 64;
/** Of what survives a failed sync, and a power cut. */
const SEEDS = 8;

function sabotaged(name: string): WorldOptions {
  return { hooks: { hasMutant: (mutant) => mutant === name } };
}

/**
 * The n-th sync of the directory fails; the process is started again, on names that the disk may not
 * have, and goes on; then the power is cut.
 *
 * @returns Whether there was an n-th sync.
 */
async function restartAfterFailedNameSync(
  n: number,
  seed: number,
  world: WorldOptions,
): Promise<boolean> {
  const random = createRandom(1000 * seed + n);
  const storage = new SimStorage({ random, cacheAfterFailedSync: n % 2 === 0 ? "new" : "old" });
  const model = new LogModel(ORIGIN);
  let syncs = 0;
  const onCall = ({ operation }: DiskCall): DiskVerdict | undefined =>
    operation === "syncDirectory" && syncs++ === n
      ? { type: "error", code: "DISK_SYNC_FAILED" }
      : undefined;
  try {
    const wal = await openWal(storage, OPTIONS, { ...world, onCall });
    await runScript(wal, model);
  } catch (error) {
    if (!isKvsError(error)) throw error;
  }
  for (let restart = 0; restart < 2; restart++) {
    storage.processDied();
    const wal = await openWal(storage, OPTIONS, world);
    await checkLog(wal, model.expectation());
    model.adopt(wal);
    await goOn(wal, model, 1000 * (restart + 1));
  }
  storage.processDied();
  const expectation = model.expectation();
  for (let at = 0; at < 3; at++) {
    await checkImage(storage.sampleCrashImage(random), expectation, OPTIONS, world);
  }
  await checkImage(storage.worstCase(), expectation, OPTIONS, world);
  return syncs > n;
}

/** More than a segment, a truncation, and more. */
async function goOn(wal: Wal, model: LogModel, index: number): Promise<void> {
  for (let at = 0; at < 6; at++) {
    model.append(wal, 7, payloadOf(index + at, 400));
    await wal.sync();
    model.ackedLsn = wal.endLsn;
    if (at !== 3) continue;
    model.droppedBefore = wal.durableLsn;
    await wal.truncateBefore(wal.durableLsn);
  }
}

// REL-W12, REL-W13, REL-W14
test("REL-W12: whatever sync of the directory fails, and a restart and a power cut follow, nothing acknowledged is lost", async () => {
  for (let seed = 0; seed < SEEDS; seed++) {
    let syncs = 0;
    while (await restartAfterFailedNameSync(syncs, seed, {})) syncs++;
    expect(syncs).toBeGreaterThan(15);
  }
});

// REL-W12
test("REL-W12: a log that is opened by names loses what is acknowledged (wal.open-by-name)", async () => {
  const failures: string[] = [];
  for (let n = 0; n < 40; n++) {
    await restartAfterFailedNameSync(n, 1, sabotaged("wal.open-by-name")).catch((error: Error) => {
      failures.push(error.message);
    });
  }
  expect(failures.length).toBeGreaterThan(0);
});

/** A log of several segments, all acknowledged. */
async function writeLog(): Promise<{ storage: SimStorage; kinds: number[] }> {
  const storage = newStorage();
  const wal = await openWal(storage, OPTIONS);
  const kinds: number[] = [];
  for (let index = 1; index <= 8; index++) {
    wal.append(index, payloadOf(index, 400));
    kinds.push(index);
    await wal.sync();
  }
  await wal.close();
  return { storage, kinds };
}

function renamed(storage: SimStorage, from: string, to: string): void {
  storage.writeFile(to, storage.readFile(from));
  storage.removeFile(from);
}

const NAMES = [0, 1024, 2048, 3072].map((base) => `log/${String(base).padStart(20, "0")}.wal`);

// REL-W13
test("REL-W13: a segment is found under any name that its file had before, and gets its own again", async () => {
  const { storage, kinds } = await writeLog();
  for (const stale of ["log/segment.new", "log/00000000000000000500.wal"]) {
    const image = storage.clone();
    renamed(image, NAMES[2]!, stale);
    expect(await checkWal(environmentOn(image), PATH)).toMatchObject({ recordCount: 8 });
    expect(image.files()).toContain(stale);
    const wal = await openWal(image, OPTIONS);
    expect((await readAll(wal)).map(({ kind }) => kind)).toEqual(kinds);
    expect(image.worstCase().files()).toContain(NAMES[2]!);
    expect(image.worstCase().files()).not.toContain(stale);
  }
});

test("names that were shifted by one are put right, also if the power fails in between", async () => {
  const { storage, kinds } = await writeLog();
  const random = createRandom(4);
  const spare = storage.files().at(-1)!;
  storage.removeFile(spare);
  // Every file has the name of the one before, as if all had been recycled once and names were lost.
  const contents = NAMES.map((name) => storage.readFile(name));
  renamed(storage, NAMES[0]!, "log/segment.new");
  for (let at = 1; at < 4; at++) storage.writeFile(NAMES[at - 1]!, contents[at]!);
  storage.removeFile(NAMES[3]!);
  const images: SimStorage[] = [];
  const onCall = (): undefined => {
    images.push(...storage.crashImages({ lastSectors: 4 }), storage.sampleCrashImage(random));
  };
  const wal = await openWal(storage, OPTIONS, { onCall });
  expect((await readAll(wal)).map(({ kind }) => kind)).toEqual(kinds);
  expect(images.length).toBeGreaterThan(20);
  for (const image of images) {
    const again = await openWal(image, OPTIONS);
    expect((await readAll(again)).map(({ kind }) => kind)).toEqual(kinds);
  }
});

// REL-W14
test("REL-W14: a dropped segment that comes back is known by its mark, and removed", async () => {
  const storage = newStorage();
  const wal = await openWal(storage, { ...OPTIONS, spareSegments: 0 });
  const heads: Uint8Array[] = [];
  for (let index = 1; index <= 8; index++) {
    wal.append(index, payloadOf(index, 400));
    await wal.sync();
  }
  const { onCall, seen } = captureUnlinked(storage, heads);
  await wal.close();
  const again = await openWal(storage, { ...OPTIONS, spareSegments: 0 }, { onCall });
  await again.truncateBefore(again.durableLsn);
  await again.close();
  expect(seen.length).toBeGreaterThan(1);

  // The first one is back, with a gap behind it.
  storage.writeFile(seen[0]!, heads[0]!);
  const kept = await openWal(storage, OPTIONS);
  expect((await readAll(kept)).at(-1)).toMatchObject({ kind: 8 });
  expect(storage.worstCase().files()).not.toContain(seen[0]);
});

/** Keeps the content of every segment that is about to be unlinked. */
function captureUnlinked(
  storage: SimStorage,
  contents: Uint8Array[],
): { onCall: (call: DiskCall) => undefined; seen: string[] } {
  const seen: string[] = [];
  const onCall = ({ operation, path }: DiskCall): undefined => {
    if (operation !== "unlink" || !path.endsWith(".wal")) return;
    seen.push(path);
    contents.push(storage.readFile(path));
  };
  return { onCall, seen };
}

test("of two files for one segment the one of the newer epoch counts", async () => {
  const { storage, kinds } = await writeLog();
  const old = storage.readFile(NAMES[3]!);
  const wal = await openWal(storage, OPTIONS);
  const records = await readAll(wal);
  await wal.truncateAfter(records[5]!.lsn); // everything in the last segment, and before
  for (let index = 0; index < 3; index++) wal.append(20 + index, payloadOf(index, 400));
  await wal.close();
  const expected = [...kinds.slice(0, 6), 20, 21, 22];
  storage.writeFile("log/segment.new", old);
  const again = await openWal(storage, OPTIONS);
  expect((await readAll(again)).map(({ kind }) => kind)).toEqual(expected);

  // A second name of the same file, whose removal did not last.
  storage.writeFile("log/segment.new", storage.readFile(NAMES[2]!));
  const third = await openWal(storage, OPTIONS);
  expect((await readAll(third)).map(({ kind }) => kind)).toEqual(expected);
  expect(storage.worstCase().files()).not.toContain("log/segment.new");
});

test("a spare behind a gap that a stray explains is removed; without one it is damage", async () => {
  const { storage, kinds } = await writeLog();
  const wal = await openWal(storage, { ...OPTIONS, spareSegments: 3 });
  await wal.ensureSpace(2500);
  await wal.close();
  const spares = storage.files().slice(4);
  expect(spares.length).toBeGreaterThan(2);
  storage.removeFile(spares[1]!);
  const missing = storage.clone();
  await expect(openWal(missing, OPTIONS)).rejects.toMatchObject({
    code: "WAL_DAMAGED",
    message: expect.stringContaining("is missing"),
  });
  storage.writeFile("log/segment.new", new Uint8Array(1024)); // its name was lost
  const again = await openWal(storage, OPTIONS);
  expect((await readAll(again)).map(({ kind }) => kind)).toEqual(kinds);
  expect(storage.files()).not.toContain(spares[2]!);
});

test("an intent that was carried out is not carried out again when its name comes back", async () => {
  const storage = newStorage();
  const wal = await openWal(storage, OPTIONS);
  for (let index = 1; index <= 4; index++) wal.append(index, payloadOf(index, 100));
  await wal.sync();
  let intent = new Uint8Array(0);
  const onCall = ({ operation, path }: DiskCall): undefined => {
    if (operation === "unlink" && path === "log/repair") intent = storage.readFile(path).slice();
  };
  await wal.close();
  const cutter = await openWal(storage, OPTIONS, { onCall });
  const records = await readAll(cutter);
  await cutter.truncateAfter(records[1]!.lsn);
  cutter.append(9, payloadOf(9, 300));
  await cutter.close();
  expect(intent.length).toBe(64);
  storage.writeFile("log/repair", intent);

  const again = await openWal(storage, OPTIONS);
  expect((await readAll(again)).map(({ kind }) => kind)).toEqual([1, 2, 9]);
  expect(storage.worstCase().files()).not.toContain("log/repair");
});

test("a full disk that keeps names from being renewed keeps no log from opening, nor from being truncated", async () => {
  const { storage, kinds } = await writeLog();
  for (let n = 0; n < 8; n++) {
    const image = storage.clone();
    let renames = 0;
    const onCall = ({ operation }: DiskCall): DiskVerdict | undefined =>
      operation === "rename" && ++renames > n && renames < 9
        ? { type: "error", code: "DISK_FULL" }
        : undefined;
    const wal = await openWal(image, { ...OPTIONS, spareSegments: 0 }, { onCall });
    expect((await readAll(wal)).map(({ kind }) => kind)).toEqual(kinds);
    await wal.truncateBefore();
    await wal.close();
    const again = await openWal(image, OPTIONS);
    expect((await readAll(again)).at(-1)).toMatchObject({ kind: 8 });
    expect(image.files().some((path) => path.endsWith(".named"))).toBe(false);
  }
});

test("an error of the disk while names are put right is one of opening", async () => {
  const { storage } = await writeLog();
  const onCall = ({ operation }: DiskCall): DiskVerdict | undefined =>
    operation === "rename" ? { type: "error", code: "DISK_IO" } : undefined;
  await expect(openWal(storage, OPTIONS, { onCall })).rejects.toMatchObject({ code: "DISK_IO" });
  await expect(openWal(storage, OPTIONS)).resolves.toBeDefined();
});
