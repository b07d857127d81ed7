import {
  checkRegisterHistory,
  formatHistory,
  type HistoryCall,
  HistoryRecorder,
  validateHistory,
} from "@kvs/sim";

/** Operations on one register; more make the search long. */
const OPERATIONS_PER_KEY_MAX = 250;

/** What clients did with the registers, on the one clock of the simulation. */
export class RaftHistory {
  readonly #recorder = new HistoryRecorder();
  readonly #nowMicros: () => number;
  readonly #counts = new Map<string, number>();
  /** Whether a read has shown that nothing was there in the beginning. */
  hasRead = false;
  operations = 0;
  #lastValue = 0;

  constructor(nowMicros: () => number) {
    this.#nowMicros = nowMicros;
  }

  /** A process id that no operation used so far. */
  newProcess(): number {
    return this.#recorder.newProcess();
  }

  /** A value that nobody wrote so far. */
  newValue(): number {
    return ++this.#lastValue;
  }

  /** Whether a register may be used once more. */
  hasRoom(key: string): boolean {
    return (this.#counts.get(key) ?? 0) < OPERATIONS_PER_KEY_MAX;
  }

  invoke(process: number, call: HistoryCall): TimedCall {
    this.operations++;
    const key = String(call.value[0]);
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
    const open = this.#recorder.invoke(process, this.#nowNs(), call);
    return {
      ok: (value) => {
        if (value === undefined) open.ok(this.#nowNs());
        else open.ok(this.#nowNs(), value);
      },
      fail: () => open.fail(this.#nowNs()),
      info: () => open.info(this.#nowNs()),
    };
  }

  lines(): string[] {
    return formatHistory(this.#recorder.events).trimEnd().split("\n");
  }

  /** What is wrong with it, if anything. */
  violations(): string[] {
    const { events } = this.#recorder;
    validateHistory(events, { emptyStart: this.hasRead });
    const { verdict, violation } = checkRegisterHistory(events);
    if (verdict === "linearizable") return [];
    if (verdict === "unknown") return ["the history of a register is too long to judge"];
    return [`a register is not linearizable: ${violation!.text}`];
  }

  #nowNs(): number {
    return this.#nowMicros() * 1000;
  }
}

/** One open operation. */
export interface TimedCall {
  ok(value?: HistoryCall["value"]): void;
  fail(): void;
  info(): void;
}
