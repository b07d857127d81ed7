import { pick, type Random } from "@kvs/env";
import { type RaftFleet } from "./raft-fleet.ts";

/** Mean time between two such faults, in ticks. */
const INTERVAL_TICKS = 150;

/** Disks that are lost, and logs that rot: never more than the group can bear. */
export class DiskTrouble {
  readonly #fleet: RaftFleet;
  readonly #random: Random;
  #isOver = false;

  constructor(fleet: RaftFleet, random: Random) {
    this.#fleet = fleet;
    this.#random = random;
  }

  start(): void {
    const { canLoseDisks, canRot } = this.#fleet.knobs;
    if (canLoseDisks) this.#next(() => this.#lose());
    if (canRot) this.#next(() => this.#rot());
  }

  stop(): void {
    this.#isOver = true;
  }

  #next(action: () => void): void {
    const { simulation, knobs } = this.#fleet;
    const delayMs = knobs.tickMs * INTERVAL_TICKS * (0.3 + 1.4 * this.#random.nextFloat());
    simulation.after(delayMs, () => {
      if (this.#isOver) return;
      action();
      this.#next(action);
    });
  }

  #lose(): void {
    const fleet = this.#fleet;
    const number = pick(this.#random, fleet.numbers);
    const id = fleet.idOf(number);
    if (fleet.lost.has(id) || !fleet.canLose([id])) return;
    fleet.loseDisk(number);
  }

  /** A bit of a log flips while its host is down; the host starts at once. */
  #rot(): void {
    const fleet = this.#fleet;
    const number = pick(this.#random, fleet.numbers);
    const id = fleet.idOf(number);
    if (fleet.lost.has(id) || !fleet.canLose([id])) return;
    const host = fleet.host(number);
    const { storage } = host;
    const segments = storage.files().filter((path) => path.startsWith("data/log/"));
    // What is at the end of a log may be taken for a torn write: the last segment does not rot.
    const old = segments.toSorted().slice(0, -1);
    const path = old.length === 0 ? undefined : pick(this.#random, old);
    const bytes = path === undefined ? 0 : storage.readFile(path).length;
    if (path === undefined || bytes === 0) return;
    fleet.lost.add(id);
    host.kill();
    storage.flipBit(path, this.#random.below(bytes * 8));
    host.restart();
  }
}
