import { type Store } from "@kvs/txn";
import { type StoreSettings, openStore } from "./store-settings.ts";
import {
  LAST_KEY,
  ORDER_SLOTS,
  RING_SLOTS,
  type Trees,
  headKey,
  openTrees,
  orderKey,
  ringKey,
  ringNumbers,
  ringTree,
  ringValue,
  textOf,
} from "./workload.ts";

/** What is known of the callers before a store is looked at. */
export interface Expected {
  /** The newest batch of each caller that was certainly answered. */
  readonly acknowledged: readonly number[];
  /** The newest batch of each caller that can have been called for. */
  readonly asked: readonly number[];
  /** Whether batches were refused, so that the common order has gaps. */
  readonly hasGaps?: boolean;
}

/** What a store holds. */
export interface Found {
  /** The newest batch of each caller. */
  readonly heads: readonly number[];
  /** The place of the newest batch in the order of all. */
  readonly last: number;
  /** Broken promises. */
  readonly violations: readonly string[];
}

/**
 * Looks whether a store holds what was answered, whole batches only, in their order, and whether its
 * own check finds nothing.
 */
export async function verifyStore(store: Store, expected: Expected): Promise<Found> {
  const trees = await openTrees(store);
  const violations: string[] = [];
  const heads: number[] = [];
  for (const caller of expected.acknowledged.keys()) {
    const head = await numberAt(store, headKey(caller));
    heads.push(head);
    violations.push(...boundsOf(caller, head, expected));
    violations.push(...(await compareRing(store, { caller, head, trees })));
  }
  const last = await numberAt(store, LAST_KEY);
  if (expected.hasGaps !== true) violations.push(...(await compareOrder(store, last, heads)));
  for (const finding of await store.check()) {
    violations.push(`check: ${finding.type} in "${finding.tree}", page ${finding.page}`);
  }
  return { heads, last, violations };
}

/** Opens a store without a writer, verifies it, and closes it in good order. Returns what is broken. */
export async function lookAtStore(
  settings: StoreSettings,
  expected: Expected,
): Promise<readonly string[]> {
  try {
    const store = await openStore(settings);
    const { violations } = await verifyStore(store, expected);
    await store.close();
    return violations;
  } catch (error) {
    return [`the store cannot be opened or read: ${String(error)}`];
  }
}

function boundsOf(caller: number, head: number, { acknowledged, asked }: Expected): string[] {
  const [answered, called] = [acknowledged[caller]!, asked[caller]!];
  const which = `caller ${caller}: batch`;
  if (head < answered) return [`${which} ${answered} was answered, ${head} is the newest there`];
  if (head > called) return [`${which} ${head} is there, ${called} is the newest called for`];
  return [];
}

/** Compares all rows of a caller's ring with those that follow from its newest batch. */
async function compareRing(
  store: Store,
  { caller, head, trees }: { caller: number; head: number; trees: Trees },
): Promise<string[]> {
  const wanted = new Map(
    ringNumbers(head).map((number) => [
      textOf(ringKey(caller, number % RING_SLOTS)),
      textOf(ringValue(caller, number)),
    ]),
  );
  const violations: string[] = [];
  const range = { gte: ringKey(caller, 0), lt: ringKey(caller, RING_SLOTS) };
  for await (const { key, value } of store.scan({ ...range, ...ringTree(caller, trees) })) {
    const name = textOf(key);
    const text = wanted.get(name);
    if (text !== textOf(value)) {
      const what = text === undefined ? "nothing" : short(text);
      violations.push(`${name} after batch ${head}: ${short(textOf(value))} instead of ${what}`);
    }
    wanted.delete(name);
  }
  for (const [name, text] of wanted) {
    violations.push(`${name} after batch ${head}: nothing instead of ${short(text)}`);
  }
  return violations;
}

/** Looks whether the batches up to the last one are there without a gap. */
async function compareOrder(
  store: Store,
  last: number,
  heads: readonly number[],
): Promise<string[]> {
  const violations: string[] = [];
  const newest = heads.map(() => 0);
  for (let order = Math.max(1, last - ORDER_SLOTS + 1); order <= last; order++) {
    const bytes = await store.get(orderKey(order));
    const text = bytes === undefined ? "nothing" : textOf(bytes);
    const [found, caller = -1, number = -1] = text.split(" ").map(Number);
    if (found !== order || newest[caller] === undefined) {
      violations.push(`batch ${order} of ${last} in all is missing: ${short(text)} in its place`);
      continue;
    }
    newest[caller] = Math.max(newest[caller], number);
  }
  for (const [caller, number] of newest.entries()) {
    if (number > 0 && number !== heads[caller]) {
      violations.push(`caller ${caller}: ${number} by order, ${heads[caller]} by head`);
    }
  }
  return violations;
}

async function numberAt(store: Store, key: Uint8Array): Promise<number> {
  const bytes = await store.get(key);
  return bytes === undefined ? 0 : Number(textOf(bytes));
}

function short(text: string): string {
  return text.length <= 24 ? `"${text}"` : `"${text.slice(0, 24)}…" (${text.length} characters)`;
}
