import { concatBytes } from "@kvs/codec";
import { type DataKeys, type Environment, type KvsError, isKvsError } from "@kvs/env";

import { sealKeyId } from "./fragment-seal.ts";
import { type Fragment, LogCursor } from "./log-cursor.ts";
import { isCompressed } from "./record-compression.ts";
import { FIRST_FRAGMENT, LAST_FRAGMENT, SEALED_FRAGMENT, sealBytesOf } from "./record-format.ts";
import { RecordOpener } from "./record-opener.ts";
import { readSabotage } from "./sabotage.ts";
import { SEGMENT_HEADER_BYTES } from "./segment-format.ts";
import { REPAIR_NAME, pathIn } from "./segment-name.ts";
import { SegmentSet } from "./segment-set.ts";
import { damagedAt, findTail } from "./tail-repair.ts";
import { RECORD_BYTES_MAX } from "./wal-options.ts";

/** What the records of one segment are. */
export interface SegmentCheck {
  readonly path: string;
  readonly base: number;
  /** Records that begin here. */
  readonly recordCount: number;
  /** Bytes of all payloads as they are stored: compressed, without their seals. */
  readonly payloadBytes: number;
  /** Of the first and the last fragment; 0 if there is none. */
  readonly firstEpoch: number;
  readonly lastEpoch: number;
  /** Numbers of the keys that fragments are sealed with, ascending. */
  readonly keyIds: readonly number[];
  readonly compressedCount: number;
}

/** What `checkWal` found. */
export interface WalCheck {
  /** Files, spare ones included; 0 if there is no log. */
  readonly segmentCount: number;
  readonly headPosition: number;
  /** End of the last whole record that was read. */
  readonly endLsn: number;
  /** Records that end, that is: whole ones, and one that began before the head. */
  readonly recordCount: number;
  /** Bytes of all payloads as they are stored: compressed, without their seals. */
  readonly payloadBytes: number;
  /** Epoch of the last record. */
  readonly epoch: number;
  /** Those that hold records, in order. */
  readonly segments: readonly SegmentCheck[];
  /**
   * - `clean`: nothing lies behind the end. `torn`: the next open will cut something off there.
   * - `repair`: a crash interrupted a repair; the next open finishes it.
   * - `damaged`: see `damage`.
   */
  readonly state: "clean" | "torn" | "repair" | "damaged";
  readonly damage: KvsError | undefined;
}

export interface CheckOptions {
  /** Opens sealed records, too: one that cannot be opened is damage. Default: only checksums. */
  readonly keys?: DataKeys;
}

