import { type Pager } from "@kvs/pager";
import { type MiniTransaction } from "./mini-transaction.ts";
import { type MutationGuard } from "./mutation-guard.ts";

export interface MiniRunner {
  readonly pager: Pager;
  readonly mini: MiniTransaction;
  readonly guard: MutationGuard;
}

/**
 * Runs a step of at most one mini-transaction, again after each page that it misses. Whoever calls it
 * has the turn among the batches.
 *
 * @throws what the step and `Pager.attempt` throw; pages that it had picked are free again then.
 */
export async function attemptMini<Result>(
  { pager, mini, guard }: MiniRunner,
  step: () => Result,
): Promise<Result> {
  try {
    return await pager.attempt(() =>
      guard.run(() => {
        mini.startAttempt();
        return step();
      }),
    );
  } catch (error) {
    if (!guard.isPoisoned) mini.startAttempt();
    throw error;
  }
}

/** Repeats a step, one mini-transaction at a time, until it returns true. */
export async function repeatUntilDone(runner: MiniRunner, step: () => boolean): Promise<void> {
  while (!(await attemptMini(runner, step)));
}
