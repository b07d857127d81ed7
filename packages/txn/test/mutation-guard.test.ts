import { expect, test } from "vitest";

import { MutationGuard } from "../src/mutation-guard.ts";
import { codeIs } from "./fixture.ts";

test("what is thrown in a mutation poisons, and is passed on", () => {
  const guard = new MutationGuard();
  const heard: unknown[] = [];
  guard.onPoisoned((cause) => heard.push(cause));
  const broken = (): never => {
    guard.enter();
    throw new Error("in the middle");
  };

  expect(() => guard.run(broken)).toThrow("in the middle");

  expect(guard.isPoisoned).toBe(true);
  expect(heard).toEqual([new Error("in the middle")]);
  expect(() => guard.requireSound()).toThrow(codeIs("TXN_POISONED"));
});

test("after a mutation went wrong the next one is refused, not taken for nested", () => {
  const guard = new MutationGuard();
  const broken = (): never => {
    guard.enter();
    throw new Error("in the middle");
  };
  expect(() => guard.run(broken)).toThrow("in the middle");

  expect(guard.isMutating).toBe(false);
  expect(() => guard.enter()).toThrow(codeIs("TXN_POISONED"));
});

test("what is thrown outside a mutation harms nothing", () => {
  const guard = new MutationGuard();
  const refused = (): never => {
    throw new Error("before anything changed");
  };

  expect(() => guard.run(refused)).toThrow("before anything changed");

  expect(guard.isPoisoned).toBe(false);
  expect(guard.run(() => 7)).toBe(7);
});

test("only the first cause counts, and every error names it", () => {
  const guard = new MutationGuard();
  let calls = 0;
  guard.onPoisoned(() => void calls++);

  guard.poison(new Error("first"));
  guard.poison(new Error("second"));

  expect(calls).toBe(1);
  expect(guard.error()).toMatchObject({ outcome: "none", cause: new Error("first") });
  expect(guard.error("unknown")).toMatchObject({ outcome: "unknown" });
});

test("mutations do not nest, and only one that was entered is left", () => {
  const guard = new MutationGuard();
  expect(() => guard.leave()).toThrow("only what was entered is left");
  guard.enter();
  expect(() => guard.enter()).toThrow("mutations do not nest");
  guard.leave();
  expect(guard.isMutating).toBe(false);
});
