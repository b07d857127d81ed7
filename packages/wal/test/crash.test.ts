import { type Random, createRandom, pick } from "@kvs/env";
import { type DiskCall, type SimStorage, forEachSeedAsync } from "@kvs/sim";
import { test } from "vitest";

import { type Wal, type WalOptions } from "../src/index.ts";
import { newStorage, openWal, payloadOf } from "./fixture.ts";
import { type Expectation, LogModel, checkImage, checkLog } from "./log-model.ts";

const STARTS = [0, 2 ** 31 - 10_000, 2 ** 32 - 10_000, 2 ** 53 - 2 ** 30];
const SEGMENT_BYTES = [4096, 8192, 65_536];

interface Image {
  readonly storage: SimStorage;
  readonly expectation: Expectation;
}

/** A scripted life: several groups, segments, a cut, a truncation of the head. */
async function script(wal: Wal, model: LogModel): Promise<void> {
  const append = (index: number, length: number): void => {
    model.append(wal, 1 + (index % 9), payloadOf(index, length));
  };
  const sync = async (): Promise<void> => {
    const { endLsn } = wal;
    await wal.sync();
    model.ackedLsn = Math.max(model.ackedLsn, endLsn);
  };
  for (let group = 0; group < 4; group++) {
    for (let at = 0; at < 3; at++) append(group * 10 + at, 150 + 300 * at);
    await sync();
  }
  append(50, 9000); // over three segments
  append(51, 1);
  await sync();
  append(60, 100);
  const last = model.records.at(-3)!.lsn;
  await cut(wal, model, last);
  append(70, 100);
  append(71, 1500);
  await sync();
  model.droppedBefore = model.records.at(-2)!.start;
  await wal.truncateBefore(model.droppedBefore);
  for (let at = 80; at < 84; at++) append(at, 900);
  await sync();
  append(90, 2000);
  await wal.close();
  model.ackedLsn = model.endLsn;
}

async function cut(wal: Wal, model: LogModel, position: number): Promise<void> {
  model.cutting = position;
  await wal.truncateAfter(position);
  model.records = model.records.filter(({ lsn }) => lsn <= position);
  model.ackedLsn = Math.min(model.ackedLsn, position);
  model.cutting = undefined;
}

test("REL-W1: after a crash at any disk call, in any subset of the last 8 sectors, the log is a prefix with all that was acknowledged", async () => {
  const options: Partial<WalOptions> = { startPosition: 2 ** 32 - 5000 };
  const model = new LogModel(2 ** 32 - 5000 + 64);
  const storage = newStorage();
  const random = createRandom(7);
  const images: Image[] = [];
  const onCall = (_call: DiskCall): undefined => {
    const expectation = model.expectation();
    for (const image of storage.crashImages({ lastSectors: 8 })) {
      images.push({ storage: image, expectation });
    }
    for (let at = 0; at < 20; at++) {
      images.push({ storage: storage.sampleCrashImage(random), expectation });
    }
    return undefined;
  };
  const wal = await openWal(storage, options, { onCall });
  await script(wal, model);

  for (const image of images) await checkImage(image.storage, image.expectation, options);
});

test("a log survives random appends, syncs, truncations and crashes", async () => {
  await forEachSeedAsync({ seeds: 300, size: 60 }, async ({ random, size }) => {
    await new Life(random).run(size);
  });
});

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
    this.#options = { startPosition, segmentBytes, spareSegments: random.below(4) };
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
