import { AssertionFailure, createRandom, isKvsError, type Random } from "@kvs/env";
import { type SimStorage } from "@kvs/sim";
import { describe, expect, test } from "vitest";

import { drawWrite, LogModel } from "../src/conformance/log-model.ts";
import { LogReader } from "../src/conformance/log-store-conformance.ts";
import { LOG_MUTANTS, type LogMutant } from "../src/wal/sabotage.ts";
import { type WalGroupLog } from "../src/wal/wal-group-log.ts";
import { type WalLogStore } from "../src/wal/wal-log-store.ts";
import { newStorage, openStore } from "./wal-fixture.ts";

const TIMEOUT_MS = 120_000;
const GROUPS = [1, 2, 9];
const FOUNDERS = { incoming: [1, 2, 3] };

/** What a crash may leave of one group: any of `states` from `acked` on. */
interface Expectation {
  readonly group: number;
  readonly states: readonly LogModel[];
  readonly acked: number;
}

interface Image {
  readonly storage: SimStorage;
  readonly expectations: readonly Expectation[];
}

/** Lives of several groups in one log; whatever it does to them, it does to models. */
class Life {
  readonly #random: Random;
  readonly #states: Map<number, LogModel[]> = new Map();
  readonly #acked: Map<number, number> = new Map();
  readonly #logs: Map<number, WalGroupLog> = new Map();
  #store!: WalLogStore;

  constructor(random: Random) {
    this.#random = random;
  }

  get head(): number {
    return this.#store.extent.head;
  }

