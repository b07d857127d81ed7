import { type Environment, type KvsError, isKvsError } from "@kvs/env";

import { LogCursor } from "./log-cursor.ts";
import { LAST_FRAGMENT } from "./record-format.ts";
import { SEGMENT_HEADER_BYTES } from "./segment-format.ts";
import { REPAIR_NAME, pathIn } from "./segment-name.ts";
import { SegmentSet } from "./segment-set.ts";
import { damagedAt, findTail } from "./tail-repair.ts";

/** What `checkWal` found. */
export interface WalCheck {
  /** Files, spare ones included; 0 if there is no log. */
  readonly segmentCount: number;
  readonly headPosition: number;
  /** End of the last whole record that was read. */
  readonly endLsn: number;
  readonly recordCount: number;
  readonly payloadBytes: number;
  /** Epoch of the last record. */
  readonly epoch: number;
  /**
   * - `clean`: nothing lies behind the end. `torn`: the next open will cut something off there.
   * - `repair`: a crash interrupted a repair; the next open finishes it.
   * - `damaged`: see `damage`.
   */
  readonly state: "clean" | "torn" | "repair" | "damaged";
  readonly damage: KvsError | undefined;
}

const NOTHING: WalCheck = {
  segmentCount: 0,
  headPosition: 0,
  endLsn: 0,
  recordCount: 0,
  payloadBytes: 0,
  epoch: 0,
  state: "clean",
  damage: undefined,
};

/**
 * Reads every record of the log in `path` and checks all that can be checked. Changes nothing; the
 * log must not be open for writing.
 *
 * @throws {KvsError} errors of the disk. Damage is no error here, but what was asked for.
 *
 * Cost: reads the log once.
 */
export async function checkWal(environment: Environment, path: string): Promise<WalCheck> {
  let segments: SegmentSet | undefined;
  try {
    segments = await SegmentSet.open(environment, path, true);
    return segments === undefined ? NOTHING : await checkSegments(environment, segments);
  } catch (error) {
    if (!isDamage(error)) throw error;
    return { ...NOTHING, state: "damaged", damage: error };
  } finally {
    await segments?.close();
  }
}

async function checkSegments(environment: Environment, segments: SegmentSet): Promise<WalCheck> {
  const from = segments.headBase + SEGMENT_HEADER_BYTES;
  const cursor = new LogCursor({ source: segments, from, mayBeginInside: true });
  let recordCount = 0;
  let payloadBytes = 0;
  let step = cursor.step();
  for (; step?.type !== "rejection"; step = cursor.step()) {
    if (step === undefined) await cursor.fill();
    else {
      payloadBytes += step.payload.length;
      if ((step.flags & LAST_FRAGMENT) !== 0) recordCount++;
    }
  }
  const { headBase: headPosition, count: segmentCount } = segments;
  const { recordLsn: endLsn, epoch } = cursor;
  const found = { segmentCount, headPosition, endLsn, recordCount, payloadBytes, epoch };
  const repairPath = pathIn(segments.directory, REPAIR_NAME);
  const isRepairing = (await environment.disk.stat(repairPath)) !== undefined;
  if (isRepairing) return { ...found, state: "repair", damage: undefined };
  try {
    const tail = await findTail(segments, environment.hooks);
    // The log goes on behind the place where reading ended: that place is damaged.
    if (tail.lsn !== endLsn) throw damagedAt(segments, step, tail.lsn);
    return { ...found, state: tail.isTorn ? "torn" : "clean", damage: undefined };
  } catch (error) {
    if (!isDamage(error)) throw error;
    return { ...found, state: "damaged", damage: error };
  }
}

function isDamage(error: unknown): error is KvsError {
  return isKvsError(error, "WAL_DAMAGED", "WAL_UNSUPPORTED");
}
