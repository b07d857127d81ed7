import { assert } from "@kvs/env";
import { type Configuration, DiskSnapshotStore, quorumCommitted, type RaftNode } from "@kvs/raft";
import { WalLogStore } from "@kvs/raft/wal";
import { InstantWorld, type SimStorage } from "@kvs/sim";
import { hashPayload } from "./command.ts";
import { type RaftFleet } from "./raft-fleet.ts";
import { committedConfiguration } from "./raft-judge.ts";

/** Answers of one run whose disks are looked at. */
const MOMENTS_MAX = 5;
const MOMENT_PROBABILITY = 0.05;
const GROUP = 1;

/** An answer to a client, and what the disks of all voters would keep if the power failed then. */
interface Moment {
  readonly index: number;
  readonly term: number;
  readonly incoming: readonly number[];
  readonly outgoing: readonly number[];
  readonly images: ReadonlyMap<number, SimStorage>;
  /** Nodes without a disk that can be judged; what they were known to hold counts. */
  readonly held: ReadonlyMap<number, number>;
}

/**
 * Checks that what a client is told is durable on a quorum at that very moment: of every answer by what
 * syncs have made durable, of some by the least that a power cut would leave on all disks.
 */
export class DurabilityOracle {
  readonly #fleet: RaftFleet;
  readonly #mutants: readonly string[];
  readonly #moments: Moment[] = [];

  constructor(fleet: RaftFleet, mutants: readonly string[]) {
    this.#fleet = fleet;
    this.#mutants = mutants;
  }

  /** A client is told that its command, at this index, is done. */
  onAcknowledged(node: RaftNode, index: number, payload: Uint8Array): void {
    const { judge, simulation } = this.#fleet;
    const entry = judge.appliedAt(index);
    if (entry === undefined || entry.hash !== hashPayload(payload)) {
      judge.broke("what is answered took effect", `at ${index} stands another command`);
      return;
    }
    const { term } = entry;
    const { incoming, outgoing } = this.#decidersOf(node, index, term);
    const acknowledged = new Map<number, number>();
    for (const id of [...incoming, ...outgoing]) {
      acknowledged.set(id, this.#fleet.knownOf(id).holds(index, term) ? index : 0);
    }
    if (quorumCommitted({ incoming, outgoing }, acknowledged) < index) {
      judge.broke("what is answered is durable on a quorum", `${term}/${index}`);
    }
    if (this.#moments.length >= MOMENTS_MAX) return;
    if (!simulation.random.split(`moment:${index}`).chance(MOMENT_PROBABILITY)) return;
    const images = new Map<number, SimStorage>();
    for (const id of acknowledged.keys()) {
      const { lost } = this.#fleet;
      if (lost.has(id) || !this.#fleet.isPresent(id)) continue;
      images.set(id, this.#fleet.host(this.#fleet.hostOf(id)).storage.worstCase());
    }
    this.#moments.push({ index, term, incoming, outgoing, images, held: acknowledged });
  }

  /**
   * The members whose quorum must hold an entry: those in force at the last committed entry, or those of
   * a later entry of the log, which decide from when it is appended.
   */
  #decidersOf(node: RaftNode, index: number, term: number): Configuration {
    const committed = committedConfiguration(node);
    const { incoming, outgoing } = committed;
    const held = new Map<number, number>();
    for (const id of [...incoming, ...outgoing]) {
      held.set(id, this.#fleet.knownOf(id).holds(index, term) ? index : 0);
    }
    return quorumCommitted(committed, held) >= index ? committed : node.configuration;
  }

  /** Recovers all images that were kept; tells the judge what is missing. */
  async check(): Promise<void> {
    for (const moment of this.#moments.splice(0)) {
      const { index, term, incoming, outgoing, images } = moment;
      const held = new Map(moment.held);
      for (const [id, image] of images) {
        this.#fleet.judge.probe("image-of-disk");
        const isThere = await this.#isThere(image, index, term);
        held.set(id, isThere ? index : 0);
      }
      if (quorumCommitted({ incoming, outgoing }, held) < index) {
        const facts = `${term}/${index}, if all power failed when it was answered`;
        this.#fleet.judge.broke("what is answered is durable on a quorum", facts);
      }
    }
  }

  async #isThere(image: SimStorage, index: number, term: number): Promise<boolean> {
    const world = new InstantWorld(image, { mutants: this.#mutants });
    try {
      return await world.run(async (environment) => {
        const { segmentBytes, machine } = this.#fleet.knobs;
        const path = machine === "memory" ? "data/image" : "data/state";
        const state = await new DiskSnapshotStore(environment, path).load();
        if (state !== undefined && state.point.index >= index) return true;
        const store = await WalLogStore.open(environment, { path: "data/log", segmentBytes });
        const { base, lastIndex, runs } = (await store.group(GROUP)).image();
        assert(lastIndex >= base.index, "a log ends behind its base");
        if (base.index >= index) return true;
        const run = runs.findLast(({ firstIndex }) => firstIndex <= index);
        return lastIndex >= index && run?.term === term;
      });
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      this.#fleet.judge.broke("what a power cut leaves opens", text);
      return true;
    }
  }
}
