import { type HistoryKey, type HistoryValue } from "../../../src/check/history.ts";
import { type Transaction } from "../../../src/check/serializability/transaction.ts";

type Lists = ReadonlyMap<HistoryKey, readonly HistoryValue[]>;

/** Whether some order of the transactions, one after the other, explains every read. By trying all. */
export function hasSerialOrder(transactions: readonly Transaction[]): boolean {
  const search = (left: readonly Transaction[], lists: Lists): boolean =>
    left.length === 0 ||
    left.some((next) => {
      const after = run(next, lists);
      return (
        after !== undefined &&
        search(
          left.filter((other) => other !== next),
          after,
        )
      );
    });
  return search(transactions, new Map());
}

/** The lists after a transaction, `undefined` if it would have read something else. */
function run({ operations }: Transaction, lists: Lists): Lists | undefined {
  const after = new Map(lists);
  for (const [kind, key, value] of operations) {
    if (kind === "append") after.set(key, [...(after.get(key) ?? []), value]);
    else if (kind === "r" && Array.isArray(value)) {
      const list = after.get(key) ?? [];
      if (list.length !== value.length || list.some((item, at) => item !== value[at]))
        return undefined;
    }
  }
  return after;
}
