/**
 * One simulated machine: a disk and clocks that outlive its processes, and at most one process.
 *
 *     running ──kill()──► down ──restart()──► running        the disk keeps what was answered
 *     running ──crash()─► dark ──restart()──► running        power cut: the disk keeps an image
 *     running ──pause(ms)─► running                          nothing runs, the world goes on
 */
import { assert, type Environment } from "@kvs/env";
import { type CrashMode } from "./disk/crash-image.ts";
import { type DiskFaultPlan } from "./disk/disk-faults.ts";
import { type SimStorage } from "./disk/sim-storage.ts";
import { EVENT_TIMER, type SimEvent } from "./event-queue.ts";
import { type HostClock } from "./host-clock.ts";
import { Incarnation, type IncarnationHost } from "./incarnation.ts";
import { Scheduler } from "./scheduler.ts";
import { type TimerLateness } from "./sim-clock.ts";

const KIND_START = Scheduler.kind("host.start");
const KIND_RESUME = Scheduler.kind("host.resume");

/** What a process does: it runs until its host dies; its result is of no interest. */
export type HostMain = (environment: Environment) => Promise<void> | void;

/** How a host wakes from a pause. */
export interface PauseOptions {
  /**
   * What runs first: expired timers, as in Node (libuv), or the input that arrived meanwhile.
   * Default: drawn.
   */
  readonly first?: "timers" | "input";
  /** Whether the monotonic clock goes on, or stands still as in a suspended machine. */
  readonly clock?: "runs" | "stops";
}

/** What the simulation does for its hosts. */
export interface HostWorld {
  readonly scheduler: Scheduler;
  /** Builds the environment of a new process. */
  makeEnvironment(host: SimHost, incarnation: Incarnation): Environment;
  /** Ends what the process had open on the network. */
  processDied(incarnation: Incarnation, isPowerCut: boolean): void;
  poweredOn(host: SimHost): void;
  hostFailed(host: SimHost, error: unknown): void;
  drawResumeOrder(host: SimHost): "timers" | "input";
}

export class SimHost implements IncarnationHost {
  readonly name: string;
  readonly lane: number;
  readonly clock: HostClock;
  /** Timer lateness in force; a fault may replace it. */
  lateness: TimerLateness = { probability: 0, maxMs: 0 };
  readonly #world: HostWorld;
  #storage: SimStorage;
  /** One object for the host's life, changed in place: disks that are attached look at it anew. */
  readonly #diskPlan: DiskFaultPlan = {};
  #incarnation: Incarnation;
  #environment: Environment;
  #main: HostMain | undefined;
  #held: SimEvent[] = [];
  #pausedUntilMicros = 0;
  #isPaused = false;
  #first: "timers" | "input" = "timers";

  constructor(options: {
    name: string;
    lane: number;
    clock: HostClock;
    storage: SimStorage;
    diskPlan: DiskFaultPlan;
    world: HostWorld;
  }) {
    this.name = options.name;
    this.lane = options.lane;
    this.clock = options.clock;
    this.#storage = options.storage;
    this.#world = options.world;
    this.configureDisk(options.diskPlan);
    this.#incarnation = new Incarnation(this, 1, options.world.scheduler);
    this.#environment = options.world.makeEnvironment(this, this.#incarnation);
  }

  /** The environment of the present process; after a death, of the one that died. */
  get environment(): Environment {
    return this.#environment;
  }

  /** Counts the processes of this host: 1 is the first. */
  get generation(): number {
    return this.#incarnation.generation;
  }

