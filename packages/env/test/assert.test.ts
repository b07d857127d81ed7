import { expect, test } from "vitest";
import { AssertionFailure, assert, unreachable } from "../src/assert.ts";

test("a condition that holds passes, one that does not names the invariant", () => {
  assert(true, "never seen");
  expect(() => assert(false, "the term never goes back")).toThrow(
    new AssertionFailure("the term never goes back"),
  );
});

test("a failed assertion is an error of its own name", () => {
  const failure = new AssertionFailure("x");
  expect(failure).toBeInstanceOf(Error);
  expect(String(failure)).toBe("AssertionFailure: x");
});

test("an assertion narrows the type of what it checks", () => {
  const value = [1][0];
  assert(value !== undefined, "the array has an element");
  expect(value.toFixed(1)).toBe("1.0");
});

test("the end of an exhaustive switch is reached only by a value from outside", () => {
  const outside: unknown = { type: "new", bytes: 3 };
  expect(() => unreachable(outside as never, "message")).toThrow(
    new AssertionFailure('every message is handled, but not {"type":"new","bytes":3}'),
  );
  expect(() => unreachable("x" as never)).toThrow(AssertionFailure);
});
