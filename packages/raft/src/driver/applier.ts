/**
 * Duty 5: gives committed entries to the state machine, in order, in slices after which everybody else
 * gets a turn; and runs what must not overlap with it, one thing after the other.
 */
import { assert, Mutex, type TurnBudget } from "@kvs/env";

import { decodeConfiguration } from "../core/configuration-codec.ts";
import { countOf, type EntryBatch, lastIndexOf, payloadAt, sliceBatch } from "../core/entry.ts";
import { type LogPoint } from "../core/log-store.ts";
import { type DriverSabotage } from "./driver-mutants.ts";
import { type StateMachine } from "./state-machine.ts";

/** Entries given to the state machine at a time; the clock is looked at in between. */
const SLICE_ENTRIES = 256;

export class Applier {
  readonly #machine: StateMachine;
  readonly #budget: TurnBudget;
  readonly #turn = new Mutex();
  readonly #isTwice: boolean;
  #point: LogPoint;

  constructor(
    parts: {
      readonly machine: StateMachine;
      readonly budget: TurnBudget;
      readonly sabotage: DriverSabotage;
    },
    point: LogPoint,
  ) {
    this.#machine = parts.machine;
    this.#budget = parts.budget;
    this.#isTwice = parts.sabotage["raft.driver.apply-twice"];
    this.#point = point;
  }

  /** The last entry that the state machine took in. */
  get point(): LogPoint {
    return this.#point;
  }

  /** Applies the batches of one Ready; `applied` is told of each slice. */
  apply(batches: readonly EntryBatch[], applied: (slice: EntryBatch) => void): Promise<void> {
    return this.#turn.run(async () => {
      for (const batch of batches) await this.#applyBatch(batch, applied);
    });
  }

  /** Runs something while nothing is applied, with the state as it is then. */
  exclusively<T>(body: (point: LogPoint) => Promise<T>): Promise<T> {
    return this.#turn.run(() => body(this.#point));
  }

  /** The state was replaced by an image. Called inside `exclusively`. */
  replaced(point: LogPoint): void {
    assert(this.#turn.isHeld, "nothing is applied while the state is replaced");
    this.#point = point;
  }

  async #applyBatch(batch: EntryBatch, applied: (slice: EntryBatch) => void): Promise<void> {
    const end = batch.firstIndex + countOf(batch);
    for (let from = batch.firstIndex; from < end; from += SLICE_ENTRIES) {
      const slice = sliceBatch(batch, from, Math.min(end, from + SLICE_ENTRIES));
      assert(slice.firstIndex === this.#point.index + 1, "entries are applied in order, each once");
      const point = this.#pointAfter(slice);
      await this.#machine.apply(slice, point);
      if (this.#isTwice && slice.kind === "command") await this.#machine.apply(slice, point);
      this.#point = point;
      applied(slice);
      await this.#budget.wait();
    }
  }

  #pointAfter(slice: EntryBatch): LogPoint {
    let { configuration } = this.#point;
    if (slice.kind === "configuration") {
      const decoded = decodeConfiguration(payloadAt(slice, slice.firstIndex));
      assert(decoded !== undefined, "a committed configuration was checked before");
      configuration = decoded;
    }
    return { index: lastIndexOf(slice), term: slice.term, configuration };
  }
}
