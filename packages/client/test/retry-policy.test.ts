import { KvsError, createRandom } from "@kvs/env";
import { REQUEST_KINDS, requestKind, RequestCode } from "@kvs/protocol";
import { expect, test } from "vitest";
import { ATTEMPTS_MAX, afterError, afterLoss, backoffMs } from "../src/retry-policy.ts";

const read = requestKind(RequestCode.GET)!;
const write = requestKind(RequestCode.PUT)!;
const step = requestKind(RequestCode.CURSOR_NEXT)!;

test("what was not sent is sent, unless it belongs to the connection that is lost", () => {
  expect(REQUEST_KINDS.filter((kind) => afterLoss(kind, false) === "fail")).toEqual(
    REQUEST_KINDS.filter(({ isBound }) => isBound),
  );
});

test("what was sent is sent again only if it changes nothing", () => {
  expect([afterLoss(read, true), afterLoss(write, true), afterLoss(step, true)]).toEqual([
    "again",
    "fail",
    "fail",
  ]);
  for (const kind of REQUEST_KINDS) {
    if (kind.isWrite) expect(afterLoss(kind, true), kind.name).toBe("fail");
  }
});

test("an answer is repeated only if it is retryable and nothing happened, a few times", () => {
  const error = (retryable: boolean, outcome: "none" | "applied" | "unknown"): KvsError =>
    new KvsError("X", "m", { retryable, outcome });

  expect(afterError(write, error(true, "none"), 1)).toBe("again");
  expect(afterError(read, error(true, "none"), ATTEMPTS_MAX - 1)).toBe("again");
  expect(afterError(read, error(true, "none"), ATTEMPTS_MAX)).toBe("fail");
  expect(afterError(write, error(false, "none"), 1)).toBe("fail");
  expect(afterError(write, error(true, "unknown"), 1)).toBe("fail");
  expect(afterError(write, error(true, "applied"), 1)).toBe("fail");
  expect(afterError(step, error(true, "none"), 1)).toBe("fail");
});

test("pauses grow to a second, and differ", () => {
  const random = createRandom(1);
  for (let attempt = 1; attempt < 100; attempt++) {
    const fullMs = Math.min(1000, 20 * 2 ** (attempt - 1));
    const ms = backoffMs(attempt, random);
    expect(ms).toBeGreaterThanOrEqual(fullMs / 2);
    expect(ms).toBeLessThanOrEqual(fullMs);
  }
  expect(backoffMs(9, random)).not.toBe(backoffMs(9, random));
});
