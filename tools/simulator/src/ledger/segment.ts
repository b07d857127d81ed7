import {
  type Disk,
  type Environment,
  type File,
  assert,
  isKvsError,
  readFullyAtSync,
  writeFullyAt,
} from "@kvs/env";
import { LEDGER_FOLDER, readWhole } from "./manifest.ts";
import { persist } from "./persist.ts";
import { type LedgerRecord, decodeRecord, encodeRecord } from "./record.ts";
import { SLOT_BYTES, readSlot, writeSlot } from "./slot.ts";

/** Records of one segment: few, so that runs of a minute make many segments. */
export const SEGMENT_SLOTS = 48;

/** Where a record is, for reports. */
export interface SlotAddress {
  readonly segment: number;
  readonly index: number;
}

/** What a segment of an earlier life turned out to hold. */
export interface FoundSegment {
  readonly records: readonly (SlotAddress & { readonly record: LedgerRecord })[];
  /** Slots that hold something that is no record, or nothing although a later one does. */
  readonly damaged: readonly SlotAddress[];
}

/** The file of a segment. */
export function segmentPath(segment: number): string {
  return `${LEDGER_FOLDER}/segment-${String(segment).padStart(5, "0")}`;
}

/** The number in a segment's file name, or `undefined` for other files. */
export function segmentOfName(name: string): number | undefined {
  const digits = /^segment-(\d{5})$/.exec(name)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/** A segment's name, for reports. */
export function nameOfSegment(segment: number): string {
  return segmentPath(segment).slice(LEDGER_FOLDER.length + 1);
}

/** A slot's name, for reports. */
export function addressText({ segment, index }: SlotAddress): string {
  return `${nameOfSegment(segment)}/${index}`;
}

/**
 * Makes a segment, against a disk that may be full for a moment. Its name is durable only after the
 * next manifest.
 *
 * @throws {KvsError} of the disk, if it stays.
 */
export function createSegment(environment: Environment, number: number): Promise<OpenSegment> {
  return persist(
    () => OpenSegment.create(environment, number),
    async () => {
      await environment.disk.unlink(segmentPath(number)).catch((error: unknown) => {
        if (!isKvsError(error, "DISK_NOT_FOUND")) throw error;
      });
    },
  );
}

/**
 * Reads a segment and tells its records from damage.
 *
 * @throws {KvsError} `DISK_NOT_FOUND`, `DISK_IO`, `DISK_TOO_MANY_FILES`.
 */
export async function readSegment(
  disk: Disk,
  segment: number,
  isTrusting: boolean,
): Promise<FoundSegment> {
  const bytes = await readWhole(disk, segmentPath(segment));
  const records: (SlotAddress & { record: LedgerRecord })[] = [];
  const damaged: SlotAddress[] = [];
  let empty: SlotAddress[] = [];
  for (let index = 0; index * SLOT_BYTES < bytes.length && index < SEGMENT_SLOTS; index++) {
    const slot = new Uint8Array(SLOT_BYTES);
    slot.set(bytes.subarray(index * SLOT_BYTES, (index + 1) * SLOT_BYTES));
    const content = readSlot(slot, { segment, index }, isTrusting);
    const record = content.type === "text" ? decodeRecord(content.text) : undefined;
    if (record !== undefined) {
      damaged.push(...empty);
      empty = [];
      records.push({ segment, index, record });
    } else if (content.type === "empty") empty.push({ segment, index });
    else damaged.push({ segment, index });
  }
  return { records, damaged };
}

/** The segment that a living node writes to. One group of records is written at a time. */
export class OpenSegment {
  readonly number: number;
  readonly #environment: Environment;
  readonly #file: File;
  #slots = 0;

  private constructor(number: number, environment: Environment, file: File) {
    this.number = number;
    this.#environment = environment;
    this.#file = file;
  }

  /** See {@link createSegment}. */
  static async create(environment: Environment, number: number): Promise<OpenSegment> {
    const file = await environment.disk.open(segmentPath(number), { create: "exclusive" });
    try {
      if (environment.hooks.buggify("env.preallocate")) {
        await file.allocate(0, SEGMENT_SLOTS * SLOT_BYTES);
      }
    } catch (error) {
      await file.close();
      throw error;
    }
    return new OpenSegment(number, environment, file);
  }

  get freeSlots(): number {
    return SEGMENT_SLOTS - this.#slots;
  }

  /**
   * Writes a group of records; durable when answered.
   *
   * @param records At most `freeSlots`.
   * @returns Where the first one is; the others follow.
   * @throws {KvsError} of the disk. `discardGroup` must follow, or the end of the node.
   */
  async writeGroup(records: readonly LedgerRecord[]): Promise<SlotAddress> {
    assert(records.length >= 1 && records.length <= this.freeSlots, "a group fits its segment");
    const { hooks, random } = this.#environment;
    const bytes = new Uint8Array(records.length * SLOT_BYTES);
    for (const [at, record] of records.entries()) {
      const home = { segment: this.number, index: this.#slots + at };
      writeSlot(bytes, at * SLOT_BYTES, home, encodeRecord(record));
    }
    const position = this.#slots * SLOT_BYTES;
    if (hooks.hasMutant("env.skip-datasync")) await writeFullyAt(this.#file, bytes, position);
    else if (random.chance(0.5)) await this.#file.writeDurableAt(bytes, position);
    else {
      await writeFullyAt(this.#file, bytes, position);
      await this.#file.datasync();
    }
    const first = { segment: this.number, index: this.#slots };
    this.#slots += records.length;
    return first;
  }

  /**
   * Takes back what a failed group may have left, durably: else a later life would find records
   * whose clients were told that they were not kept.
   */
  async discardGroup(): Promise<void> {
    await this.#file.truncate(this.#slots * SLOT_BYTES);
    await this.#file.datasync();
  }

  /** Reads a slot back and says whether it holds this record. Blocks like a cache miss. */
  holdsSync(index: number, record: LedgerRecord): boolean {
    assert(index < this.#slots, "only written slots are read back");
    const slot = new Uint8Array(SLOT_BYTES);
    readFullyAtSync(this.#file, slot, index * SLOT_BYTES);
    const content = readSlot(slot, { segment: this.number, index }, false);
    return content.type === "text" && content.text === encodeRecord(record);
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}
