import { type Environment, type Random, isKvsError, sleep } from "@kvs/env";
import { type Database, type Isolation, type Transaction } from "@kvs/protocol";
import {
  type HistoryValue,
  HistoryRecorder,
  type MicroOperation,
  type SerializabilityResult,
  checkSerializability,
  isForbidden,
  validateHistory,
} from "@kvs/sim";
import { expect, test } from "vitest";
import { type World, withServer } from "./world.ts";

const KEYS = ["a", "b", "c"];
const RUN_MS = 600;

interface CrowdOptions {
  readonly isolation: Isolation;
  readonly mutants?: readonly string[];
  readonly disturb: (world: World, random: Random) => void;
}

interface Judged extends SerializabilityResult {
  /** Transactions by how they ended. */
  readonly tally: Readonly<Record<string, number>>;
  /** What transactions hold when all is well again for a while, and after the idle time. */
  readonly leftSoon: object;
  readonly leftovers: object;
}

/** Callers on their connections append to lists and read them, in transactions, while things break. */
async function judge(seed: number, options: CrowdOptions): Promise<Judged> {
  const recorder = new HistoryRecorder();
  const tally: Record<string, number> = { ok: 0, fail: 0, info: 0 };
  let leftSoon: object = {};
  let leftovers: object = {};
  await withServer({ seed, isReal: true, mutants: options.mutants ?? [] }, async (world) => {
    const { environment, simulation } = world;
    const random = environment.random.split("crowd");
    const databases = [await world.connect({ timeoutMs: 3000 }), await world.connect()];
    const crowd = new Crowd(environment, recorder, tally);
    await crowd.readEmpty(databases[0]!);
    options.disturb(world, simulation.random.split("disturb"));
    const endMs = environment.clock.monotonicMs() + RUN_MS;
    const callers = Array.from({ length: 5 }, (_, at) =>
      crowd.run(databases[at % 2]!, random.split(String(at)), { endMs, ...options }),
    );
    await world.sleep(RUN_MS);
    simulation.heal();
    await Promise.all(callers);
    await world.sleep(10_000); // far less than a transaction that nobody uses is kept
    leftSoon = (await databases[0]!.stats()).transactions;
    await world.sleep(70_000); // longer than a transaction that nobody uses is kept
    leftovers = (await databases[0]!.stats()).transactions;
    for (const database of databases) await database.close();
  });
  validateHistory(recorder.events);
  return { ...checkSerializability(recorder.events), tally, leftSoon, leftovers };
}

class Crowd {
  readonly #environment: Environment;
  readonly #recorder: HistoryRecorder;
  readonly #tally: Record<string, number>;
  #lastValue = 0;

  constructor(environment: Environment, recorder: HistoryRecorder, tally: Record<string, number>) {
    this.#environment = environment;
    this.#recorder = recorder;
    this.#tally = tally;
  }

  async readEmpty(db: Database): Promise<void> {
    const steps = KEYS.map((key): MicroOperation => ["r", key, null]);
    await this.#once(db, this.#recorder.newProcess(), { steps, isolation: "serializable" });
  }

