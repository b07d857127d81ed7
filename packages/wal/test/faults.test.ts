import { type DiskErrorCode, createRandom, isKvsError } from "@kvs/env";
import { type DiskCall, type DiskVerdict, SimStorage } from "@kvs/sim";
import { expect, test } from "vitest";

import { type Wal, type WalOptions } from "../src/index.ts";
import { openWal } from "./fixture.ts";
import { LogModel, checkImage, checkLog } from "./log-model.ts";
import { runScript } from "./script.ts";

const OPTIONS: Partial<WalOptions> = { startPosition: 2 ** 31 - 6000, spareSegments: 1 };
const ORIGIN = 2 ** 31 - 6000 + 64;

interface FaultCase {
  readonly name: string;
  readonly verdictOf: (call: DiskCall) => DiskVerdict | undefined;
  /** Whether every call from the n-th on fails, not only that one. */
  readonly isLasting: boolean;
}

const SYNCS = new Set(["writeDurableAt", "datasync", "allocate", "syncDirectory"]);
const CREATES = new Set([
  "open",
  "writeAt",
  "writeDurableAt",
  "allocate",
  "rename",
  "makeDirectory",
]);

function ioError({ operation }: DiskCall): DiskVerdict | undefined {
  if (operation === "close" || operation === "size" || operation === "space") return undefined;
  const code: DiskErrorCode = SYNCS.has(operation) ? "DISK_SYNC_FAILED" : "DISK_IO";
  return { type: "error", code };
}

function noSpace({ operation }: DiskCall): DiskVerdict | undefined {
  return CREATES.has(operation) ? { type: "error", code: "DISK_FULL" } : undefined;
}

function short({ operation }: DiskCall): DiskVerdict | undefined {
  return operation === "readAt" || operation === "writeAt"
    ? { type: "short", bytes: 7 }
    : undefined;
}

const CASES: readonly FaultCase[] = [
  { name: "an I/O error, once", verdictOf: ioError, isLasting: false },
  { name: "I/O errors from then on", verdictOf: ioError, isLasting: true },
  { name: "a full disk, once", verdictOf: noSpace, isLasting: false },
  { name: "a full disk from then on", verdictOf: noSpace, isLasting: true },
  { name: "short reads and writes from then on", verdictOf: short, isLasting: true },
];

for (const { name, verdictOf, isLasting } of CASES) {
  for (const cacheAfterFailedSync of ["new", "old"] as const) {
    // REL-W9, REL-W10, REL-W11
    test(`the n-th disk call meets ${name}, for every n: nothing acknowledged is lost (${cacheAfterFailedSync} bytes after a failed sync)`, async () => {
      let faulted = 0;
      for (let n = 0; ; n++) {
        const random = createRandom(n);
        const storage = new SimStorage({ random, cacheAfterFailedSync });
        const model = new LogModel(ORIGIN);
        let calls = 0;
        let hasFaulted = false;
        const onCall = (call: DiskCall): DiskVerdict | undefined => {
          calls++;
          if (isLasting ? calls <= n : calls !== n + 1) return undefined;
          const verdict = verdictOf(call);
          hasFaulted ||= verdict !== undefined;
          return verdict;
        };
        await liveAndFail(storage, model, onCall);

        if (calls <= n) break; // the whole script needs fewer calls
        if (!hasFaulted) continue;
        faulted++;
        const expectation = model.expectation();
        for (let at = 0; at < 5; at++) {
          await checkImage(storage.sampleCrashImage(random), expectation, OPTIONS);
        }
        await checkImage(storage.worstCase(), expectation, OPTIONS);
        storage.processDied();
        const wal = await openWal(storage, OPTIONS);
        await checkLog(wal, expectation);
        // What a later process has read must be there for good, whatever the failed sync left.
        const recovered = { ...expectation, ackedLsn: wal.endLsn, cutting: undefined };
        await checkImage(storage.worstCase(), recovered, OPTIONS);
      }
      expect(faulted).toBeGreaterThan(10);
    });
  }
}

// REL-W1, REL-W17
test("the process is killed during the n-th disk call, for every n: nothing acknowledged is lost", async () => {
  let killed = 0;
  for (let n = 0; ; n++) {
    const storage = new SimStorage({ random: createRandom(n) });
    const model = new LogModel(ORIGIN);
    let calls = 0;
    const onCall = (): DiskVerdict | undefined =>
      ++calls === n + 1 ? { type: "halt" } : undefined;
    const life = liveAndFail(storage, model, onCall);
    const isOver = await Promise.race([life.then(() => true), idle().then(() => false)]);
    if (isOver) break;

    killed++;
    const expectation = model.expectation();
    storage.processDied();
    const wal = await openWal(storage, OPTIONS);
    await checkLog(wal, expectation);
    // What was read is acted upon: a power cut right after takes nothing of it back.
    const recovered = { ...expectation, ackedLsn: wal.endLsn, cutting: undefined };
    await checkImage(storage.worstCase(), recovered, OPTIONS);
  }
  expect(killed).toBeGreaterThan(50);
});

/** Long enough for everything that can go on to come to rest. */
async function idle(): Promise<void> {
  for (let turn = 0; turn < 300; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** Runs the script until an error ends it, which must be one that is documented. */
async function liveAndFail(
  storage: SimStorage,
  model: LogModel,
  onCall: (call: DiskCall) => DiskVerdict | undefined,
): Promise<void> {
  let wal: Wal | undefined;
  try {
    wal = await openWal(storage, OPTIONS, { onCall });
    await runScript(wal, model);
  } catch (error) {
    if (!isKvsError(error)) throw error;
    if (wal === undefined) return;
    expect(["WAL_SYNC_FAILED", "WAL_DISK_FULL", "DISK_IO"]).toContain(error.code);
  }
}
