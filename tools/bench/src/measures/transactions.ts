import { join } from "node:path";
import { assert } from "@kvs/env";
import { runCallers, runOnce } from "../load.ts";
import { type Sample } from "../sample.ts";
import { median } from "../statistics.ts";
import {
  type ReadModifyWrite,
  type TransactionSubject,
  openSqliteTransactions,
  openTransactions,
} from "../stores/transaction-store.ts";
import { keyTextOf } from "../stores/sample-pairs.ts";
import { type Contender, type Measure, type RunContext } from "../suite.ts";

const CALLERS = 64;
const KEYS = 1_000_000;
/** Steps over the keys in an order that looks random and comes to each of them: a large prime. */
const STRIDE = 7_368_787;
const READS = 10;
const READ_ROUNDS = 10_000;
/** Rounds of one kind before those of the other: both see the same state of the machine. */
const READ_BLOCK = 500;
const WRITES = 40_000;
const HOT_WRITES = 10_000;
/** A peer that syncs for each caller takes as long for this share of the operations. */
const SERIAL_SHARE = 1 / 10;

/** Transactions of a database in this process, as programs write them. */
export function transactionMeasures(): Measure[] {
  return [
    readOnly(),
    readModifyWrite(),
    readModifyWriteBesidePeers(),
    hotKey({ id: "embedded.txn-hot-key.64", unit: "1/s" }, ({ rate }) => rate),
    hotKey(
      { id: "embedded.txn-hot-key-slowest.64", unit: "×", better: "less" },
      ({ counts }) => median(counts) / Math.min(...counts),
    ),
  ];
}

/** Ten gets in a transaction that only reads, against ten gets without, one after the other. */
function readOnly(): Measure {
  const subject = withDatabase();
  return {
    id: "embedded.txn-read10",
    unit: "×",
    better: "less",
    prepare: subject.prepare,
    run: async (context) => {
      const rounds = context.operations(READ_ROUNDS);
      let [plainMs, insideMs, next] = [0, 0, 0];
      for (let round = 0; round < rounds; round += READ_BLOCK) {
        plainMs += await timed(async () => {
          for (let at = 0; at < READ_BLOCK; at++, next += READS) await readPlain(subject(), next);
        });
        insideMs += await timed(async () => {
          for (let at = 0; at < READ_BLOCK; at++, next += READS) await readInside(subject(), next);
        });
      }
      return { value: insideMs / plainMs };
    },
  };
}

async function readPlain({ db, keys }: TransactionSubject, from: number): Promise<void> {
  for (let at = from; at < from + READS; at++) {
    const value = await db.kv.get(keyTextOf((at * STRIDE) % keys));
    assert(value !== undefined, "every key that is read is there");
  }
}

async function readInside({ db, keys }: TransactionSubject, from: number): Promise<void> {
  const tx = await db.begin({ readOnly: true });
  for (let at = from; at < from + READS; at++) {
    const value = await tx.get(keyTextOf((at * STRIDE) % keys));
    assert(value !== undefined, "every key that is read is there");
  }
  await tx.commit();
}

/** The rate of durable transactions that read a key and write it, as a fraction of plain puts'. */
function readModifyWrite(): Measure {
  const subject = withDatabase();
  let taken = 0;
  return {
    id: "embedded.txn-rmw.64",
    unit: "fraction",
    prepare: subject.prepare,
    run: async (context) => {
      const count = context.operations(WRITES);
      const put: ReadModifyWrite = (key, value) => subject().db.kv.put(key, value);
      const isPutFirst = taken++ % 2 === 0;
      const first = await write(subject(), count, isPutFirst ? put : ours(subject()));
      globalThis.gc?.();
      const second = await write(subject(), count, isPutFirst ? ours(subject()) : put);
      const [inside, plain] = isPutFirst ? [second, first] : [first, second];
      return { ...inside, value: inside.value / plain.value };
    },
  };
}

/** The same transactions, and a peer's. */
function readModifyWriteBesidePeers(): Measure {
  const subject = withDatabase();
  return {
    id: "embedded.txn-rmw.64",
    unit: "1/s",
    isOnlyBesidePeers: true,
    prepare: subject.prepare,
    run: (context) => write(subject(), context.operations(WRITES), ours(subject())),
    peers: [{ name: "sqlite", ...sqlite() }],
  };
}

function sqlite(): Contender {
  let database: ReturnType<typeof openSqliteTransactions>;
  let subject: TransactionSubject;
  return {
    prepare: async (context) => {
      const keys = keysOf(context);
      database = openSqliteTransactions(join(context.folder, `sqlite-txn-${keys}.db`), keys);
      subject = { db: undefined!, keys, values: [new Uint8Array(100)] };
      return { type: "ready", dispose: () => database.close() };
    },
    run: (context) => write(subject, context.operations(WRITES * SERIAL_SHARE), database.run),
  };
}

function ours({ db }: TransactionSubject): ReadModifyWrite {
  return (key, value) =>
    db.transaction(async (tx) => {
      assert((await tx.get(key)) !== undefined, "every key that is read is there");
      await tx.put(key, value);
    });
}

/** 64 callers, each of which is at a key of its own at any time. */
function write(
  { keys, values }: Pick<TransactionSubject, "keys" | "values">,
  count: number,
  operation: ReadModifyWrite,
): Promise<Sample> {
  return runCallers(CALLERS, count, (index) =>
    operation(keyTextOf((index * STRIDE) % keys), values[index % values.length]!),
  );
}

interface HotKeyRun {
  readonly rate: number;
  /** Commits of each caller. */
  readonly counts: readonly number[];
}

/** 64 callers that count in one key, each in a transaction that locks it before it reads. */
function hotKey(
  shape: Pick<Measure, "id" | "unit" | "better">,
  valueOf: (run: HotKeyRun) => number,
): Measure {
  const subject = withDatabase();
  return {
    ...shape,
    prepare: subject.prepare,
    run: async (context) => {
      const { db } = subject();
      await db.kv.put("hot", 0);
      const total = context.operations(HOT_WRITES);
      const counts: number[] = Array.from({ length: CALLERS }, () => 0);
      let started = 0;
      const caller = async (_: unknown, at: number): Promise<void> => {
        while (started++ < total) {
          await db.transaction(async (tx) => {
            await tx.put("hot", (await tx.getForUpdate<number>("hot"))! + 1);
          });
          counts[at]!++;
        }
      };
      const sample = await runOnce(
        () => total,
        () => Promise.all(counts.map(caller)),
      );
      assert((await db.kv.get("hot")) === total, "no count is lost");
      return { ...sample, value: valueOf({ rate: sample.value, counts }) };
    },
  };
}

/** A database that a measure opens; the measures of a run share its files. */
function withDatabase(): { (): TransactionSubject; prepare: NonNullable<Contender["prepare"]> } {
  let subject: TransactionSubject | undefined;
  const current = (): TransactionSubject => {
    assert(subject !== undefined, "a measure is prepared before it runs");
    return subject;
  };
  const prepare: NonNullable<Contender["prepare"]> = async (context) => {
    const keys = keysOf(context);
    const opened = await openTransactions(join(context.folder, `kvs-txn-${keys}`), keys);
    subject = opened;
    return { type: "ready", dispose: () => opened.db.close() };
  };
  return Object.assign(current, { prepare });
}

function keysOf({ isQuick }: RunContext): number {
  return isQuick ? KEYS / 10 : KEYS;
}

async function timed(work: () => Promise<void>): Promise<number> {
  const startMs = performance.now();
  await work();
  return performance.now() - startMs;
}
