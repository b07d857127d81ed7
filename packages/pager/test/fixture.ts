import {
  type Cipher,
  type Clock,
  type DataKeys,
  type Disk,
  type Environment,
  type TestHooks,
  createRandom,
} from "@kvs/env";
import {
  type DiskCall,
  type DiskFaultPlan,
  type DiskVerdict,
  SimStorage,
  Simulation,
  instantContext,
  toyCiphers,
} from "@kvs/sim";
import {
  type LogGate,
  PAGE_HEADER_BYTES,
  PAGE_LEAF,
  type PageFileHeader,
  type PageId,
  type PageLsn,
  PageView,
  Pager,
  createPageFile,
  formatPage,
  noLog,
  toPageId,
  toPageLsn,
} from "../src/index.ts";

export const PATH = "db/pages";
export const FILE_ID = 7;

export const HEADER: Omit<PageFileHeader, "sequence"> = {
  storeId: [0x0123_4567, 0x89ab_cdef],
  fileId: FILE_ID,
  checkpointLsn: toPageLsn(0),
  redoLsn: toPageLsn(0),
  catalogRoot: toPageId(0),
  regionCount: 0,
  epoch: 1,
  publishedTimestamp: 0,
  nextTreeId: 1,
  isClean: false,
};

export interface WorldOptions {
  readonly seed?: number;
  readonly plan?: DiskFaultPlan;
  readonly storage?: SimStorage;
  readonly onCall?: (call: DiskCall) => DiskVerdict | undefined;
  readonly mutants?: readonly string[];
  readonly buggify?: readonly string[];
}

/** A disk in memory that answers in later microtasks, and what else a pager needs of the world. */
export interface World {
  readonly environment: Environment;
  readonly disk: Disk;
  readonly storage: SimStorage;
  /** Rare states reached. */
  readonly probes: Set<string>;
  /** Answers the next calls; set it at any time. */
  onCall: ((call: DiskCall) => DiskVerdict | undefined) | undefined;
}

export function makeWorld(options: WorldOptions = {}): World {
  const { seed = 1, storage = new SimStorage({ random: createRandom(seed) }) } = options;
  const probes = new Set<string>();
  const context = instantContext(createRandom(seed + 1), {
    ...(options.plan === undefined ? {} : { plan: options.plan }),
    onCall: (call) => world.onCall?.(call),
  });
  const disk = storage.attach(context);
  const { environment } = new Simulation({ seed }).addHost("host");
  const hooks: TestHooks = {
    buggify: (site) => options.buggify?.includes(site) ?? false,
    probe: (state) => void probes.add(state),
    hasMutant: (mutant) => options.mutants?.includes(mutant) ?? false,
  };
  const world: World = {
    environment: { ...environment, disk, clock: turnClock(environment.clock), hooks },
    disk,
    storage,
    probes,
    onCall: options.onCall,
  };
  return world;
}

/** The end of a turn is the end of a real one; nothing here waits for a time. */
function turnClock(clock: Clock): Clock {
  return {
    monotonicMs: () => clock.monotonicMs(),
    wallMs: () => clock.wallMs(),
    schedule: (delayMs, action) => clock.schedule(delayMs, action),
    defer: (action) => void setImmediate(action),
  };
}

export interface OpenTestOptions {
  readonly frames?: number;
  readonly gate?: LogGate;
  readonly epoch?: number;
  readonly readOnly?: boolean;
  readonly keys?: DataKeys;
  readonly onlySealed?: boolean;
}

/** A pager on a file that exists or is made. */
export async function openPager(world: World, options: OpenTestOptions = {}): Promise<Pager> {
  const { environment } = world;
  if ((await environment.disk.stat(PATH)) === undefined) {
    await environment.disk.makeDirectory("db");
    await environment.disk.syncDirectory("/");
    await createPageFile(environment, PATH, HEADER);
  }
  return openExisting(environment, options);
}

export function openExisting(
  environment: Environment,
  options: OpenTestOptions = {},
): Promise<Pager> {
  return Pager.open(environment, {
    path: PATH,
    memoryBytes: (options.frames ?? 4) * 4096,
    gate: options.gate ?? noLog,
    fileId: FILE_ID,
    epoch: options.epoch ?? 1,
    readOnly: options.readOnly ?? false,
    ...(options.keys === undefined ? {} : { keys: options.keys }),
    onlySealed: options.onlySealed ?? false,
  });
}

/** Data keys by number, the newest current. Key n is always the same. */
export class TestKeys implements DataKeys {
  currentId = 0;
  readonly #ciphers: Map<number, Cipher> = new Map();

  constructor(...ids: readonly number[]) {
    for (const id of ids) this.add(id);
  }

  add(id: number): void {
    this.#ciphers.set(id, toyCiphers.aes256Gcm(new Uint8Array(32).fill(id)));
    this.currentId = id;
  }

  destroy(id: number): void {
    this.#ciphers.delete(id);
  }

  cipherOf(id: number): Cipher | undefined {
    return this.#ciphers.get(id);
  }
}

/** A log that only counts: appending is instant, making durable takes a while. */
export class CountingLog implements LogGate {
  durableLsn = 0;
  endLsn = 0;
  readonly #delay: () => Promise<void>;

  constructor(delay: () => Promise<void> = () => Promise.resolve(), from = 0) {
    this.#delay = delay;
    this.endLsn = from;
    this.durableLsn = from;
  }

  append(): PageLsn {
    this.endLsn += 10;
    return toPageLsn(this.endLsn);
  }

  async makeDurable(lsn: PageLsn): Promise<void> {
    const upTo = Math.max(lsn, this.endLsn);
    await this.#delay();
    this.durableLsn = Math.max(this.durableLsn, upTo);
  }
}

const view = new PageView();

/** Makes a page of one repeated word. Its file must be long enough. */
export async function writePage(
  pager: Pager,
  id: PageId,
  word: number,
  lsn: PageLsn = toPageLsn(1),
): Promise<void> {
  await pager.attempt(() => {
    pager.requireFrames(1);
    const frame = pager.create(id, view);
    formatPage(view, id, PAGE_LEAF);
    fillBody(view, word);
    pager.dirtied(frame, lsn);
  });
}

/** Changes a page that exists. */
export async function changePage(
  pager: Pager,
  id: PageId,
  word: number,
  lsn: PageLsn,
): Promise<void> {
  await pager.attempt(() => {
    const frame = pager.fetch(id, view);
    pager.requireFrames(0);
    fillBody(view, word);
    pager.dirtied(frame, lsn);
  });
}

/** The word a page is made of; throws if it is made of two. */
export function readBody(page: PageView): number {
  const from = (page.base + PAGE_HEADER_BYTES) >>> 2;
  const word = page.u32[from]!;
  for (let at = from; at < (page.base + 4096) >>> 2; at++) {
    if (page.u32[at] !== word) throw new Error(`a page of ${word} holds ${page.u32[at]}`);
  }
  return word;
}

export function readPage(pager: Pager, id: PageId): Promise<number> {
  return pager.attempt(() => {
    pager.fetch(id, view);
    return readBody(view);
  });
}

export function readPageSync(pager: Pager, id: PageId): number {
  return pager.attemptSync(() => {
    pager.fetch(id, view);
    return readBody(view);
  });
}

export function fillBody(page: PageView, word: number): void {
  page.u32.fill(word, (page.base + PAGE_HEADER_BYTES) >>> 2, (page.base + 4096) >>> 2);
}
