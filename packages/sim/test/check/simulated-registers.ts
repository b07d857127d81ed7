import { createRandom, pick, type Random } from "@kvs/env";
import { type HistoryCall, type HistoryEvent } from "../../src/check/history.ts";
import { HistoryRecorder } from "../../src/check/history-recorder.ts";

export interface Simulation {
  readonly seed: number;
  readonly keys: number;
  readonly operations: number;
  readonly clients: number;
  /** The share of answers that get lost. Default: 0.03. */
  readonly lossRate?: number;
}

/**
 * The history of a register store that is linearizable by construction: each operation takes
 * effect at one moment inside its interval. Some answers get lost before the effect, some after
 * it, and some effects come long after the client gave up.
 */
export function simulate(simulation: Simulation): HistoryEvent[] {
  return new SimulatedRegisters(simulation).run();
}

class SimulatedRegisters {
  readonly #random: Random;
  readonly #keys: readonly string[];
  readonly #clients: number;
  readonly #recorder = new HistoryRecorder();
  readonly #store = new Map<string, number>();
  readonly #agenda: { readonly at: number; readonly action: (now: number) => void }[] = [];
  readonly #lossRate: number;
  #left: number;
  #nextValue = 1;

  constructor({ seed, keys, operations, clients, lossRate = 0.03 }: Simulation) {
    this.#random = createRandom(seed);
    this.#keys = Array.from({ length: keys }, (_, at) => `k${at}`);
    this.#clients = clients;
    this.#lossRate = lossRate;
    this.#left = operations;
  }

  run(): HistoryEvent[] {
    for (let client = 0; client < this.#clients; client++) {
      const process = this.#recorder.newProcess();
      this.#schedule(this.#random.below(100), (now) => this.#ask(process, now));
    }
    for (let next = this.#agenda.shift(); next !== undefined; next = this.#agenda.shift()) {
      next.action(next.at);
    }
    return [...this.#recorder.events];
  }

  #schedule(at: number, action: (now: number) => void): void {
    const position = this.#agenda.findIndex((item) => item.at > at);
    this.#agenda.splice(position === -1 ? this.#agenda.length : position, 0, { at, action });
  }

  #ask(process: number, now: number): void {
    if (this.#left-- <= 0) return;
    const random = this.#random;
    const call = this.#drawCall();
    const open = this.#recorder.invoke(process, now, call);
    const effectAt = now + random.below(1000);
    const endAt = effectAt + random.below(1000);
    const fate = random.nextFloat();
    const isLost = fate < this.#lossRate;
    const isNever = fate < this.#lossRate / 3;
    const isLate = isLost && random.chance(0.5);
    let answer: HistoryCall["value"] | undefined;
    if (!isNever) {
      this.#schedule(isLate ? endAt + random.below(20_000) : effectAt, () => {
        answer = this.#apply(call);
      });
    }
    this.#schedule(endAt, () => {
      if (isLost) open.info(endAt);
      else if (answer === undefined) open.fail(endAt);
      else open.ok(endAt, answer);
      const next = isLost ? this.#recorder.newProcess() : process;
      this.#schedule(endAt + random.below(500), (later) => this.#ask(next, later));
    });
  }

  #drawCall(): HistoryCall {
    const key = pick(this.#random, this.#keys);
    const kind = this.#random.below(4);
    if (kind < 2) return { f: "read", value: [key, null] };
    const value = this.#nextValue++;
    if (kind === 2) return { f: "write", value: [key, value] };
    return { f: "cas", value: [key, [this.#store.get(key) ?? null, value]] };
  }

  /** The answer; `undefined` if a compare-and-set finds something else. */
  #apply(call: HistoryCall): HistoryCall["value"] | undefined {
    if (call.f === "txn") throw new Error("registers know no transactions");
    const key = String(call.value[0]);
    const current = this.#store.get(key) ?? null;
    if (call.f === "read") return [key, current];
    if (call.f === "cas" && current !== call.value[1][0]) return undefined;
    this.#store.set(key, Number(call.f === "cas" ? call.value[1][1] : call.value[1]));
    return call.value;
  }
}
