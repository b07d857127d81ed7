import { type Environment, isKvsError } from "@kvs/env";
import { type FoundManifest, LEDGER_FOLDER, readManifest } from "./manifest.ts";
import { persist } from "./persist.ts";
import { type LedgerRecord } from "./record.ts";
import {
  SEGMENT_SLOTS,
  addressText,
  createSegment,
  nameOfSegment,
  readSegment,
  segmentOfName,
  segmentPath,
} from "./segment.ts";

/** What a node found when it started. */
export interface Recovery {
  /** In the order of the files. */
  readonly records: readonly LedgerRecord[];
  /** What is not as it was written: `manifest`, `segment-00003`, `segment-00003/7`. */
  readonly damage: readonly string[];
}

/** What a node needs to begin a new life. */
export interface EarlierLives {
  readonly recovery: Recovery;
  /** Segments that stay as they are. */
  readonly secured: readonly number[];
  /** Records of the others, which must be copied. */
  readonly unsecured: readonly LedgerRecord[];
  /** No segment has a greater number. */
  readonly highestSegment: number;
  readonly epoch: number;
}

/**
 * Reads everything, and changes nothing.
 *
 * @throws {KvsError} of the disk, if it stays; not for a segment that cannot be read.
 */
export async function findEarlierLives(environment: Environment): Promise<EarlierLives> {
  const { disk, hooks } = environment;
  const names = await persist(() => disk.list(LEDGER_FOLDER));
  const listed = names.map(segmentOfName).filter((segment) => segment !== undefined);
  const found = await persist(() => readManifest(disk));
  const isWhole = found.type === "whole";
  // Without a manifest every segment counts, and none is known to be on the disk for certain.
  const manifest = isWhole ? found.manifest : { epoch: 0, segments: listed, secured: 0 };
  const securedUpTo = hooks.hasMutant("env.trust-page-cache") ? Infinity : manifest.secured;
  const reading = new Reading(environment, !isWhole);
  if (isManifestLost(found, listed)) reading.damage.push("manifest");
  const secured: number[] = [];
  const unsecured: LedgerRecord[] = [];
  for (const segment of manifest.segments) {
    const records = await reading.read(segment);
    if (records === undefined || segment <= securedUpTo) secured.push(segment);
    else unsecured.push(...records);
  }
  const { records, damage } = reading;
  return {
    recovery: { records, damage },
    secured,
    unsecured,
    highestSegment: Math.max(0, ...manifest.segments, ...listed),
    epoch: Math.max(manifest.epoch, ...records.map((record) => record.epoch)),
  };
}

/** The first life may die before its manifest is there; then it made one segment at most. */
function isManifestLost(found: FoundManifest, listed: readonly number[]): boolean {
  return found.type === "damaged" || (found.type === "absent" && listed.length > 1);
}

/**
 * Writes the records of unsecured segments once more, into new segments.
 *
 * What a node reads when it starts may be in the system's memory alone: written, not synced, when
 * the process died; or given up by a sync that failed, which no later sync will write. Nothing may
 * be promised that rests on such bytes. Nor are they written again in their place: a power cut in
 * the middle of that would tear what was safe.
 *
 * @returns The numbers of the new segments, whose names are durable. They count only with the next
 *   manifest.
 * @throws {KvsError} of the disk.
 */
export async function copyUnsecured(
  environment: Environment,
  found: EarlierLives,
): Promise<number[]> {
  const copies: number[] = [];
  for (let at = 0; at < found.unsecured.length; at += SEGMENT_SLOTS) {
    const number = found.highestSegment + copies.length + 1;
    const segment = await createSegment(environment, number);
    await segment.writeGroup(found.unsecured.slice(at, at + SEGMENT_SLOTS));
    await segment.close();
    copies.push(number);
  }
  // Else a power cut might keep the next manifest's name, and lose the names that it relies on.
  if (!environment.hooks.hasMutant("env.skip-directory-sync")) {
    await environment.disk.syncDirectory(LEDGER_FOLDER);
  }
  return copies;
}

/** Removes the segments that the manifest does not name. They are in nobody's way if it fails. */
export async function removeOthers(
  { disk }: Environment,
  segments: readonly number[],
): Promise<void> {
  try {
    for (const name of await disk.list(LEDGER_FOLDER)) {
      const number = segmentOfName(name);
      if (number !== undefined && !segments.includes(number))
        await disk.unlink(segmentPath(number));
    }
  } catch (error) {
    if (!isKvsError(error, "DISK_IO")) throw error;
  }
}

/** Gathers what the segments hold. */
class Reading {
  readonly records: LedgerRecord[] = [];
  readonly damage: string[] = [];
  readonly #environment: Environment;
  readonly #seen: Set<string> | undefined;

  /** @param mayRepeat Without a manifest a record and its copy may both be there. */
  constructor(environment: Environment, mayRepeat: boolean) {
    this.#environment = environment;
    this.#seen = mayRepeat ? new Set() : undefined;
  }

  /** The records of a segment, or `undefined` if it cannot be read. */
  async read(segment: number): Promise<LedgerRecord[] | undefined> {
    const { disk, hooks } = this.#environment;
    const isTrusting = hooks.hasMutant("env.ignore-checksum");
    try {
      const found = await persist(() => readSegment(disk, segment, isTrusting));
      const records = found.records
        .map(({ record }) => record)
        .filter((record) => this.#isNew(record));
      this.records.push(...records);
      this.damage.push(...found.damaged.map(addressText));
      return records;
    } catch (error) {
      if (!isKvsError(error, "DISK_NOT_FOUND", "DISK_IO")) throw error;
      this.damage.push(nameOfSegment(segment));
      return undefined;
    }
  }

  #isNew({ origin, epoch, sequence }: LedgerRecord): boolean {
    if (this.#seen === undefined) return true;
    const place = `${origin}:${epoch}.${sequence}`;
    if (this.#seen.has(place)) return false;
    this.#seen.add(place);
    return true;
  }
}
