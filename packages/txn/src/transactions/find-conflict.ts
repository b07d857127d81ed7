import { type Timestamp } from "../timestamp.ts";
import { type ReadSet } from "./read-set.ts";
import { type TransactionContext } from "./transaction-context.ts";
import { type WriteSet } from "./write-set.ts";

/** What others changed: a key, or nobody can tell any more. */
export interface FoundConflict {
  readonly name: string | undefined;
}

/**
 * Whether others have written, since a transaction's read timestamp, what it writes or has read.
 *
 * @param writes `undefined`: they are not looked at. So with `reads`.
 * @returns The first that is found, `undefined` if there is none.
 */
// oxlint-disable-next-line eslint/max-params -- both sets, and against what and since when
export function findConflict(
  { window, sabotage }: Pick<TransactionContext, "window" | "sabotage">,
  timestamp: Timestamp,
  writes: WriteSet | undefined,
  reads: ReadSet | undefined,
): FoundConflict | undefined {
  if (timestamp < window.floor) return { name: undefined };
  if (writes !== undefined && !sabotage.skipsWriteCheck) {
    for (const name of writes.names()) if (window.isWrittenAfter(name, timestamp)) return { name };
  }
  const name = reads?.firstChange(window, timestamp, sabotage);
  return name === undefined ? undefined : { name };
}
