import { type Random, isKvsError } from "@kvs/env";
import { type MicroOperation, type Transaction as JudgedTransaction } from "@kvs/sim";

import { type Store } from "../../src/index.ts";
import { type Transaction } from "../../src/transactions/transaction.ts";
import { Transactions } from "../../src/transactions/transactions.ts";
import { type TransactionOptions } from "../../src/transactions/transaction-options.ts";
import { bytes, text } from "../fixture.ts";

/** What clients do that run at the same time, and how. */
export interface Crowd {
  readonly random: Random;
  readonly options: TransactionOptions;
  readonly workers: number;
  readonly rounds: number;
  readonly keys: number;
  /** Whether it asks for ranges too. */
  readonly withRanges?: boolean;
}

type HistoryOptions = ConstructorParameters<typeof Transactions>;

export function makeTransactions(
  environment: HistoryOptions[0],
  store: Store,
  limits: Partial<HistoryOptions[1]> = {},
): Transactions {
  return new Transactions(environment, { source: store, pipe: store, ...limits });
}

/** Runs a crowd on a store, and tells what each transaction was told. */
export async function runCrowd(
  transactions: Transactions,
  crowd: Crowd,
): Promise<JudgedTransaction[]> {
  const history: JudgedTransaction[] = [];
  let clock = 0;
  let nextValue = 1;
  let nextId = 0;
  async function worker(process: number): Promise<void> {
    const random = crowd.random.split(`worker ${process}`);
    for (let round = 0; round < crowd.rounds; round++) {
      const invokedAt = ++clock;
      const id = nextId++;
      const operations: MicroOperation[] = [];
      const tx = transactions.begin(crowd.options);
      let outcome: JudgedTransaction["outcome"] = "ok";
      try {
        for (let step = 0; step < 1 + random.below(4); step++) {
          await pause(random);
          operations.push(await act(tx, random, crowd, () => nextValue++));
        }
        await pause(random);
        if (random.chance(0.1)) {
          await tx.rollback();
          outcome = "fail";
        } else await tx.commit();
      } catch (error) {
        if (!isKvsError(error) || error.outcome !== "none") throw error;
        outcome = "fail";
        await tx.rollback();
      }
      history.push({ id, process, invokedAt, completedAt: ++clock, outcome, operations });
    }
  }
  await Promise.all(Array.from({ length: crowd.workers }, (_, process) => worker(process)));
  return history.toSorted((a, b) => a.invokedAt - b.invokedAt);
}

async function pause(random: Random): Promise<void> {
  for (let turn = random.below(6); turn > 0; turn--) await Promise.resolve();
}

async function act(
  tx: Transaction,
  random: Random,
  { keys, withRanges = false }: Crowd,
  next: () => number,
): Promise<MicroOperation> {
  const name = String.fromCharCode(97 + random.below(keys));
  const kind = random.below(withRanges ? 8 : 6);
  if (kind < 2) {
    const value = next();
    await tx.put(bytes(name), bytes(String(value)));
    return ["w", name, value];
  }
  if (kind === 2) {
    const locked = await tx.getForUpdate(bytes(name));
    return ["r", name, locked === undefined ? null : Number(text(locked.value))];
  }
  if (kind < 6) {
    const value = await tx.get(bytes(name));
    return ["r", name, value === undefined ? null : Number(text(value))];
  }
  const end = String.fromCharCode(97 + random.below(keys) + 1);
  const [from, to] = name < end ? [name, end] : [end, name];
  const found: [string, number][] = [];
  const reverse = random.chance(0.5);
  for await (const { key, value } of tx.scan({ gte: bytes(from), lt: bytes(to), reverse })) {
    found.push([text(key), Number(text(value))]);
  }
  return ["range", [from, to], reverse ? found.toReversed() : found];
}
