import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import { assert, createRandom } from "@kvs/env";
import { createNodeEnvironment } from "@kvs/node";
import { Store, type Transaction, Transactions } from "@kvs/txn";
import { keyOf, randomValues } from "../stores/sample-pairs.ts";
import { type Measure, type RunContext } from "../suite.ts";

const TRANSACTIONS = 200;
/** Writes of a transaction at most; each has a number of its own, so that growth steps even out. */
const WRITES_MAX = 1000;
const VALUE_BYTES = 100;

/** Memory of the writes of open transactions, beyond their keys and values: locks and all. */
export function versionBytes(): Measure {
  return {
    id: "embedded.version-bytes",
    unit: "bytes",
    better: "less",
    prepare: async () =>
      globalThis.gc === undefined
        ? { type: "unavailable", reason: "memory is measured with --expose-gc" }
        : { type: "ready" },
    run: async (context) => ({ value: await overheadPerWrite(context) }),
  };
}

async function overheadPerWrite(context: RunContext): Promise<number> {
  const environment = createNodeEnvironment({ root: mkdtempSync(join(context.folder, "open-")) });
  await using store = await Store.open(environment, { path: "kvs", memoryBytes: 16 << 20 });
  const transactions = await Transactions.open(environment, { source: store, pipe: store });
  const values = randomValues(VALUE_BYTES);
  const random = createRandom(1);
  await fill(transactions.begin(), WRITES_MAX, values, 1e9); // code is compiled, buffers are made
  const before = usedBytes();
  const open: Transaction[] = [];
  let writes = 0;
  for (let at = 0; at < TRANSACTIONS; at++) {
    const transaction = transactions.begin();
    const count = 1 + random.below(WRITES_MAX);
    await fill(transaction, count, values, writes);
    writes += count;
    open.push(transaction);
  }
  const bytes = usedBytes() - before - writes * (keyOf(0).length + VALUE_BYTES);
  assert(
    open.every(({ isOpen }) => isOpen),
    "all are open while they are measured",
  );
  transactions.close();
  return bytes / writes;
}

// oxlint-disable-next-line eslint/max-params -- a transaction, how many, which values, from where
async function fill(
  transaction: Transaction,
  count: number,
  values: readonly Uint8Array[],
  from = 0,
): Promise<void> {
  for (let at = from; at < from + count; at++) {
    await transaction.put(keyOf(at), values[at % values.length]!);
  }
}

/** What this process holds, in V8's heap and beside it, after garbage is collected. */
function usedBytes(): number {
  assert(globalThis.gc !== undefined, "memory is measured with --expose-gc");
  globalThis.gc();
  globalThis.gc();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