  get isAlive(): boolean {
    return this.#incarnation.isAlive;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** What is on the disk. */
  get storage(): SimStorage {
    return this.#storage;
  }

  /**
   * Puts another disk into a host whose process is dead: an empty one, or a copy of an earlier
   * state, as a restored machine has it.
   */
  replaceStorage(storage: SimStorage): void {
    assert(!this.isAlive, "a disk is changed only while no process uses it");
    this.#storage = storage;
  }

  /** Latency and faults of this host's disk. */
  get diskPlan(): DiskFaultPlan {
    return this.#diskPlan;
  }

  /** Replaces latency and faults of this host's disk, from the next call on. */
  configureDisk(plan: DiskFaultPlan): void {
    const next = { ...plan }; // it may be the very object that is emptied below
    const own = this.#diskPlan as Record<string, number | undefined>;
    for (const name of Object.keys(own)) delete own[name];
    Object.assign(own, next);
  }

  /** Has the present process run `main`, in an event of its own; later restarts run it again. */
  start(main: HostMain): void {
    assert(this.isAlive, "only a living process is given work: restart the host first");
    this.#main = main;
    const incarnation = this.#incarnation;
    const environment = this.#environment;
    incarnation.after(0, KIND_START, () => {
      void runMain(main, environment, incarnation);
    });
  }

  /** Ends the process at once, as `kill -9` does. What its disk had answered stays. */
  kill(): void {
    if (!this.isAlive) return;
    this.#end(false);
    this.storage.processDied();
  }

  /**
   * Cuts the power: the process is gone, the network hears nothing of it, and the disk keeps one
   * crash image. A host without a process may lose power, too.
   *
   * @param mode What the disk keeps; drawn if not given.
   */
  crash(mode?: CrashMode): void {
    this.#end(true);
    this.storage.crash(mode);
  }

  /**
   * Starts a new process with a new environment, on the same disk. A process that still lives is
   * killed first.
   *
   * @param main What to run; default: what the last process ran, if anything.
   */
  restart(main: HostMain | undefined = this.#main): void {
    this.kill();
    this.#world.poweredOn(this);
    this.#incarnation = new Incarnation(this, this.generation + 1, this.#world.scheduler);
    this.#environment = this.#world.makeEnvironment(this, this.#incarnation);
    if (main !== undefined) this.start(main);
  }

  /**
   * Stops the process for `forMs`, as SIGSTOP, a long garbage collection or a suspended machine do.
   * What falls due meanwhile waits, and runs at once on waking. A longer pause wins over a shorter.
   */
  pause(forMs: number, options: PauseOptions = {}): void {
    if (!this.isAlive) return;
    assert(forMs >= 0, "a pause has a length");
    const { scheduler } = this.#world;
    const until = scheduler.nowMicros + Math.ceil(forMs * 1000);
    this.#isPaused = true;
    this.#first = options.first ?? this.#world.drawResumeOrder(this);
    if (options.clock === "stops") this.clock.stop(scheduler.nowMicros);
    this.#pausedUntilMicros = Math.max(this.#pausedUntilMicros, until);
    scheduler.schedule(until - scheduler.nowMicros, { kind: KIND_RESUME }, () => {
      if (this.#isPaused && scheduler.nowMicros >= this.#pausedUntilMicros) this.#resume();
    });
  }

  /** Ends a pause before its time. */
  wake(): void {
    if (this.#isPaused) this.#resume();
  }

  hold(event: SimEvent): void {
    this.#held.push(event);
  }

  failed(error: unknown): void {
    this.#world.hostFailed(this, error);
  }

  #resume(): void {
    this.#isPaused = false;
    this.#pausedUntilMicros = 0;
    this.clock.resume(this.#world.scheduler.nowMicros);
    const held = this.#held;
    this.#held = [];
    const timers = held.filter((event) => (event.flags & EVENT_TIMER) !== 0);
    const input = held.filter((event) => (event.flags & EVENT_TIMER) === 0);
    const inOrder = this.#first === "timers" ? [...timers, ...input] : [...input, ...timers];
    for (const event of inOrder) this.#world.scheduler.release(event);
  }

  #end(isPowerCut: boolean): void {
    this.#held = [];
    this.#isPaused = false;
    this.#pausedUntilMicros = 0;
    this.clock.resume(this.#world.scheduler.nowMicros);
    const ended = this.#incarnation;
    ended.die();
    this.#world.processDied(ended, isPowerCut);
  }
}

async function runMain(
  main: HostMain,
  environment: Environment,
  incarnation: Incarnation,
): Promise<void> {
  try {
    await main(environment);
  } catch (error) {
    incarnation.fail(error);
  }
}
