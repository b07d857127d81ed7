import { type KvsError, createRandom, isKvsError, pick } from "@kvs/env";
import { Simulation } from "@kvs/sim";
import { expect, test } from "vitest";
import { type LockOwner, LockTable, type LockTableOptions } from "../../src/locks/lock-table.ts";

const NO_SABOTAGE: Partial<LockTableOptions> = {};

/** A transaction that gives up its locks when it is chosen. */
class TestOwner implements LockOwner {
  readonly id: string;
  readonly age: number;
  readonly #table: LockTable;
  rolledBackBy: KvsError | undefined;

  constructor(table: LockTable, age: number) {
    this.#table = table;
    this.age = age;
    this.id = `T${age}`;
  }

  onVictim(error: KvsError): void {
    this.rolledBackBy = error;
    this.#table.releaseAll(this, () => error);
  }

  lock(key: string, timeoutMs = 1000): Promise<string> {
    const waiting = this.#table.acquire({
      owner: this,
      key,
      timeoutMs,
      site: () => `${this.id}.ts:1`,
    });
    if (waiting === undefined) return Promise.resolve("held");
    return waiting.then(
      () => "held",
      (error: unknown) => (isKvsError(error) ? error.code : String(error)),
    );
  }

  end(): void {
    this.#table.releaseAll(this);
  }
}

function makeTable(options = NO_SABOTAGE): [LockTable, Simulation] {
  const simulation = new Simulation({ seed: 1 });
  const { environment } = simulation.addHost("host");
  return [new LockTable({ clock: environment.clock, ...options }), simulation];
}

