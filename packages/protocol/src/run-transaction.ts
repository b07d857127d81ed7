import { type Clock, type Random, isKvsError, sleep } from "@kvs/env";
import {
  type Isolation,
  type RetryOptions,
  type Transaction,
  type TransactionOptions,
} from "./transaction.ts";
import { checkRetryOptions } from "./transaction-options.ts";

const DEADLINE_MS_DEFAULT = 30_000;
/** The longest pause before the second try; it doubles with each. */
const PAUSE_MS_FIRST = 2;
const PAUSE_MS_MAX = 500;

/** What repeating takes. */
export interface TransactionRunner {
  readonly clock: Clock;
  readonly random: Random;
  readonly begin: (options: Isolation | TransactionOptions) => Promise<Transaction>;
}

/**
 * Runs a body in transactions until one commits. See `Database.transaction`.
 *
 * Pauses are drawn evenly from a range that doubles, so that those who met do not meet again.
 * Source: Brooker, "Exponential Backoff And Jitter" (AWS, 2015), full jitter.
 */
export async function runTransaction<R>(
  runner: TransactionRunner,
  body: (tx: Transaction) => Promise<R>,
  options: RetryOptions = {},
): Promise<R> {
  checkRetryOptions(options);
  const { deadlineMs = DEADLINE_MS_DEFAULT, attempts, ...begin } = options;
  const endMs = runner.clock.monotonicMs() + deadlineMs;
  let pauseMs = PAUSE_MS_FIRST;
  for (let tries = 1; ; tries++) {
    try {
      return await runOnce(runner, body, begin);
    } catch (error) {
      const mayRepeat = isKvsError(error) && error.retryable && error.outcome === "none";
      const restMs = endMs - runner.clock.monotonicMs();
      if (!mayRepeat || restMs <= 0 || tries === attempts) throw error;
      await sleep(runner.clock, Math.min(restMs, pauseMs * runner.random.nextFloat()));
      pauseMs = Math.min(2 * pauseMs, PAUSE_MS_MAX);
    }
  }
}

async function runOnce<R>(
  { begin }: TransactionRunner,
  body: (tx: Transaction) => Promise<R>,
  options: TransactionOptions,
): Promise<R> {
  const tx = await begin(options);
  let result: R;
  try {
    result = await body(tx);
  } catch (error) {
    await tx.rollback().catch(() => undefined); // why the body failed says more
    throw error;
  }
  await tx.commit();
  return result;
}
