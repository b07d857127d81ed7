import { type Environment, sleep } from "@kvs/env";
import { Simulation, forEachSeedAsync } from "@kvs/sim";
import { expect, test } from "vitest";
import {
  PAGE_LEAF,
  type PageId,
  PageView,
  type Pager,
  createPageFile,
  formatPage,
  toPageId,
  toPageLsn,
} from "../src/index.ts";
import {
  CountingLog,
  HEADER,
  PATH,
  changePage,
  fillBody,
  openExisting,
  readBody,
  writePage,
} from "./fixture.ts";

const PAGES = 40;

/** Readers and a writer on few frames; every read is compared with what was written. */
class Crowd {
  readonly words = new Map<PageId, number>();
  readonly #environment: Environment;
  readonly #pager: Pager;
  readonly #log: CountingLog;
  readonly #views = [new PageView(), new PageView(), new PageView(), new PageView()];
  done = 0;

  constructor(environment: Environment, pager: Pager, log: CountingLog) {
    this.#environment = environment;
    this.#pager = pager;
    this.#log = log;
  }

  async read(steps: number): Promise<void> {
    const random = this.#environment.random.split(`reader-${this.done}-${steps}`);
    for (let step = 0; step < steps; step++) {
      const ids = this.#drawPages(random.below(3) + 1);
      if (random.chance(0.2)) this.#pager.attemptSync(() => this.#check(ids.slice(0, 1)));
      else await this.#pager.attempt(() => this.#check(ids));
      if (random.chance(0.1)) await sleep(this.#environment.clock, random.nextFloat());
    }
    this.done++;
  }

  /** Three old pages and a new one at once, as a split does; sometimes a page is given up first. */
  async write(steps: number): Promise<void> {
    const { random } = this.#environment;
    for (let step = 1; step <= steps; step++) {
      const old = this.#drawPages(3).filter((id) => this.words.has(id));
      const created = toPageId(2 + random.below(PAGES));
      await this.#pager.attempt(() => this.#change(old, created, step));
      if (random.chance(0.1))
        await this.#pager.flushBefore(toPageLsn(Math.max(0, this.#log.endLsn - 20)));
    }
    this.done++;
  }

  #drawPages(count: number): PageId[] {
    const { random } = this.#environment;
    const ids = new Set<PageId>();
    while (ids.size < count) ids.add(toPageId(2 + random.below(PAGES)));
    return [...ids];
  }

  #check(ids: readonly PageId[]): void {
    const known = ids.filter((id) => this.words.has(id));
    for (const [at, id] of known.entries()) this.#pager.fetch(id, this.#views[at]!);
    for (const [at, id] of known.entries()) {
      expect(readBody(this.#views[at]!)).toBe(this.words.get(id));
    }
  }

  #change(old: readonly PageId[], created: PageId, word: number): void {
    const pager = this.#pager;
    const kept = old.filter((id) => id !== created);
    const frames = kept.map((id, at) => pager.fetch(id, this.#views[at]!));
    for (const [at, id] of kept.entries()) {
      expect(readBody(this.#views[at]!)).toBe(this.words.get(id));
    }
    pager.requireFrames(1);
    const lsn = this.#log.append();
    for (const [at, id] of kept.entries()) {
      fillBody(this.#views[at]!, word);
      this.words.set(id, word);
    }
    for (const frame of frames) pager.dirtied(frame, lsn);
    const [view] = this.#views;
    const frame = pager.create(created, view!);
    formatPage(view!, created, PAGE_LEAF);
    fillBody(view!, word);
    pager.dirtied(frame, lsn);
    this.words.set(created, word);
  }
}

async function runCrowd(environment: Environment, frames: number): Promise<Crowd> {
  const { clock, random } = environment;
  await environment.disk.makeDirectory("db");
  await createPageFile(environment, PATH, HEADER);
  const log = new CountingLog(() => sleep(clock, random.nextFloat()));
  const pager = await openExisting(environment, { frames, gate: log });
  await pager.grow(PAGES);
  const crowd = new Crowd(environment, pager, log);
  await crowd.write(20);
  const readers = Array.from({ length: 1 + random.below(8) }, () => crowd.read(25));
  await Promise.all([...readers, crowd.write(25)]);
  expect(crowd.done).toBe(readers.length + 2);
  await pager.flushBefore(toPageLsn(log.endLsn));
  await pager.datasync();
  await pager.close();
  return crowd;
}

test("readers and a writer end, and see what was written, with four frames and a slow disk", async () => {
  const probes = new Set<string>();
  await forEachSeedAsync({ seeds: 60 }, async ({ seed, random }) => {
    const simulation = new Simulation({
      seed,
      knobs: {
        disk: {
          latencyMinMicros: random.below(50),
          latencyMeanMicros: 100 * random.below(20),
          shortRead: 0.1,
          shortWrite: 0.1,
        },
      },
    });
    let crowd: Crowd | undefined;
    simulation.addHost("host", {
      main: async (environment) => {
        crowd = await runCrowd(environment, 4 + (seed % 3));
      },
    });
    await simulation.run({ untilMs: 600_000 });
    expect(crowd).toBeDefined(); // else somebody waits for ever

    let isSame = false;
    simulation.host("host").restart(async (environment) => {
      const pager = await openExisting(environment, { frames: 4 });
      const view = new PageView();
      for (const [id, word] of crowd!.words) {
        await pager.attempt(() => pager.fetch(id, view));
        await pager.attempt(() => {
          pager.fetch(id, view);
          expect(readBody(view)).toBe(word);
        });
      }
      isSame = true;
    });
    await simulation.run({ untilMs: 1_200_000 });
    expect(isSame).toBe(true);
    for (const state of Object.keys(simulation.result().probes)) probes.add(state);
  });
  expect([...probes].toSorted()).toContain("pager.pins-taken");
});

test("REL-W11: while the disk is full, readers share the frames that are clean", async () => {
  await forEachSeedAsync({ seeds: 40 }, async ({ seed }) => {
    let isFull = false;
    const simulation = new Simulation({ seed });
    let done = 0;
    simulation.addHost("host", {
      onDiskCall: ({ operation }) =>
        isFull && operation === "writeAt" ? { type: "error", code: "DISK_FULL" } : undefined,
      main: async (environment) => {
        await environment.disk.makeDirectory("db");
        await createPageFile(environment, PATH, HEADER);
        const pager = await openExisting(environment, { frames: 8, gate: new CountingLog() });
        await pager.grow(PAGES);
        for (let id = 2; id < 2 + PAGES; id++) await writePage(pager, toPageId(id), id);
        await pager.flushBefore(toPageLsn(1));
        isFull = true;
        for (let id = 2; id < 2 + 4; id++) await changePage(pager, toPageId(id), id, toPageLsn(2));
        const retries = pager.flushBefore(toPageLsn(2)).catch(() => undefined);
        const readers = Array.from({ length: 6 }, async (_, reader) => {
          for (let step = 0; step < 20; step++) {
            const ids = [0, 1, 2].map((at) => toPageId(2 + ((reader * 7 + step * 3 + at) % PAGES)));
            const views = ids.map(() => new PageView());
            await pager.attempt(() => {
              for (const [at, id] of ids.entries()) pager.fetch(id, views[at]!);
              expect(views.map(readBody)).toEqual(ids);
            });
            if (step % 5 === 0) await pager.flushBefore(toPageLsn(2)).catch(() => undefined);
          }
          done++;
        });
        await Promise.all([retries, ...readers]);
        expect(pager.stats().dirtyFrames).toBe(4);
      },
    });
    await simulation.run({ untilMs: 600_000 });
    expect(done).toBe(6);
  });
});
