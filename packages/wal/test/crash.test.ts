import { type Random, createRandom, pick } from "@kvs/env";
import { type SimStorage, forEachSeedAsync } from "@kvs/sim";
import { expect, test } from "vitest";

import { type Wal, type WalOptions } from "../src/index.ts";
import { newStorage, openWal, payloadOf } from "./fixture.ts";
import { type Expectation, LogModel, checkImage, checkLog } from "./log-model.ts";
import { cut, runScript } from "./script.ts";
import { TestKeys } from "./test-keys.ts";

/** Thousands of images, on a machine that may be busy. */
const TIMEOUT_MS = 240_000;
const STARTS = [0, 2 ** 31 - 10_000, 2 ** 32 - 10_000, 2 ** 53 - 2 ** 30];
const SEGMENT_BYTES = [4096, 8192, 65_536];

interface Image {
  readonly storage: SimStorage;
  readonly expectation: Expectation;
}

const OPTIONS: Partial<WalOptions> = { startPosition: 2 ** 32 - 5000, spareSegments: 1 };

/** Runs the script and takes images of power cuts at each of its disk calls. */
async function imagesOfScript(
  sample: (storage: SimStorage, random: Random) => Iterable<SimStorage>,
): Promise<Image[]> {
  const storage = newStorage();
  const random = createRandom(7);
  const model = new LogModel(2 ** 32 - 5000 + 64);
  const images: Image[] = [];
  const onCall = (): undefined => {
    const expectation = model.expectation();
    for (const image of sample(storage, random)) images.push({ storage: image, expectation });
  };
  const wal = await openWal(storage, OPTIONS, { onCall });
  await runScript(wal, model);
  return images;
}

// REL-W1
test(
  "REL-W1: after a crash at any disk call the log is a prefix that holds all that was acknowledged",
  async () => {
    const images = await imagesOfScript(function* (storage, random) {
      yield* storage.crashImages({ lastSectors: 8 });
      for (let at = 0; at < 10; at++) yield storage.sampleCrashImage(random);
    });

    expect(images.length).toBeGreaterThan(1000);
    for (const image of images) await checkImage(image.storage, image.expectation, OPTIONS);
  },
  TIMEOUT_MS,
);

// REL-W1, REL-W17
test(
  "recovery may crash at each of its own disk calls, and is then done again",
  async () => {
    const images = await imagesOfScript(function* (storage, random) {
      yield storage.worstCase();
      yield storage.sampleCrashImage(random);
    });
    const random = createRandom(8);

    let checked = 0;
    for (const [at, { storage, expectation }] of images.entries()) {
      if (at % 4 !== 0) continue; // the neighbours are much alike
      const again: SimStorage[] = [];
      const onCall = (): undefined => {
        again.push(...storage.crashImages({ lastSectors: 1 }), storage.sampleCrashImage(random));
      };
      const wal = await openWal(storage, OPTIONS, { onCall });
      await checkLog(wal, expectation);
      for (const image of again) await checkImage(image, expectation, OPTIONS);
      // What was read once stays: it is durable since the log was open.
      const { endLsn } = wal;
      const recovered = { ...expectation, ackedLsn: endLsn, cutting: undefined };
      await checkImage(storage.worstCase(), recovered, OPTIONS);
      checked += again.length;
    }
    expect(checked).toBeGreaterThan(500);
  },
  TIMEOUT_MS,
);

// REL-W1, REL-W5, REL-W19
test(
  "a log survives random appends, syncs, truncations and crashes",
  async () => {
    await forEachSeedAsync({ seeds: 200, size: 60 }, async ({ random, size }) => {
      await new Life(random).run(size);
    });
  },
  TIMEOUT_MS,
);

/** Runs a random life; whatever it does to the log, it does to the model. */
class Life {
  readonly #random: Random;
  readonly #options: Partial<WalOptions> & { readonly segmentBytes: number };
  readonly #model: LogModel;
  #storage: SimStorage;
  #wal!: Wal;
  #syncs: Promise<void>[] = [];
  #index = 0;

