import { type Clock, yieldTurn } from "./clock.ts";

/** Work of one turn beyond which the rest waits for the next: other connections want to be heard. */
export const TURN_BUDGET_MS = 5;

/**
 * Tells work that can be cut when this turn of the event loop has lasted long enough. Everything that
 * shares the object shares the turn: ten pieces of work that begin in one turn do not each take the
 * whole budget.
 *
 * In a simulation computing takes no time, so that nothing is ever cut.
 *
 * Cost: one reading of the clock a call, and one `defer` a turn.
 */
export class TurnBudget {
  readonly #clock: Clock;
  readonly #limitMs: number;
  /** When the first piece of work of this turn asked; `undefined` between turns. */
  #startMs: number | undefined;

  constructor(clock: Clock, limitMs: number = TURN_BUDGET_MS) {
    this.#clock = clock;
    this.#limitMs = limitMs;
  }

  /** Whether this turn has lasted too long already. */
  isSpent(): boolean {
    const nowMs = this.#clock.monotonicMs();
    if (this.#startMs === undefined) {
      this.#startMs = nowMs;
      this.#clock.defer(() => {
        this.#startMs = undefined;
      });
    }
    return nowMs - this.#startMs > this.#limitMs;
  }

  /** Waits for a turn with time left; `undefined` if this one has some. */
  wait(): Promise<void> | undefined {
    return this.isSpent() ? this.#nextTurn() : undefined;
  }

  async #nextTurn(): Promise<void> {
    while (this.isSpent()) await yieldTurn(this.#clock);
  }
}
