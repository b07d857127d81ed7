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
    const node = nodeOf(call);
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
    const nodes = new Set(this.#recorder.events.map(nodeOf));
    // Node by node: an operation whose end is left out must stay open, though its process goes on.
    const operations = [...nodes].flatMap((node) => registerOperations(this.#tellingOf(node)));
    const result = checkLinearizability(registerModel, operations);
    if (result.verdict === "linearizable") return [];
    if (result.verdict === "unknown") return ["the history of a register is too long to judge"];
    return [`a register is not linearizable: ${result.violation!.text}`];
  }

  #tellingOf(node: string): HistoryEvent[] {
    const end = this.#harmedAt.get(node) ?? Infinity;
    return this.#recorder.events.filter((event) => nodeOf(event) === node && event.index < end);
  }

  #noteHarm(node: string): void {
    if (this.#harmedAt.has(node) || !this.#isHarmed(node)) return;
    this.#harmedAt.set(node, this.#recorder.events.length);
  }
}

function nodeOf(event: HistoryCall): string {
  return String(event.value[0]);
}