function owners(table: LockTable, count: number): TestOwner[] {
  return Array.from({ length: count }, (_, age) => new TestOwner(table, age + 1));
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("a lock passes to whoever waits longest, and nobody overtakes", async () => {
  const [table] = makeTable();
  const [first, ...others] = owners(table, 5);
  await first!.lock("k");
  const order: string[] = [];
  for (const owner of others) void owner.lock("k").then(() => order.push(owner.id));
  for (const owner of [first!, ...others]) {
    expect(table.holds(owner, "k")).toBe(true);
    owner.end();
    await settled();
  }
  expect(order).toEqual(["T2", "T3", "T4", "T5"]);
  expect([table.heldCount, table.waitCount]).toEqual([0, 0]);
});

test("who holds a lock gets it again at once, and who asked twice gets both answers", async () => {
  const [table] = makeTable();
  const [a, b] = owners(table, 2);
  expect(table.acquire({ owner: a!, key: "k", timeoutMs: 1 })).toBeUndefined();
  expect(table.acquire({ owner: a!, key: "k", timeoutMs: 1 })).toBeUndefined();
  const twice = Promise.all([b!.lock("k"), b!.lock("k")]);
  a!.end();
  expect(await twice).toEqual(["held", "held"]);
  b!.end();
  expect([table.heldCount, table.waitCount]).toEqual([0, 0]);
});

// REL-DL1 REL-DL3
for (let size = 2; size <= 10; size++) {
  test(`a deadlock of ${size} is found in the call that closes it: one victim, the youngest`, async () => {
    const [table] = makeTable();
    const all = owners(table, size);
    for (const owner of all) await owner.lock(`key ${owner.id}`);
    const answers = all.map((owner, at) => owner.lock(`key ${all[(at + 1) % size]!.id}`));

    expect(all.filter(({ rolledBackBy }) => rolledBackBy !== undefined)).toEqual([all.at(-1)]);
    const { rolledBackBy } = all.at(-1)!;
    expect(rolledBackBy).toMatchObject({ code: "TXN_DEADLOCK", retryable: true, outcome: "none" });
    for (const { id } of all) expect(rolledBackBy!.message).toContain(`"key ${id}"`);
    expect(rolledBackBy!.message).toContain("asked for at T1.ts:1");
    for (const owner of all.slice(0, -1).toReversed()) {
      expect(await answers[owner.age - 1]).toBe("held");
      owner.end();
    }
    expect(table.deadlockCount).toBe(1);
    expect([table.heldCount, table.waitCount]).toEqual([0, 0]);
  });
}

test("REL-DL1 a circle through a queue is one: who stands before me has to go first", () => {
  const [table] = makeTable();
  const [a, b, c] = owners(table, 3);
  void a!.lock("x");
  void b!.lock("y");
  void b!.lock("x"); // waits for a
  void c!.lock("x"); // waits for a, and for b before it
  void a!.lock("y"); // a waits for b: closes a circle
  expect([a, b, c].map((owner) => owner!.rolledBackBy !== undefined)).toEqual([false, true, false]);
  expect(table.holds(a!, "y")).toBe(true);
});

test("REL-DL5 a wait ends when its time is over, with who has the key; the queue stays clean", async () => {
  const [table, simulation] = makeTable();
  const [a, b, c] = owners(table, 3);
  await a!.lock("k");
  const late = b!.lock("k", 50);
  const patient = c!.lock("k", 500);
  await simulation.run({ untilMs: 100 });
  expect(await late).toBe("TXN_LOCK_TIMEOUT");
  a!.end();
  expect(await patient).toBe("held");
  c!.end();
  expect([table.heldCount, table.waitCount]).toEqual([0, 0]);
});

test("REL-DL6 one who gives up while it waits leaves the queue, and the next in it is not forgotten", async () => {
  const [table] = makeTable();
  const [a, b, c] = owners(table, 3);
  await a!.lock("k");
  const gone = b!.lock("k");
  const next = c!.lock("k");
  table.releaseAll(b!, () => new Error("gone") as KvsError);
  expect(await gone).toBe("Error: gone");
  a!.end();
  expect(await next).toBe("held");
});

/** Random transactions that lock random keys; all of them must come to an end. */
async function crowd(
  seed: number,
  options = NO_SABOTAGE,
): Promise<{ deadlocks: number; done: number }> {
  const [table, simulation] = makeTable(options);
  const random = createRandom(seed);
  const keys = Array.from({ length: 2 + random.below(6) }, (_, at) => `k${at}`);
  let done = 0;
  let age = 0;
  async function worker(): Promise<void> {
    for (let round = 0; round < 20; round++) {
      const owner = new TestOwner(table, ++age);
      for (let step = 0; step < 1 + random.below(4); step++) {
        const answer = await owner.lock(pick(random, keys), 1e9);
        if (answer === "held") await settled();
        else expect(owner.rolledBackBy?.code).toBe(answer);
        if (owner.rolledBackBy !== undefined) break;
      }
      owner.end();
      done++;
    }
  }
  await Promise.race([
    Promise.all(Array.from({ length: 8 }, worker)),
    settledTimes(4000), // a crowd that stands still is one that waits for ever
  ]);
  expect(simulation).toBeDefined();
  return { deadlocks: table.deadlockCount, done };
}

async function settledTimes(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await settled();
}

test("REL-DL3 crowds of transactions all come to their end, whatever they lock", async () => {
  let deadlocks = 0;
  for (let seed = 1; seed <= 10; seed++) {
    const result = await crowd(seed);
    expect(result.done).toBe(160);
    deadlocks += result.deadlocks;
  }
  expect(deadlocks).toBeGreaterThan(20);
});

for (const sabotage of ["losesWakeUps", "ignoresCycles", "keepsVictimLocks"] as const) {
  test(`a crowd stands still under the sabotage ${sabotage}`, async () => {
    let stuck = 0;
    for (let seed = 1; seed <= 3; seed++) {
      const outcome = await crowd(seed, { [sabotage]: true }).catch(() => ({ done: 0 }));
      if (outcome.done < 160) stuck++;
    }
    expect(stuck).toBeGreaterThan(0);
  });
}
