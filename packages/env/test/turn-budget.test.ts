import { expect, test } from "vitest";
import { type Clock, TurnBudget } from "../src/index.ts";

/** A clock that stands still, and turns that end when told. */
class ManualClock implements Clock {
  nowMs = 0;
  readonly #deferred: (() => void)[] = [];

  monotonicMs(): number {
    return this.nowMs;
  }

  wallMs(): number {
    return this.nowMs;
  }

  schedule(): never {
    throw new Error("nothing is scheduled here");
  }

  defer(action: () => void): void {
    this.#deferred.push(action);
  }

  endTurn(): void {
    for (const action of this.#deferred.splice(0)) action();
  }
}

test("a turn's budget is spent when the turn has lasted so long, whoever worked", () => {
  const clock = new ManualClock();
  const budget = new TurnBudget(clock, 5);
  expect(budget.isSpent()).toBe(false);

  clock.nowMs = 5;
  expect(budget.isSpent()).toBe(false);
  clock.nowMs = 6;
  expect(budget.isSpent()).toBe(true);
});

test("the next turn has a budget of its own", () => {
  const clock = new ManualClock();
  const budget = new TurnBudget(clock, 5);
  budget.isSpent();
  clock.nowMs = 10;
  expect(budget.isSpent()).toBe(true);

  clock.endTurn();
  expect(budget.isSpent()).toBe(false);
});

test("who waits goes on in a turn with time left", async () => {
  const clock = new ManualClock();
  const budget = new TurnBudget(clock, 5);
  expect(budget.wait()).toBeUndefined();
  clock.nowMs = 10;
  const waiting = budget.wait();
  expect(waiting).toBeInstanceOf(Promise);

  clock.endTurn();
  await waiting;
  expect(budget.isSpent()).toBe(false);
});