  async run(
    db: Database,
    random: Random,
    { endMs, isolation }: { readonly endMs: number; readonly isolation: Isolation },
  ): Promise<void> {
    const { clock } = this.#environment;
    let process = this.#recorder.newProcess();
    while (clock.monotonicMs() < endMs) {
      const steps = Array.from({ length: 1 + random.below(3) }, (): MicroOperation => {
        const key = KEYS[random.below(KEYS.length)]!;
        return random.chance(0.5) ? ["r", key, null] : ["append", key, ++this.#lastValue];
      });
      const outcome = await this.#once(db, process, { steps, isolation });
      if (outcome === "info") process = this.#recorder.newProcess();
      if (outcome !== "ok") await sleep(clock, 1 + random.below(5));
    }
  }

  async #once(
    db: Database,
    process: number,
    asked: { readonly steps: readonly MicroOperation[]; readonly isolation: Isolation },
  ): Promise<"ok" | "fail" | "info"> {
    const call = this.#recorder.invoke(process, this.#nowNs(), { f: "txn", value: asked.steps });
    let outcome: "ok" | "fail" | "info" = "ok";
    let answers: MicroOperation[] = [];
    try {
      await using tx = await db.begin({ isolation: asked.isolation });
      answers = await perform(tx, asked.steps);
      await tx.commit();
    } catch (error) {
      if (!isKvsError(error)) throw error;
      outcome = error.outcome === "none" ? "fail" : "info";
    }
    this.#tally[outcome]!++;
    if (outcome === "ok") call.ok(this.#nowNs(), answers);
    else call[outcome](this.#nowNs());
    return outcome;
  }

  #nowNs(): number {
    return Math.round(this.#environment.clock.monotonicMs() * 1e6);
  }
}

async function perform(
  tx: Transaction,
  steps: readonly MicroOperation[],
): Promise<MicroOperation[]> {
  const answers: MicroOperation[] = [];
  for (const step of steps) {
    const key = step[1] as string;
    const list = (await tx.get<HistoryValue[]>(key)) ?? [];
    if (step[0] === "append") await tx.put(key, [...list, step[2]]);
    answers.push(step[0] === "append" ? step : ["r", key, list.length === 0 ? null : list]);
  }
  return answers;
}

/** Connections break, at any moment, again and again. */
function resets({ simulation }: World, random: Random): void {
  for (let atMs = 0; atMs < RUN_MS; atMs += 1 + random.below(30)) {
    simulation.after(atMs + random.nextFloat(), () =>
      simulation.network.resetConnections("client", "server"),
    );
  }
}

/** The server is killed, and started again. */
function kills({ simulation }: World, random: Random): void {
  const server = simulation.host("server");
  for (let atMs = 20; atMs < RUN_MS; atMs += 150 + random.below(100)) {
    simulation.after(atMs, () => {
      if (server.isAlive) server.kill();
    });
    simulation.after(atMs + 1 + random.below(30), () => {
      if (!server.isAlive) server.restart();
    });
  }
}

/** Both hosts stop for a while, and go on as if nothing had been; connections break besides. */
function pauses(world: World, random: Random): void {
  const { simulation } = world;
  for (let atMs = 0; atMs < RUN_MS; atMs += 20 + random.below(60)) {
    simulation.after(atMs, () => {
      const host = simulation.host(random.chance(0.5) ? "server" : "client");
      if (host.isAlive) host.pause(1 + random.below(40));
    });
  }
  resets(world, random);
}

const FAULTS = { resets, kills, pauses };
const SEEDS = Array.from({ length: 5 }, (_, seed) => seed + 1);

test.each(["resets", "kills", "pauses"] as const)(
  "serializable over connections and servers that break (%s): no anomaly, real time included",
  async (fault) => {
    const tally: Record<string, number> = { ok: 0, fail: 0, info: 0 };
    for (const seed of SEEDS) {
      const judged = await judge(seed, { isolation: "serializable", disturb: FAULTS[fault] });
      expect(judged.anomalies.map(({ text }) => text)).toEqual([]);
      expect(judged.leftSoon).toMatchObject({ open: 0, locks: 0, waits: 0 });
      expect(judged.leftovers).toMatchObject({ open: 0, locks: 0, waits: 0 });
      for (const [name, count] of Object.entries(judged.tally)) tally[name]! += count;
    }
    expect(tally["ok"]).toBeGreaterThan(200);
    expect(tally["fail"]).toBeGreaterThan(20);
    expect(tally["info"]).toBeGreaterThan(0);
  },
);

test("snapshot shows write skew, and nothing that it forbids", async () => {
  const types = new Set<string>();
  for (const seed of SEEDS) {
    const { anomalies } = await judge(seed, { isolation: "snapshot", disturb: resets });
    expect(anomalies.filter((each) => isForbidden(each, "snapshot"))).toEqual([]);
    for (const { type } of anomalies) types.add(type);
  }
  expect([...types].some((type) => ["write-skew", "G2-item"].includes(type))).toBe(true);
});

test("a lost commit that is passed off as none is caught (client.deny-unknown)", async () => {
  const types = new Set<string>();
  for (const seed of SEEDS) {
    const mutants = ["client.deny-unknown"];
    const judged = await judge(seed, { isolation: "serializable", disturb: resets, mutants });
    for (const { type } of judged.anomalies) types.add(type);
  }
  expect(types).toContain("G1a");
});

test("transactions that outlive their connection are caught (server.transactions-survive)", async () => {
  let open = 0;
  for (const seed of SEEDS) {
    const mutants = ["server.transactions-survive"];
    const judged = await judge(seed, { isolation: "serializable", disturb: resets, mutants });
    open += (judged.leftSoon as { readonly open: number }).open;
  }
  expect(open).toBeGreaterThan(0);
});
