import { decodeUtf8, encodeUtf8 } from "@kvs/codec";
import { assert } from "@kvs/env";
import { countOf, type EntryBatch, lastIndexOf, type LogPoint, payloadAt } from "@kvs/raft";
import { decodeCommand, hashPayload } from "./command.ts";

/** Results of compare-and-set that are remembered for who waits for them. */
const RESULTS_MAX = 2000;

/** What a state machine tells the judge. */
export interface MachineWitness {
  /** Called for each entry, after it took effect. */
  applied(entry: AppliedEntry): void;
  /** The state was replaced by that of an image. */
  restored(point: LogPoint, hash: number): void;
  imaged(): void;
  /** The state up to here survives a crash. */
  durable(index: number): void;
}

export interface AppliedEntry {
  readonly index: number;
  readonly term: number;
  /** Of the payload. */
  readonly hash: number;
  /** Of the whole state after it, history included. */
  readonly state: number;
}

interface State {
  index: number;
  /** Folds all that was ever applied. */
  hash: number;
  readonly registers: Record<string, number>;
}

/** Registers in memory. Each entry is folded into one number, so that two states are soon compared. */
export class RegisterMachine {
  readonly #witness: MachineWitness;
  #state: State = { index: 0, hash: 1, registers: {} };
  readonly #results: Map<number, boolean> = new Map();

  constructor(witness: MachineWitness) {
    this.#witness = witness;
  }

  get appliedIndex(): number {
    return this.#state.index;
  }

  get hash(): number {
    return this.#state.hash;
  }

  read(key: string): number | null {
    return this.#state.registers[key] ?? null;
  }

  /** Whether the command at this index, applied a moment ago, took effect. */
  resultAt(index: number): boolean | undefined {
    return this.#results.get(index);
  }

  apply(batch: EntryBatch, _point: LogPoint): void {
    const state = this.#state;
    assert(batch.firstIndex === state.index + 1, "entries are applied in order, each once");
    for (let index = batch.firstIndex; index <= lastIndexOf(batch); index++) {
      const payload = payloadAt(batch, index);
      if (batch.kind === "command") this.#perform(index, payload);
      const hash = hashPayload(payload);
      state.index = index;
      state.hash = Math.imul(state.hash ^ batch.term, 0x01000193) ^ hash;
      this.#witness.applied({ index, term: batch.term, hash, state: state.hash });
    }
    assert(countOf(batch) > 0, "a batch has entries");
  }

  snapshot(): Uint8Array {
    this.#witness.imaged();
    return this.encode();
  }

  restore(image: Uint8Array, point: LogPoint): void | Promise<void> {
    this.load(image);
    assert(this.#state.index === point.index, "an image is of the point that it is said to be");
    this.#witness.restored(point, this.#state.hash);
  }

  protected encode(): Uint8Array {
    return encodeUtf8(JSON.stringify(this.#state));
  }

  protected load(image: Uint8Array): void {
    this.#state = JSON.parse(decodeUtf8(image)) as State;
    this.#results.clear();
  }

  #perform(index: number, payload: Uint8Array): void {
    const { key, value, expected } = decodeCommand(payload);
    const { registers } = this.#state;
    const isDone = expected === undefined || (registers[key] ?? null) === expected;
    if (isDone) registers[key] = value;
    this.#results.set(index, isDone);
    if (this.#results.size > RESULTS_MAX) this.#results.delete(index - RESULTS_MAX);
  }
}
