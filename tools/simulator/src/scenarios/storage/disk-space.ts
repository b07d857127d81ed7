import { type Random, isKvsError } from "@kvs/env";
import { type SimHost, type SimStorage, type Simulation } from "@kvs/sim";

/** The fault of having no block left for a while. */
export const FLOOD_FAULT = "disk.flooded";

/** What fills a small disk from the start, until the faults end. */
const BALLAST_PATH = "ballast";
const BALLAST_BYTES: number = 4 << 20;
/** What fills it to the last block, for a while. */
export const FLOOD_PATH = "flood";
const FLOOD_BYTES: number = 16 << 20;
/** The disk is full for this long, at most, and then has room for as long again. */
const FLOOD_MS_MAX = 3000;

/** Gives an image of a small disk its space back: after recovery, which has to do without. */
export function giveSpaceBack(storage: SimStorage): void {
  for (const path of [BALLAST_PATH, FLOOD_PATH]) {
    if (storage.files().includes(path)) storage.removeFile(path);
  }
}

/** Makes a host's disk small: at times somebody else has taken what was left of it. */
export class DiskSpace {
  readonly #simulation: Simulation;
  readonly #host: SimHost;
  readonly #random: Random;
  #isFlooded = false;
  #isOver = false;

  constructor(simulation: Simulation, host: SimHost, random: Random) {
    this.#simulation = simulation;
    this.#host = host;
    this.#random = random;
    host.storage.writeFile(BALLAST_PATH, new Uint8Array(BALLAST_BYTES).fill(1));
    this.#later(() => this.#flood());
  }

  /** Gives all space back, for good. */
  end(): void {
    this.#isOver = true;
    giveSpaceBack(this.#host.storage);
  }

  #flood(): void {
    if (this.#isOver) return;
    this.#isFlooded = true;
    try {
      this.#host.storage.writeFile(FLOOD_PATH, new Uint8Array(FLOOD_BYTES).fill(2));
    } catch (error) {
      if (!isKvsError(error, "DISK_FULL")) throw error; // that is what it is for
    }
    this.#simulation.countFault(FLOOD_FAULT);
    this.#later(() => this.#ebb());
  }

  #ebb(): void {
    if (this.#isOver || !this.#isFlooded) return;
    this.#isFlooded = false;
    this.#remove(FLOOD_PATH);
    this.#later(() => this.#flood());
  }

  #remove(path: string): void {
    const { storage } = this.#host;
    if (storage.files().includes(path)) storage.removeFile(path);
  }

  #later(action: () => void): void {
    this.#simulation.after(1 + this.#random.below(FLOOD_MS_MAX), action);
  }
}
