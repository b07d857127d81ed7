import { expect, test } from "vitest";
import { KvsError, isKvsError } from "../src/kvs-error.ts";

test("the message begins with the code, and what is not said has a default", () => {
  const error = new KvsError("WAL_FULL", "no segment is free; wait", { outcome: "none" });
  expect(error.message).toBe("WAL_FULL: no segment is free; wait");
  expect(String(error)).toBe("KvsError: WAL_FULL: no segment is free; wait");
  expect([error.code, error.retryable, error.outcome, error.details]).toEqual([
    "WAL_FULL",
    false,
    "none",
    {},
  ]);
  expect("cause" in error).toBe(false);
  expect(error).toBeInstanceOf(Error);
});

test("an error carries what it is given", () => {
  const cause = new Error("why");
  const error = new KvsError("X_Y", "text", {
    outcome: "unknown",
    retryable: true,
    details: { path: "a", position: 3 },
    cause,
  });
  expect(error).toMatchObject({
    retryable: true,
    outcome: "unknown",
    details: { path: "a", position: 3 },
  });
  expect(error.cause).toBe(cause);
});

test("a cause that is undefined is still one", () => {
  const error = new KvsError("X", "text", { outcome: "none", cause: undefined });
  expect("cause" in error).toBe(true);
});

test("an error is known by its class and, if asked, by its code", () => {
  const error = new KvsError("A", "text", { outcome: "none" });
  expect(isKvsError(error)).toBe(true);
  expect(isKvsError(error, "A")).toBe(true);
  expect(isKvsError(error, "B", "A")).toBe(true);
  expect(isKvsError(error, "B")).toBe(false);
  expect(isKvsError({ code: "A", name: "KvsError", message: error.message }, "A")).toBe(false);
  expect(isKvsError(undefined)).toBe(false);
});
