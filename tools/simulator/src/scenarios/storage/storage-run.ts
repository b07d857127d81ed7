import { type Environment, type Random, createRandom, isKvsError, sleep } from "@kvs/env";
import {
  type DiskCall,
  type DiskVerdict,
  NO_FAULTS,
  Simulation,
  type SimHost,
  type TraceLine,
  drawFaultPlan,
  startNemesis,
} from "@kvs/sim";
import {
  CRASH_IMAGES,
  CRASH_POINTS,
  CRASH_POINTS_IN_RECOVERY,
  type SeedOptions,
  type SeedResult,
} from "../../scenario.ts";
import { AcknowledgementOracle } from "./acknowledgement-oracle.ts";
import { StorageViolation, auditStore, auditStructure } from "./audit.ts";
import { exploreDrawnCrashes } from "./crash-exploration.ts";
import { exploreDamage } from "./damage-explorer.ts";
import { drawDamages } from "./damage-at-rest.ts";
import { DiskOracle } from "./disk-oracle.ts";
import { MAIN, ModelledStore, type PlannedMutation } from "./modelled-store.ts";
import { requireSilence } from "./canary.ts";
import { HotCopies } from "./hot-copies.ts";
import { DiskSpace } from "./disk-space.ts";
import { ImageOracle } from "./image-oracle.ts";
import { readPagePartition } from "./page-partition.ts";
import { type StoreKnobs, drawStoreKnobs } from "./store-knobs.ts";
import { prefill } from "./prefill.ts";
import { hideSpreadVersions, reviveTornGroup } from "./special-scripts.ts";
import { StoreModel } from "./store-model.ts";
import { Workload } from "./workload.ts";

const HOST = "n1";
const PAGES_PATH = "store/pages.kvs";

/** Faults end after this long; most seeds have used up their batches before. */
const SAFETY_MS = 60_000;
/** Or after so many processes: each recovers, and one seed takes seconds. */
const LIVES_MAX = 120;
/** After the faults the store must be done within this time. */
const LIVENESS_MS = 300_000;
/** A process that ended by itself is started again after this long. */
const SUPERVISOR_MS = 50;
/** A step of the run, after which the images taken meanwhile are looked at. */
const STEP_MS = 1000;
/** Answers whose worst case is recovered. */
const ANSWERS_MAX = 24;
/** A run with so many violations need not go on. */
const VIOLATIONS_MAX = 5;

/** One seed: a store that lives through many lives, and what is left of it. */
export class StorageRun {
  readonly #options: SeedOptions;
  readonly #mutants: readonly string[];
  readonly #simulation: Simulation;
  readonly #random: Random;
  readonly #knobs: StoreKnobs;
  readonly #host: SimHost;
  readonly #model = new StoreModel(MAIN);
  readonly #answers: AcknowledgementOracle;
  readonly #disk: DiskOracle;
  readonly #images: ImageOracle;
  readonly #copies: HotCopies;
  readonly #space: DiskSpace | undefined;
  readonly #violations: string[] = [];
  readonly #trace: string[] = [];
  readonly #calls: Random;
  #operations = 0;
  #workLeft: number;
  #isDone = false;
  #isHealed = false;
  /** How often a sync fails. */
  #syncFailed = 0;
  /** Reads that had failed when the present process began. */
  #readErrors = 0;
  /** Disk calls until the power fails; 0 if it does not. */
  #callsToCrash = 0;
  #answersLeft = ANSWERS_MAX;

