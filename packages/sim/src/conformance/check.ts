import { AssertionFailure, type Clock, isKvsError, sleep } from "@kvs/env";
import { type NetworkErrorCode, type Outcome } from "@kvs/env";

/** Longest time a promise of the environment takes to come true, on a busy machine. */
const PATIENCE_MS = 20_000;

/** @throws {AssertionFailure} unless `condition` holds. */
export function check(condition: boolean, promise: string): void {
  if (!condition) throw new AssertionFailure(promise);
}

/** Waits, turn by turn, until `condition` holds. */
export async function checkSoon(
  clock: Clock,
  promise: string,
  condition: () => boolean,
): Promise<void> {
  const startMs = clock.monotonicMs();
  while (!condition()) {
    check(clock.monotonicMs() - startMs < PATIENCE_MS, `soon: ${promise}`);
    await sleep(clock, 1);
  }
}

/** Checks that `call` fails with `code` and says that much of its effect. */
export async function checkFails(
  expected: { readonly code: NetworkErrorCode; readonly outcome?: Outcome },
  call: () => Promise<unknown>,
): Promise<Readonly<Record<string, string | number | boolean>>> {
  const error = await call().then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  check(isKvsError(error, expected.code), `the call fails with ${expected.code}: ${String(error)}`);
  if (!isKvsError(error)) return {};
  const outcome = expected.outcome ?? "none";
  check(error.outcome === outcome, `the outcome of ${expected.code} is ${outcome}`);
  return error.details;
}
