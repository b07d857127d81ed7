import {
  type HistoryCall,
  type HistoryEvent,
  HistoryRecorder,
  checkLinearizability,
  formatHistory,
  registerModel,
  registerOperations,
  validateHistory,
} from "@kvs/sim";

/** One open operation on a register. */
export interface LedgerCall {
  ok(value?: HistoryCall["value"]): void;
  fail(): void;
  info(): void;
}

/**
 * What clients did with the registers, on the one clock of the simulation.
 *
 * Where a disk silently lost what it had stored, no node can know: from then on the history of
 * that node's register proves nothing, and is left out.
 */
export class LedgerHistory {
  readonly #recorder = new HistoryRecorder();
  readonly #nowMicros: () => number;
  readonly #isHarmed: (node: string) => boolean;
  /** The number of events at which a node was first seen harmed. */
  readonly #harmedAt = new Map<string, number>();

  constructor(nowMicros: () => number, isHarmed: (node: string) => boolean) {
    this.#nowMicros = nowMicros;
    this.#isHarmed = isHarmed;
  }

  newProcess(): number {
    return this.#recorder.newProcess();
  }

  invoke(process: number, call: HistoryCall): LedgerCall {
    const node = String(call.value[0]);
    const nowNs = (): number => {
      this.#noteHarm(node);
      return this.#nowMicros() * 1000;
    };
    const open = this.#recorder.invoke(process, nowNs(), call);
    return {
      ok: (value) => (value === undefined ? open.ok(nowNs()) : open.ok(nowNs(), value)),
      fail: () => open.fail(nowNs()),
      info: () => open.info(nowNs()),
    };
  }

  /** Lines of JSON: everything, also what proves nothing. */
  lines(): string[] {
    return formatHistory(this.#recorder.events).trimEnd().split("\n");
  }

  /** What is wrong with it, if anything. */
  violations(): string[] {
    validateHistory(this.#recorder.events);
    const telling = this.#recorder.events.filter((event) => this.#isTelling(event));
    const result = checkLinearizability(registerModel, registerOperations(telling));
    if (result.verdict === "linearizable") return [];
    if (result.verdict === "unknown") return ["the history of a register is too long to judge"];
    return [`a register is not linearizable: ${result.violation!.text}`];
  }

  #isTelling(event: HistoryEvent): boolean {
    return event.index < (this.#harmedAt.get(String(event.value[0])) ?? Infinity);
  }

  #noteHarm(node: string): void {
    if (this.#harmedAt.has(node) || !this.#isHarmed(node)) return;
    this.#harmedAt.set(node, this.#recorder.events.length);
  }
}