  expectations(): Expectation[] {
    return [...this.#acked].map(([group, acked]) => {
      const states = this.#states.get(group)!;
      return { group, states: states.slice(acked), acked: 0 };
    });
  }

  async run(store: WalLogStore, steps: number): Promise<void> {
    this.#store = store;
    for (const group of GROUPS) {
      this.#states.set(group, [new LogModel()]);
      this.#logs.set(group, await store.group(group, FOUNDERS));
      this.#acked.set(group, 0);
    }
    for (let step = 0; step < steps; step++) await this.#step();
    await this.#sync();
  }

  async #step(): Promise<void> {
    const random = this.#random;
    const chosen = random.nextFloat();
    if (chosen < 0.75) {
      // One group is idle but for votes, so that others' pruning has to carry it along.
      const group = random.chance(0.05) ? 9 : 1 + random.below(2);
      this.#write(group);
    } else if (chosen < 0.93) {
      await this.#sync();
    } else {
      const pruned = this.#store.prune();
      for (const group of GROUPS) if (random.chance(0.5)) this.#write(group);
      await pruned;
    }
  }

  #write(group: number): void {
    const states = this.#states.get(group)!;
    const write = drawWrite(this.#random, states.at(-1)!, 40);
    this.#logs.get(group)!.write(group === 9 ? { ...write, entries: [] } : write);
    states.push(...states.at(-1)!.after(group === 9 ? { ...write, entries: [] } : write));
  }

  async #sync(): Promise<void> {
    const reached = new Map(GROUPS.map((group) => [group, this.#states.get(group)!.length - 1]));
    await this.#logs.get(1)!.sync();
    for (const [group, at] of reached) this.#acked.set(group, at);
  }
}

/** What is left after a crash is a state that every group had, not older than what was acknowledged. */
async function checkImage({ storage, expectations }: Image): Promise<void> {
  const store = await openStore(storage);
  for (const { group, states } of expectations) {
    if (!store.groups().includes(group))
      throw new AssertionFailure("a group that was made is there");
    const log = await store.group(group, FOUNDERS);
    const image = log.image();
    const model = states.find((state) => state.isImage(image));
    if (model === undefined) {
      const found = JSON.stringify(image.hardState) + JSON.stringify(image.runs) + image.lastIndex;
      throw new AssertionFailure(`group ${group} is ${found}, none of ${states[0]!.describe()} …`);
    }
    if (image.damaged.length > 0) throw new AssertionFailure("nothing is damaged by a crash");
    if (model.lastIndex === model.base.index) continue;
    const read = await new LogReader(log).readAll(model.base.index + 1, model.lastIndex);
    if (JSON.stringify(read) !== JSON.stringify(model.entries)) {
      throw new AssertionFailure(`the entries of group ${group} are those that were written`);
    }
  }
  await store.close();
}

interface RunOptions {
  readonly seed: number;
  readonly steps: number;
  readonly mutant?: LogMutant;
  /** Crash images for each disk call. */
  readonly sample: (storage: SimStorage, random: Random) => Iterable<SimStorage>;
}

/** Takes images of power cuts at each disk call of a life. */
async function imagesOfLife(options: RunOptions): Promise<{ images: Image[]; head: number }> {
  const { seed, steps, mutant, sample } = options;
  const storage = newStorage(seed);
  const random = createRandom(seed);
  const crashes = random.split("crashes");
  const life = new Life(random);
  const images: Image[] = [];
  const onCall = (): undefined => {
    const expectations = life.expectations();
    for (const image of sample(storage, crashes)) images.push({ storage: image, expectations });
  };
  const world = mutant === undefined ? { onCall } : { onCall, mutant };
  const store = await openStore(storage, {}, world);
  await life.run(store, steps);
  const { head } = life;
  await store.close();
  return { images, head };
}

function* samples(storage: SimStorage, random: Random): Iterable<SimStorage> {
  yield storage.worstCase();
  yield storage.sampleCrashImage(random);
  yield storage.sampleCrashImage(random);
}

// REL-R1, REL-R2
test(
  "REL-R1: after a crash at any disk call every vote and entry that was acknowledged is there",
  async () => {
    let count = 0;
    let pruned = 0;
    for (let seed = 1; seed <= 6; seed++) {
      const { images, head } = await imagesOfLife({ seed, steps: 150, sample: samples });
      for (const image of images) await checkImage(image);
      count += images.length;
      if (head > 0) pruned++;
    }
    expect(count).toBeGreaterThan(1000);
    expect(pruned).toBeGreaterThan(3);
  },
  TIMEOUT_MS,
);

test(
  "sectors of the last write may be there or not, in any combination",
  async () => {
    const { images } = await imagesOfLife({
      seed: 20,
      steps: 40,
      sample: (storage) => storage.crashImages({ lastSectors: 5 }),
    });
    expect(images.length).toBeGreaterThan(200);
    for (const image of images) await checkImage(image);
  },
  TIMEOUT_MS,
);

describe("each sabotage of the log store is caught by a crash or a restart", () => {
  const caughtByDamage: readonly LogMutant[] = ["raft.log.damage-ends-log"];
  const others = LOG_MUTANTS.filter((mutant) => !caughtByDamage.includes(mutant));
  test.each(others)(
    "%s",
    async (mutant) => {
      let caught: unknown;
      for (let seed = 1; seed <= 40 && caught === undefined; seed++) {
        try {
          const { images } = await imagesOfLife({ seed, steps: 150, mutant, sample: samples });
          const opening = mutant === "raft.log.keep-torn-entries" ? mutant : undefined;
          for (const image of images) await checkSabotaged(image, opening);
        } catch (error) {
          caught = error;
        }
      }
      const isNoticed = caught instanceof AssertionFailure || isKvsError(caught);
      expect(isNoticed, String(caught)).toBe(true);
    },
    TIMEOUT_MS,
  );
});

async function checkSabotaged(image: Image, opening: LogMutant | undefined): Promise<void> {
  if (opening === undefined) return await checkImage(image);
  const store = await openStore(image.storage, {}, { mutant: opening });
  for (const { group, states } of image.expectations) {
    const found = (await store.group(group, FOUNDERS)).image();
    if (found.damaged.length > 0 || !states.some((state) => state.isImage(found))) {
      throw new AssertionFailure("a torn entry is none");
    }
  }
  return await store.close();
}
