import {
  assert,
  type Ciphers,
  type Compressors,
  createRandom,
  type Environment,
  type Random,
  type Seed,
  type Trace,
  type TraceLevel,
} from "@kvs/env";
import { type DiskFaultPlan, type DiskCall, type DiskVerdict } from "./disk/disk-faults.ts";
import { SimStorage, type SimStorageOptions } from "./disk/sim-storage.ts";
import { HostClock } from "./host-clock.ts";
import { type HostMain, type HostWorld, SimHost } from "./host.ts";
import { type Incarnation } from "./incarnation.ts";
import { type LinkSettings } from "./network/link.ts";
import { SimNetwork } from "./network/sim-network.ts";
import { type RunEnd, type RunOptions, Scheduler } from "./scheduler.ts";
import { SimClock } from "./sim-clock.ts";
import { type BuggifySiteReport, SimHooks, sortedRecord } from "./sim-hooks.ts";
import { SimTrace, type TraceLine } from "./sim-trace.ts";
import { toyCiphers } from "./toy-ciphers.ts";
import { toyCompressors } from "./toy-compressors.ts";
import { hashText } from "./trace-hash.ts";

const KIND_DISK = Scheduler.kind("disk.answer");
const KIND_GLOBAL = Scheduler.kind("simulation.global");

/** A good disk: some 100 µs for every call. */
const QUIET_DISK: DiskFaultPlan = { latencyMinMicros: 20, latencyMeanMicros: 80 };

/** What differs between simulations, besides the seed. */
export interface SimulationOptions {
  readonly seed: Seed;
  /** Default: {@link toyCiphers}. */
  readonly ciphers?: Ciphers;
  /** Default: {@link toyCompressors}. */
  readonly compressors?: Compressors;
  /** Built-in sabotages to switch on. */
  readonly mutants?: readonly string[];
  readonly knobs?: SimulationKnobs;
  /** Hears every event of every host's trace. */
  readonly onTrace?: (line: TraceLine) => void;
  /**
   * Decides what an error that a host's code threw means: `fail` ends the run with it (default),
   * `kill` ends the process, as an uncaught error does in production.
   */
  readonly onHostFailure?: (host: SimHost, error: unknown) => "fail" | "kill";
}

/** What may be set for a whole run. */
export interface SimulationKnobs {
  /** Whether buggify sites may be switched on. Default: true. */
  readonly buggify?: boolean;
  /** The quietest trace level that is hashed and heard. Default: `debug`. */
  readonly traceLevel?: TraceLevel;
  /** How links behave at first. */
  readonly link?: Partial<LinkSettings>;
  /** See `SimNetworkOptions`. */
  readonly giveUpMs?: number;
  readonly windowBytes?: number;
  /** Faults and latency of all disks. Default: no faults, some 100 µs. */
  readonly disk?: DiskFaultPlan;
  /** Traits of all file systems. */
  readonly storage?: Omit<SimStorageOptions, "random" | "countFault">;
}

/** How a host differs from the others. */
export interface HostOptions {
  readonly clock?: { readonly offsetMs?: number; readonly driftPpm?: number };
  /** Run at once. */
  readonly main?: HostMain;
  /** Asked before each call of this host's disk; see `DiskContext`. */
  readonly onDiskCall?: (call: DiskCall) => DiskVerdict | undefined;
  /** An existing disk, as of an earlier simulation. */
  readonly storage?: SimStorage;
}

/** What a run came to. */
export interface SimulationResult {
  /** 16 hexadecimal digits; equal for two runs of one seed, options and program. */
  readonly hash: string;
  readonly events: number;
  readonly simulatedSeconds: number;
  /** How many faults of each kind were injected. */
  readonly faults: Record<string, number>;
  /** How often each rare state was reached. */
  readonly probes: Record<string, number>;
  readonly buggifySites: Record<string, BuggifySiteReport>;
}

/**
 * A world in memory: hosts with clocks and disks, and the network between them, in virtual time,
 * all from one seed. The same seed, options and program give the same run, bit for bit.
 *
 * Everything that hosts do must come through their `Environment`: a real timer, a real file or an
 * unordered collection makes runs differ, and `result().hash` tell.
 *
 * @example
 * ```ts
 * const simulation = new Simulation({ seed: 7 });
 * simulation.addHost("n1", { main: (environment) => serve(environment) });
 * await simulation.run({ untilMs: 60_000 });
 * ```
 */