const NOTHING: WalCheck = {
  segmentCount: 0,
  headPosition: 0,
  endLsn: 0,
  recordCount: 0,
  payloadBytes: 0,
  epoch: 0,
  segments: [],
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
export async function checkWal(
  environment: Environment,
  path: string,
  options: CheckOptions = {},
): Promise<WalCheck> {
  let segments: SegmentSet | undefined;
  try {
    segments = await SegmentSet.open(environment, path, true);
    if (segments === undefined) return NOTHING;
    return await checkSegments(environment, segments, new Tally(environment, segments, options));
  } catch (error) {
    if (!isDamage(error)) throw error;
    return { ...NOTHING, state: "damaged", damage: error };
  } finally {
    await segments?.close();
  }
}

async function checkSegments(
  environment: Environment,
  segments: SegmentSet,
  tally: Tally,
): Promise<WalCheck> {
  const from = segments.headBase + SEGMENT_HEADER_BYTES;
  const cursor = new LogCursor({ source: segments, from, mayBeginInside: true });
  const found = (): Omit<WalCheck, "state" | "damage"> => {
    const { headBase: headPosition, count: segmentCount } = segments;
    const { recordLsn: endLsn, epoch } = cursor;
    return { segmentCount, headPosition, endLsn, epoch, ...tally.result() };
  };
  try {
    let step = cursor.step();
    for (; step?.type !== "rejection"; step = cursor.step()) {
      if (step === undefined) await cursor.fill();
      else tally.note(step);
    }
    const repairPath = pathIn(segments.directory, REPAIR_NAME);
    const isRepairing = (await environment.disk.stat(repairPath)) !== undefined;
    if (isRepairing) return { ...found(), state: "repair", damage: undefined };
    const tail = await findTail(segments, environment.hooks);
    // The log goes on behind the place where reading ended: that place is damaged.
    if (tail.lsn !== cursor.recordLsn) throw damagedAt(segments, step, tail.lsn);
    return { ...found(), state: tail.isTorn ? "torn" : "clean", damage: undefined };
  } catch (error) {
    if (!isDamage(error)) throw error;
    return { ...found(), state: "damaged", damage: error };
  }
}

type MutableCheck = { -readonly [Name in keyof SegmentCheck]: SegmentCheck[Name] };

/** Counts fragments, and opens them if there are keys. */
class Tally {
  readonly #source: SegmentSet;
  readonly #hasKeys: boolean;
  readonly #opener: RecordOpener;
  readonly #segments: Map<number, MutableCheck> = new Map();
  #parts: Uint8Array[] = [];
  #start = -1;
  #recordCount = 0;
  #payloadBytes = 0;

  constructor(environment: Environment, source: SegmentSet, { keys }: CheckOptions) {
    this.#source = source;
    this.#hasKeys = keys !== undefined;
    this.#opener = new RecordOpener({
      source,
      compressors: environment.compressors,
      keys,
      maxRecordBytes: RECORD_BYTES_MAX,
      sabotage: readSabotage(environment.hooks),
    });
  }

  note(fragment: Fragment): void {
    const { start, flags, epoch, payload } = fragment;
    const base = this.#source.geometry.baseOf(start);
    const bytes = payload.length - sealBytesOf(flags);
    const isFirst = (flags & FIRST_FRAGMENT) !== 0;
    const segment = this.#segments.get(base) ?? newSegment(this.#source.pathOf(base), base, epoch);
    this.#segments.set(base, segment);
    segment.recordCount += isFirst ? 1 : 0;
    segment.compressedCount += isFirst && isCompressed(flags) ? 1 : 0;
    segment.payloadBytes += bytes;
    segment.lastEpoch = epoch;
    if ((flags & SEALED_FRAGMENT) !== 0) {
      const keyIds = new Set([...segment.keyIds, sealKeyId(payload)]);
      segment.keyIds = [...keyIds].toSorted((one, other) => one - other);
    }
    this.#payloadBytes += bytes;
    this.#open(fragment);
    if ((flags & LAST_FRAGMENT) !== 0) this.#recordCount++;
  }

  result(): Pick<WalCheck, "recordCount" | "payloadBytes" | "segments"> {
    const segments = [...this.#segments.values()];
    return { recordCount: this.#recordCount, payloadBytes: this.#payloadBytes, segments };
  }

  /** @throws {KvsError} if the fragment, or the record that it ends, is not what was appended. */
  #open(fragment: Fragment): void {
    const { start, flags, payload } = fragment;
    const isFirst = (flags & FIRST_FRAGMENT) !== 0;
    if ((flags & SEALED_FRAGMENT) !== 0 && !this.#hasKeys) return;
    const content = this.#opener.open(fragment, start, payload);
    if (isFirst) {
      this.#parts = [];
      this.#start = start;
    }
    if (!isCompressed(flags) || this.#start < 0) return;
    this.#parts.push(content.slice());
    if ((flags & LAST_FRAGMENT) !== 0) {
      this.#opener.restore(flags, this.#start, concatBytes(this.#parts));
    }
  }
}

function newSegment(path: string, base: number, epoch: number): MutableCheck {
  return {
    path,
    base,
    recordCount: 0,
    payloadBytes: 0,
    firstEpoch: epoch,
    lastEpoch: epoch,
    keyIds: [],
    compressedCount: 0,
  };
}

function isDamage(error: unknown): error is KvsError {
  return isKvsError(
    error,
    "WAL_DAMAGED",
    "WAL_UNSUPPORTED",
    "WAL_KEY_UNKNOWN",
    "WAL_NOT_AUTHENTIC",
  );
}