  constructor(seed: number, options: SeedOptions) {
    this.#options = options;
    this.#mutants = options.mutant === undefined ? [] : [options.mutant];
    const wantsTrace = options.wantsTrace === true;
    const onTrace = (line: TraceLine): void => void this.#trace.push(JSON.stringify(line));
    const draws = createRandom(seed).split("storage");
    this.#knobs = drawStoreKnobs(draws.split("knobs"));
    const { totalBytes, clockOffsetMs } = this.#knobs;
    this.#simulation = new Simulation({
      seed,
      mutants: this.#mutants,
      knobs: { storage: totalBytes === undefined ? {} : { totalBytes } },
      onHostFailure: (host, error) => this.#failed(host, error),
      ...(wantsTrace ? { onTrace } : {}),
    });
    this.#random = draws;
    this.#calls = draws.split("calls");
    this.#workLeft = this.#knobs.work;
    const store = this.#knobs.store;
    const mutants = this.#mutants;
    const random = draws;
    this.#copies = new HotCopies({ model: this.#model, store, mutants });
    this.#images = new ImageOracle({ model: this.#model, store, mutants, random });
    this.#answers = new AcknowledgementOracle(this.#model, store, this.#mutants);
    this.#disk = new DiskOracle({
      storage: () => this.#host.storage,
      pagesPath: PAGES_PATH,
      logPath: "store/log",
    });
    this.#host = this.#simulation.addHost(HOST, {
      clock: { offsetMs: clockOffsetMs },
      onDiskCall: (call) => this.#onDiskCall(call),
    });
    if (totalBytes !== undefined) {
      this.#space = new DiskSpace(this.#simulation, this.#host, draws.split("space"));
    }
  }

  async run(): Promise<SeedResult> {
    const simulation = this.#simulation;
    this.#host.start((environment) => this.#live(environment));
    const nemesis = startNemesis(simulation, this.#drawPlan());
    await this.#runUntil(SAFETY_MS);
    nemesis.heal();
    this.#isHealed = true;
    this.#space?.end();
    this.#host.restart();
    await this.#runUntil(SAFETY_MS + LIVENESS_MS);
    if (!this.#isDone && this.#violations.length === 0) {
      this.#violations.push(`the store is not done ${LIVENESS_MS / 1000} s after the last fault`);
    }
    this.#checkPartition();
    await this.#damage();
    this.#violations.push(...(await this.#disk.violations()));
    await this.#runSpecialScripts();
    await this.#exploreCrashes();
    return this.#result();
  }

  /** Runs until the store is done, or this moment; looks at images on the way. */
  async #runUntil(untilMs: number): Promise<void> {
    const simulation = this.#simulation;
    while (!this.#isDone && this.#violations.length < VIOLATIONS_MAX) {
      if (!this.#isHealed && this.#host.generation > LIVES_MAX) return;
      const nowMs = simulation.nowMicros / 1000;
      if (nowMs >= untilMs) return;
      await simulation.run({ untilMs: Math.min(untilMs, nowMs + STEP_MS) });
      await this.#lookAtImages();
    }
  }

  #drawPlan(): ReturnType<typeof drawFaultPlan> {
    const random = this.#random.split("plan");
    const plan = drawFaultPlan(random, { canFailDisks: random.chance(0.5), canCrashAll: false });
    const { syncFailed = 0, ...calls } = plan.disk.calls;
    this.#syncFailed = syncFailed;
    return { ...plan, network: NO_FAULTS.network, disk: { ...plan.disk, calls } };
  }

  /** One process: opens the store, uses it, closes it, and again, until all batches are used up. */
  async #live(environment: Environment): Promise<void> {
    this.#armCrash();
    this.#readErrors = this.#countReadErrors();
    const random = this.#random.split(`life-${this.#host.generation}`);
    for (let life = 0; !this.#isDone; life++) {
      const open = await ModelledStore.open(
        this.#disk.watch(environment),
        this.#knobs.store,
        this.#model,
        { onAcknowledged: () => this.#noteAnswer() },
      );
      this.#model.settle(await auditStore(open.store, this.#model, { random }));
      const isLast = this.#workLeft <= 0 || (this.#isHealed && life > 0);
      if (!isLast) await this.#use(environment, open, random.split(`use-${life}`));
      await auditStructure(open.store);
      await open.store.close();
      this.#isDone = isLast;
      await sleep(environment.clock, 1);
    }
  }

  async #use(environment: Environment, open: ModelledStore, random: Random): Promise<void> {
    const knobs = this.#knobs;
    if (this.#model.submitted < knobs.prefillPages) await prefill(open, knobs);
    await new Workload({
      environment,
      open,
      knobs,
      random,
      copies: this.#copies,
      batches: knobs.batchesPerLife,
      onBatch: (planned) => this.#takeWork(planned),
      onOperation: () => void this.#operations++,
    }).run();
  }

  #takeWork(planned: readonly PlannedMutation[]): boolean {
    if (this.#workLeft <= 0) return false;
    for (const { bytes = 0 } of planned) this.#workLeft -= 1 + Math.floor(bytes / 4096);
    return true;
  }

  /** The end of a process by an error: of the disk, or of ours. */
  #failed(host: SimHost, error: unknown): "kill" {
    const isUnread = this.#countReadErrors() > this.#readErrors;
    const codes = isUnread ? [...EXPECTED_CODES, ...CODES_AFTER_READ_ERRORS] : EXPECTED_CODES;
    const isExpected = isKvsError(error) && codes.some((code) => error.code === code);
    if (!isExpected) {
      const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
      this.#violations.push(`after ${this.#simulation.nowMicros / 1000} ms: ${text}`);
    }
    this.#simulation.after(SUPERVISOR_MS, () => {
      if (!host.isAlive) host.restart();
    });
    return "kill";
  }

  #countReadErrors(): number {
    return this.#host.storage.stats.faults.get("disk.eio-read") ?? 0;
  }

  #onDiskCall(call: DiskCall): DiskVerdict | undefined {
    if (this.#isHealed) return undefined;
    if (this.#callsToCrash > 0) {
      this.#callsToCrash--;
      if (this.#callsToCrash === 0) this.#simulation.after(0, () => this.#crash());
    }
    if (SYNCS.has(call.operation) && this.#calls.chance(this.#syncFailed)) {
      // A file system that fails there goes read-only: the machine has to start anew.
      if (call.operation === "syncDirectory") this.#simulation.after(0, () => this.#crash());
      return { type: "error", code: "DISK_IO" };
    }
    const isChange = call.operation !== "readAt" && call.operation !== "readAtSync";
    if (isChange) this.#images.note(this.#host.storage, this.#calls);
    return undefined;
  }

  /** Some lives end in the midst of a disk call, some of them during recovery. */
  #armCrash(): void {
    const random = this.#calls;
    this.#callsToCrash = 0;
    if (random.chance(0.4)) this.#callsToCrash = 1 + random.below(random.chance(0.4) ? 60 : 3000);
  }

  #crash(): void {
    if (this.#isHealed) return;
    this.#simulation.countFault("process.crash");
    this.#host.crash(this.#calls.chance(0.3) ? "worst-case" : undefined);
    this.#simulation.after(SUPERVISOR_MS, () => {
      if (!this.#host.isAlive) this.#host.restart();
    });
  }

  #noteAnswer(): void {
    if (this.#answersLeft === 0 || !this.#calls.chance(1 / 8)) return;
    this.#answersLeft--;
    this.#answers.note(this.#host.storage);
  }

  async #lookAtImages(): Promise<void> {
    this.#violations.push(...(await this.#answers.violations()));
    this.#violations.push(...(await this.#images.violations()));
    this.#violations.push(...(await this.#copies.violations()));
  }

  /** The pages at rest: each is owned once, or free. */
  #checkPartition(): void {
    if (!this.#isDone || this.#violations.length > 0) return;
    const { store } = this.#knobs;
    requireSilence(this.#host.storage, store);
    if (store.encryption !== undefined) return;
    const { faults } = readPagePartition(this.#host.storage.readFile(PAGES_PATH));
    this.#violations.push(...faults.slice(0, VIOLATIONS_MAX));
  }

  /** Damages copies of the disk, once all is done. */
  async #damage(): Promise<void> {
    if (!this.#isDone || this.#violations.length > 0) return;
    const { storage } = this.#host;
    const random = this.#random.split("damage");
    const damages = drawDamages(storage, this.#model.allowance(), random);
    const { store } = this.#knobs;
    const options = { store, mutants: this.#mutants };
    const report = await exploreDamage(storage, this.#model, damages, options);
    this.#violations.push(...report.violations);
  }

  /** Rare alignments, which chance alone meets too seldom. */
  async #runSpecialScripts(): Promise<void> {
    if (this.#violations.length > 0) return;
    const versions = 1 + this.#random.split("special").below(14);
    try {
      await reviveTornGroup(this.#mutants);
      await hideSpreadVersions(versions, this.#mutants);
    } catch (error) {
      if (!(error instanceof StorageViolation)) throw error;
      this.#violations.push(error.message);
    }
  }

  /** Another store, with a short life, that is crashed at one disk call after the other. */
  async #exploreCrashes(): Promise<void> {
    if (this.#violations.length > 0) return;
    const report = await exploreDrawnCrashes(this.#random.split("explore"), this.#mutants);
    this.#images.add(report);
    this.#violations.push(...report.violations);
  }

  /** Whether the store has become ten times as large as its page cache. */
  get #isLarge(): boolean {
    const { storage } = this.#host;
    if (!storage.files().includes(PAGES_PATH)) return false;
    return storage.readFile(PAGES_PATH).length >= 10 * this.#knobs.store.memoryBytes!;
  }

  #result(): SeedResult {
    const { hash, simulatedSeconds, faults, probes, buggifySites } = this.#simulation.result();
    const sites = Object.entries(buggifySites).map(
      ([name, { firedCount }]) => [name, firedCount] as const,
    );
    const { submitted } = this.#model;
    const { points, inRecovery, recovered } = this.#images.counts;
    return {
      violations: this.#violations.slice(0, VIOLATIONS_MAX),
      simulatedSeconds,
      operations: this.#operations,
      faults: new Map([
        ...Object.entries(faults),
        [CRASH_POINTS, points + this.#answers.checked],
        [CRASH_POINTS_IN_RECOVERY, inRecovery],
        [CRASH_IMAGES, recovered + this.#answers.checked],
      ]),
      probes: new Map([
        ...Object.entries(probes),
        ["batches submitted", submitted],
        ["copies restored", this.#copies.restored],
        ["recoveries without space", this.#images.withoutSpace],
        ["stores sealed", this.#knobs.store.encryption === undefined ? 0 : 1],
        ["answers checked", this.#answers.checked],
        ["pages written", this.#disk.pagesWritten],
        ["stores ten times their cache", this.#isLarge ? 1 : 0],
      ]),
      buggifySites: new Map(sites),
      hash,
      ...(this.#options.wantsTrace === true ? { trace: this.#trace } : {}),
    };
  }
}

const SYNCS: ReadonlySet<string> = new Set([
  "datasync",
  "writeDurableAt",
  "allocate",
  "syncDirectory",
]);

/** A header that could not be read once is as good as lost, for this time. */
const CODES_AFTER_READ_ERRORS: readonly string[] = ["PAGER_NO_HEADER", "WAL_DAMAGED"];

/** What a process may end with because of its disk. */
const EXPECTED_CODES: readonly string[] = [
  "DISK_FULL",
  "DISK_IO",
  "DISK_SYNC_FAILED",
  "DISK_TOO_MANY_FILES",
  "PAGER_WRITE_FAILED",
  "TXN_POISONED",
  "WAL_DISK_FULL",
  "WAL_SYNC_FAILED",
];