export class Simulation {
  readonly seed: Seed;
  /** The root of all chance; split it, one stream for each purpose. */
  readonly random: Random;
  readonly network: SimNetwork;
  readonly hooks: SimHooks;
  readonly #options: SimulationOptions;
  readonly #knobs: SimulationKnobs;
  readonly #scheduler: Scheduler;
  readonly #hosts = new Map<string, SimHost>();
  readonly #faults = new Map<string, number>();
  readonly #environments = new Map<Incarnation, Environment>();
  #healCount = 0;

  constructor(options: SimulationOptions) {
    this.seed = options.seed;
    this.random = createRandom(options.seed);
    this.#options = options;
    this.#knobs = options.knobs ?? {};
    this.#scheduler = new Scheduler(this.random.split("schedule").nextUint32());
    this.hooks = new SimHooks({
      random: this.random.split("buggify"),
      buggify: this.#knobs.buggify ?? true,
      mutants: options.mutants ?? [],
    });
    this.network = this.#makeNetwork();
  }

  /** Virtual microseconds since the simulation began. */
  get nowMicros(): number {
    return this.#scheduler.nowMicros;
  }

  /** All hosts, in the order in which they were added. */
  get hosts(): readonly SimHost[] {
    return [...this.#hosts.values()];
  }

  /** Adds a host with a first process; `options.main` runs as soon as the simulation does. */
  addHost(name: string, options: HostOptions = {}): SimHost {
    assert(!this.#hosts.has(name), "host names are unique");
    const random = this.random.split(`host:${name}`);
    this.network.addHost(name);
    const host = new SimHost({
      name,
      lane: hashText(name),
      clock: new HostClock({
        offsetMs: options.clock?.offsetMs ?? 0,
        driftPpm: options.clock?.driftPpm ?? 0,
        uptimeMicros: random.split("uptime").below(3_600_000_000),
      }),
      storage: options.storage ?? this.#makeStorage(random),
      diskPlan: this.#knobs.disk ?? QUIET_DISK,
      world: this.#makeWorld(random, options),
    });
    this.#hosts.set(name, host);
    if (options.main !== undefined) host.start(options.main);
    return host;
  }

  /** The host of this name, which must exist. */
  host(name: string): SimHost {
    const found = this.#hosts.get(name);
    assert(found !== undefined, "the host was added to the simulation");
    return found;
  }

  /** How often the world was healed: what a fault still had in mind before that is void. */
  get healCount(): number {
    return this.#healCount;
  }

  /**
   * Makes the world a good one: the network whole, hosts awake and running, timers and disks
   * without faults. What was lost stays lost, and clocks stay as wrong as they are. Faults that
   * were to go on later do not.
   *
   * @param hosts Only these hosts, and the links between them: a quorum, say, while the rest of the
   *   world stays broken. Default: all.
   */
  heal(hosts: readonly string[] = [...this.#hosts.keys()]): void {
    this.#healCount++;
    this.network.heal(hosts);
    this.network.configure({ lossProbability: 0, resetProbability: 0 });
    for (const name of hosts) {
      const host = this.host(name);
      host.lateness = { probability: 0, maxMs: 0 };
      host.configureDisk(QUIET_DISK);
      host.wake();
      if (!host.isAlive) host.restart();
    }
  }

  /** Runs `action` after `delayMs` of virtual time, outside all hosts. */
  after(delayMs: number, action: () => void): void {
    this.#scheduler.schedule(delayMs * 1000, { kind: KIND_GLOBAL }, action);
  }

  /**
   * Runs the world until `options` say stop; may be called again to go on.
   *
   * @throws What a host's code threw, see `onHostFailure`; `SIM_TOO_MANY_EVENTS`.
   */
  run(options: RunOptions = {}): Promise<RunEnd> {
    return this.#scheduler.run(options);
  }

  /** Counts a fault that was injected, under the fixed name of its kind. */
  countFault(kind: string): void {
    this.#faults.set(kind, (this.#faults.get(kind) ?? 0) + 1);
    this.#scheduler.hash.add(hashText(kind));
  }

  /** What the run came to so far. */
  result(): SimulationResult {
    return {
      hash: this.#scheduler.hash.toString(),
      events: this.#scheduler.eventCount,
      simulatedSeconds: this.#scheduler.nowMicros / 1e6,
      faults: sortedRecord(this.#faults),
      probes: this.hooks.probes(),
      buggifySites: this.hooks.sites(),
    };
  }

  #makeNetwork(): SimNetwork {
    const { link, giveUpMs, windowBytes } = this.#knobs;
    return new SimNetwork({
      scheduler: this.#scheduler,
      random: this.random.split("network"),
      countFault: (kind) => this.countFault(kind),
      traceOf: (incarnation) => this.#traceOf(incarnation),
      ...(link === undefined ? {} : { settings: link }),
      ...(giveUpMs === undefined ? {} : { giveUpMs }),
      ...(windowBytes === undefined ? {} : { windowBytes }),
    });
  }

  #makeStorage(random: Random): SimStorage {
    return new SimStorage({
      ...this.#knobs.storage,
      random: random.split("storage"),
      countFault: (kind) => this.countFault(kind),
    });
  }

  #makeWorld(random: Random, options: HostOptions): HostWorld {
    const resume = random.split("resume");
    return {
      scheduler: this.#scheduler,
      makeEnvironment: (host, incarnation) =>
        this.#makeEnvironment(host, incarnation, { random, options }),
      processDied: (incarnation, isPowerCut) => {
        this.#environments.delete(incarnation);
        this.network.processDied(incarnation, isPowerCut);
      },
      poweredOn: (host) => this.network.powerOn(host.name),
      hostFailed: (host, error) => this.#hostFailed(host, error),
      drawResumeOrder: () => (resume.chance(0.5) ? "timers" : "input"),
    };
  }

  #hostFailed(host: SimHost, error: unknown): void {
    if (this.#options.onHostFailure?.(host, error) === "kill") host.kill();
    else this.#scheduler.fail(error);
  }

  #makeEnvironment(
    host: SimHost,
    incarnation: Incarnation,
    made: { readonly random: Random; readonly options: HostOptions },
  ): Environment {
    const random = made.random.split(`process:${incarnation.generation}`);
    const environment: Environment = {
      clock: new SimClock({
        scheduler: this.#scheduler,
        hostClock: host.clock,
        incarnation,
        random: random.split("timers"),
        lateness: () => host.lateness,
        countFault: (kind) => this.countFault(kind),
      }),
      random,
      disk: this.#attachDisk(host, incarnation, { random, onCall: made.options.onDiskCall }),
      network: this.network.attach(incarnation),
      ciphers: this.#options.ciphers ?? toyCiphers,
      compressors: this.#options.compressors ?? toyCompressors,
      trace: new SimTrace({
        incarnation,
        scheduler: this.#scheduler,
        level: this.#knobs.traceLevel ?? "debug",
        listener: this.#options.onTrace,
      }),
      hooks: this.hooks,
    };
    this.#environments.set(incarnation, environment);
    return environment;
  }

  #attachDisk(
    host: SimHost,
    incarnation: Incarnation,
    made: { readonly random: Random; readonly onCall: HostOptions["onDiskCall"] },
  ): Environment["disk"] {
    return host.storage.attach({
      after: (delayMicros, action) => void incarnation.after(delayMicros, KIND_DISK, action),
      random: made.random.split("disk"),
      countFault: (kind) => this.countFault(kind),
      plan: host.diskPlan,
      onCall: (call) => {
        this.#hashDiskCall(incarnation, call);
        return made.onCall?.(call);
      },
    });
  }

  #hashDiskCall(incarnation: Incarnation, call: DiskCall): void {
    const { hash } = this.#scheduler;
    hash.add(incarnation.lane);
    hash.add(hashText(call.operation));
    hash.add(hashText(call.path));
    hash.addInteger(call.position ?? 0);
    hash.addInteger(call.bytes ?? 0);
  }

  #traceOf(incarnation: Incarnation): Trace {
    const environment = this.#environments.get(incarnation);
    assert(environment !== undefined, "only a living process serves requests");
    return environment.trace;
  }
}
