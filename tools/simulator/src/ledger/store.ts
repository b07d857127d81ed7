import { type Environment, type FileLock, KvsError, assert, isKvsError, sleep } from "@kvs/env";
import { type Recovery, copyUnsecured, findEarlierLives, removeOthers } from "./earlier-lives.ts";
import { LEDGER_FOLDER, type Manifest, writeManifest } from "./manifest.ts";
import { persist } from "./persist.ts";
import { type LedgerRecord } from "./record.ts";
import { type OpenSegment, type SlotAddress, addressText, createSegment } from "./segment.ts";

/** Records that wait for the disk at most: far more than all clients of a run can have open. */
const WAITING_MAX = 4096;
/** A write that is made to wait, waits this long at most. */
const LATE_WRITE_MS = 200;
/** Records of one write at most. */
const GROUP_MAX = 16;

interface Waiting {
  readonly record: LedgerRecord;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * The ledger of one node on its disk: segments of checksummed slots, and a manifest that names
 * them. Every life writes segments of its own, so that nothing is ever appended to a torn one.
 *
 * An append is answered when its record is durable. Records that wait for the same sync are written
 * together. A failed sync is final: every call answers its error from then on.
 */
export class LedgerStore {
  readonly recovery: Recovery;
  readonly #environment: Environment;
  readonly #lock: FileLock;
  readonly #waiting: Waiting[] = [];
  #manifest: Manifest;
  #segment: OpenSegment;
  #lastWritten: (SlotAddress & { readonly record: LedgerRecord }) | undefined;
  #isWriting = false;
  #failure: { readonly error: unknown } | undefined;

  private constructor(
    environment: Environment,
    opened: { lock: FileLock; recovery: Recovery; manifest: Manifest; segment: OpenSegment },
  ) {
    this.#environment = environment;
    this.#lock = opened.lock;
    this.recovery = opened.recovery;
    this.#manifest = opened.manifest;
    this.#segment = opened.segment;
  }

  /**
   * Takes the lock, finds what earlier lives left, and begins a new epoch.
   *
   * @throws {KvsError} of the disk, if it stays.
   */
  static async open(environment: Environment): Promise<LedgerStore> {
    const { disk } = environment;
    await persist(() => disk.makeDirectory(LEDGER_FOLDER));
    await disk.syncDirectory(".");
    const lock = await persist(() => disk.lock(`${LEDGER_FOLDER}/lock`));
    const found = await findEarlierLives(environment);
    const copies = await copyUnsecured(environment, found);
    const number = 1 + found.highestSegment + copies.length;
    const segment = await createSegment(environment, number);
    const manifest: Manifest = {
      epoch: 1 + found.epoch,
      segments: [...found.secured, ...copies, number],
      secured: number - 1,
    };
    await writeManifest(environment, manifest);
    await removeOthers(environment, manifest.segments); // not before the manifest is durable
    const { recovery } = found;
    return new LedgerStore(environment, { lock, recovery, manifest, segment });
  }

  get epoch(): number {
    return this.#manifest.epoch;
  }

  /** Why nothing is written any more, or `undefined`. */
  get failure(): unknown {
    return this.#failure?.error;
  }

  /**
   * Keeps a record. Records are kept in the order of the calls.
   *
   * @throws {KvsError} `DISK_FULL` or `DISK_IO` with outcome `none`: it was not kept and never will
   *   be. Any other: nobody knows, and the store is of no further use.
   */
  append(record: LedgerRecord): Promise<void> {
    assert(this.#waiting.length < WAITING_MAX, "clients wait for their answers");
    return new Promise((resolve, reject) => {
      this.#waiting.push({ record, resolve, reject });
      if (!this.#isWriting) void this.#write();
    });
  }

  /** Reads the newest record back from the file. Returns its address if it is damaged. */
  scrubSync(): string | undefined {
    const last = this.#lastWritten;
    if (last === undefined || last.segment !== this.#segment.number) return undefined;
    if (this.#segment.holdsSync(last.index, last.record)) return undefined;
    return addressText(last);
  }

  /** Closes the file and gives up the lock. */
  async close(): Promise<void> {
    this.#failure ??= { error: new Error("the store is closed") };
    await this.#segment.close();
    await this.#lock.release();
  }

  async #write(): Promise<void> {
    this.#isWriting = true;
    while (this.#waiting.length > 0) {
      const most = this.#environment.hooks.buggify("env.small-group") ? 1 : GROUP_MAX;
      const group: Waiting[] = [];
      try {
        if (this.#failure !== undefined) throw this.#failure.error;
        if (this.#segment.freeSlots === 0) await this.#rotate();
        group.push(...this.#waiting.splice(0, Math.min(most, this.#segment.freeSlots)));
        await this.#writeGroup(group);
      } catch (error) {
        if (group.length === 0) group.push(...this.#waiting.splice(0));
        for (const { reject } of group) reject(error);
      }
    }
    this.#isWriting = false;
  }

  async #writeGroup(group: readonly Waiting[]): Promise<void> {
    try {
      const { clock, hooks, random } = this.#environment;
      if (hooks.buggify("env.late-write")) await sleep(clock, random.nextFloat() * LATE_WRITE_MS);
      const records = group.map(({ record }) => record);
      const first = await this.#segment.writeGroup(records);
      const index = first.index + records.length - 1;
      this.#lastWritten = { segment: first.segment, index, record: records.at(-1)! };
    } catch (error) {
      if (!isKvsError(error, "DISK_FULL", "DISK_IO")) throw this.#fail(error);
      await this.#segment.discardGroup().catch((second: unknown) => {
        throw this.#fail(second);
      });
      this.#environment.hooks.probe("env.group-discarded");
      const { code } = error;
      throw new KvsError(code, "the group was taken back", { outcome: "none", retryable: true });
    }
    for (const { resolve } of group) resolve();
  }

  /** Begins another segment. An error other than a full disk is final. */
  async #rotate(): Promise<void> {
    const number = this.#segment.number + 1;
    const next = await createSegment(this.#environment, number).catch((error: unknown) => {
      throw this.#fail(error);
    });
    try {
      const segments = [...this.#manifest.segments, number];
      this.#manifest = { ...this.#manifest, segments };
      await writeManifest(this.#environment, this.#manifest);
      await this.#segment.close();
    } catch (error) {
      throw this.#fail(error);
    }
    this.#segment = next;
  }

  #fail(error: unknown): unknown {
    this.#failure ??= { error };
    return error;
  }
}
