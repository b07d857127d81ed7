import { type LiveUndo } from "./live-undo.ts";
import { type MiniTransaction } from "./mini-transaction.ts";
import { type MutationGuard } from "./mutation-guard.ts";

/** Ends the batch under way, which met an error, and takes back what is in the log of it. */
export async function abandonBatch(parts: {
  readonly mini: MiniTransaction;
  readonly guard: MutationGuard;
  readonly liveUndo: LiveUndo;
}): Promise<void> {
  const { mini, guard, liveUndo } = parts;
  const left = mini.active();
  mini.endBatch();
  if (!guard.isPoisoned) mini.startAttempt(); // gives back what it had picked
  if (left !== undefined) await liveUndo.run(left);
}