  constructor(random: Random) {
    this.#random = random;
    const startPosition = pick(random, STARTS);
    const segmentBytes = pick(random, SEGMENT_BYTES);
    const isSealed = random.chance(0.3);
    this.#options = {
      startPosition,
      segmentBytes,
      spareSegments: random.below(4),
      reserveBytes: random.chance(0.3) ? random.below(2 * segmentBytes) : 0,
      ...(isSealed && { keys: new TestKeys(), sealedFrom: 0 }),
      ...(random.chance(0.3) && { compression: { compressor: "fast", fromBytes: 32 } }),
    };
    this.#model = new LogModel(startPosition + 64);
    this.#storage = newStorage(random.nextUint32());
  }

  async run(steps: number): Promise<void> {
    this.#wal = await openWal(this.#storage, this.#options);
    for (let step = 0; step < steps; step++) {
      const choice = this.#random.below(100);
      if (choice < 55) this.#append();
      else if (choice < 75) await this.#sync();
      else if (choice < 80) await this.#dropHead();
      else if (choice < 85) await this.#cutTail();
      else if (choice < 95) await this.#crash();
      else await this.#reopen();
    }
    await this.#wal.close();
  }

  #append(): void {
    const count = 1 + this.#random.below(5);
    for (let at = 0; at < count; at++) {
      const isLarge = this.#random.chance(0.05);
      const length = this.#random.below(isLarge ? 3 * this.#options.segmentBytes : 700);
      const kind = 1 + this.#random.below(255);
      this.#model.append(this.#wal, kind, payloadOf(this.#index++, length));
    }
  }

  async #sync(): Promise<void> {
    const wal = this.#wal;
    const { endLsn } = wal;
    const synced = wal.sync().then(() => {
      // A log that was left behind by a crash goes on, on a disk that nobody looks at.
      if (wal !== this.#wal) return;
      this.#model.ackedLsn = Math.max(this.#model.ackedLsn, endLsn);
    });
    this.#syncs.push(synced);
    if (this.#random.chance(0.5)) await this.#quiet();
  }

  async #quiet(): Promise<void> {
    await Promise.all(this.#syncs);
    this.#syncs = [];
  }

  async #dropHead(): Promise<void> {
    await this.#quiet();
    const durable = this.#model.records.filter(({ lsn }) => lsn <= this.#wal.durableLsn);
    if (durable.length === 0) return;
    const record = pick(this.#random, durable);
    const position = this.#random.chance(0.5) ? record.lsn : record.start;
    this.#model.droppedBefore = Math.max(this.#model.droppedBefore, position);
    await this.#wal.truncateBefore(position);
  }

  async #cutTail(): Promise<void> {
    await this.#quiet();
    const { records, droppedBefore } = this.#model;
    const kept = records.filter(({ lsn }) => lsn > droppedBefore);
    if (kept.length > 0) await cut(this.#wal, this.#model, pick(this.#random, kept).lsn);
  }

  async #crash(): Promise<void> {
    const expectation = this.#model.expectation();
    const isPowerCut = this.#random.chance(0.7);
    this.#storage = isPowerCut
      ? this.#storage.sampleCrashImage(this.#random)
      : this.#storage.clone();
    this.#syncs = [];
    this.#wal = await openWal(this.#storage, this.#options);
    await checkLog(this.#wal, expectation);
    this.#model.adopt(this.#wal);
  }

  async #reopen(): Promise<void> {
    await this.#wal.close();
    this.#syncs = [];
    this.#model.ackedLsn = this.#model.endLsn;
    this.#wal = await openWal(this.#storage, this.#options);
    await checkLog(this.#wal, this.#model.expectation());
    this.#model.adopt(this.#wal);
  }
}
