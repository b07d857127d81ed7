import { expect, test } from "vitest";
import { CancelSource, throwIfCanceled } from "../src/cancel-signal.ts";

test("cancelling calls each listener once, in order, with the reason in place", () => {
  const source = new CancelSource();
  const { signal } = source;
  const called: unknown[] = [];
  signal.addEventListener("abort", () => called.push(["first", signal.aborted, signal.reason]));
  signal.addEventListener("abort", () => called.push("second"));
  expect([signal.aborted, signal.reason]).toEqual([false, undefined]);

  source.cancel("enough");
  source.cancel("again");

  expect(called).toEqual([["first", true, "enough"], "second"]);
  expect([signal.aborted, signal.reason]).toEqual([true, "enough"]);
});

test("a removed listener is not called, nor one added too late, nor one added twice again", () => {
  const source = new CancelSource();
  let calls = 0;
  const listener = (): void => {
    calls++;
  };
  const removed = (): void => {
    throw new Error("was removed");
  };
  source.signal.addEventListener("abort", listener);
  source.signal.addEventListener("abort", listener);
  source.signal.addEventListener("abort", removed);
  source.signal.removeEventListener("abort", removed);

  source.cancel();
  source.signal.addEventListener("abort", removed);
  source.cancel();

  expect(calls).toBe(1);
});

test("a listener may add and remove others while it runs", () => {
  const source = new CancelSource();
  const called: string[] = [];
  const last = (): void => void called.push("last");
  source.signal.addEventListener("abort", () => {
    called.push("first");
    source.signal.removeEventListener("abort", last);
    source.signal.addEventListener("abort", () => called.push("too late"));
  });
  source.signal.addEventListener("abort", last);
  source.cancel();
  expect(called).toEqual(["first", "last"]); // who was there when it was cancelled is told
});

test("throwing the reason: the one given, or CANCELED with an unknown outcome", () => {
  const source = new CancelSource();
  throwIfCanceled(undefined);
  throwIfCanceled(source.signal);
  source.cancel();
  expect(() => throwIfCanceled(source.signal)).toThrow(
    expect.objectContaining({ code: "CANCELED", outcome: "unknown", retryable: false }),
  );
  const mine = new Error("mine");
  expect(() => throwIfCanceled(AbortSignal.abort(mine))).toThrow(mine);
});
