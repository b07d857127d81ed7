import { type Random, pick } from "@kvs/env";
import {
  type DiskCall,
  type DiskVerdict,
  type SimHost,
  type SimStorage,
  type Simulation,
} from "@kvs/sim";

const SECTOR_BYTES = 512;

/** Mean time between two of these faults. */
const INTERVAL_MS = 2500;
/** A node without power comes back after this long at most. */
const DOWN_MS_MAX = 2000;
/** The power fails this long after a process came back at most. */
const SECOND_BLOW_MS_MAX = 1500;
/** A sync that a node shall not survive takes this long, so that others see what it wrote. */
const LAST_SYNC_MS = 300;

/**
 * Brings about what no plan of the simulator draws: the end of a process or of the power in the
 * middle of a sync, the two extreme power cuts, and damage of whole files.
 */
export class RareFaults {
  readonly #nodes: readonly string[];
  readonly #victim: string | undefined;
  /** What becomes of a node as soon as it next syncs. */
  readonly #armed = new Map<string, (host: SimHost) => void>();
  #world: { readonly simulation: Simulation; readonly random: Random } | undefined;

  /** @param options `victim` is the node whose disk may be damaged, if any may. */
  constructor(options: { readonly nodes: readonly string[]; readonly victim: string | undefined }) {
    this.#nodes = options.nodes;
    this.#victim = options.victim;
  }

  /** Brings about one fault after the other until stopped. */
  start(simulation: Simulation): void {
    this.#world = { simulation, random: simulation.random.split("rare-faults") };
    this.#scheduleNext();
  }

  stop(): void {
    this.#world = undefined;
    this.#armed.clear();
  }

  /** Belongs at the disk of every node. */
  onDiskCall(node: string, { operation, path }: DiskCall): DiskVerdict | undefined {
    const strike = this.#armed.get(node);
    if (strike === undefined || this.#world === undefined) return undefined;
    const isSync = operation === "datasync" || operation === "writeDurableAt";
    if (!isSync || !path.includes("segment")) return undefined;
    this.#armed.delete(node);
    const { simulation, random } = this.#world;
    this.#after(random.nextFloat() * LAST_SYNC_MS, () => strike(simulation.host(node)));
    return { type: "delay", micros: LAST_SYNC_MS * 1000 };
  }

  #scheduleNext(): void {
    const { random } = this.#world!;
    this.#after(-Math.log(1 - random.nextFloat()) * INTERVAL_MS, () => {
      if (this.#victim !== undefined && random.chance(0.3)) this.#damage(this.#victim);
      else {
        const strike = random.chance(0.5) ? this.#strikeTwice : this.#cutPower;
        this.#armed.set(pick(random, this.#nodes), strike);
      }
      this.#scheduleNext();
    });
  }

  #damage(victim: string): void {
    const { simulation, random } = this.#world!;
    damageFile(simulation.host(victim).storage, random);
  }

  /** What the first process left in memory, the second one finds, and the disk does not have. */
  readonly #strikeTwice = (host: SimHost): void => {
    const { simulation, random } = this.#world!;
    simulation.countFault("process.kill");
    host.restart();
    this.#after(random.nextFloat() * SECOND_BLOW_MS_MAX, () => this.#cutPower(host));
  };

  readonly #cutPower = (host: SimHost): void => {
    const { simulation, random } = this.#world!;
    simulation.countFault("process.crash");
    host.crash(random.chance(0.7) ? "worst-case" : "keep-all");
    this.#after(random.nextFloat() * DOWN_MS_MAX, () => {
      if (!host.isAlive) host.restart();
    });
  };

  /** Unless it is all over by then. */
  #after(delayMs: number, action: () => void): void {
    this.#world!.simulation.after(delayMs, () => {
      if (this.#world !== undefined) action();
    });
  }
}

/** Changes a drawn file behind everybody's back. Does nothing while there is none. */
function damageFile(storage: SimStorage, random: Random): void {
  const paths = storage.files().filter((path) => storage.readFile(path).length > 0);
  if (paths.length === 0) return;
  const path = pick(random, paths);
  const bytes = storage.readFile(path).length;
  const position = random.below(bytes);
  switch (random.below(4)) {
    case 0:
      storage.overwrite(path, position, random.fill(new Uint8Array(64)));
      return;
    case 1:
      storage.truncateFile(path, position);
      return;
    case 2:
      storage.removeFile(path);
      return;
    default:
      storage.failReads(path, position, Math.min(bytes, position + SECTOR_BYTES));
  }
}
