import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { type Random } from "@kvs/env";
import { type Scenario, type ScenarioContext, type ScenarioResult } from "../scenario.ts";
import { type StoreSettings, drawLife, drawSegmentBytes, openStore } from "../store-settings.ts";
import { type Expected, verifyStore } from "../verify.ts";
import { type Phase } from "../writer-settings.ts";
import { WriterProcess, askedAfter } from "../writer-process.ts";

/** Rounds on one store; then a new one begins, so that its making is cut off, too. */
const ROUNDS_PER_STORE = 20;
const CALLERS = [1, 8, 64];
const PROGRESS_ROUNDS = 20;

/** Kills a process again and again, at whatever it is doing, and looks what it left. */
export const kill: Scenario = {
  name: "kill",
  description: "kill -9 of a process with an embedded store; a round is one kill",
  rounds: 200,
  run: async (context) => {
    const tally: Tally = { rounds: 0, acknowledged: 0, violations: [], kills: new Map() };
    for (let number = 0; tally.violations.length === 0; number++) {
      if (!context.wantsMore(tally.rounds)) break;
      await killOneStore(context, number, tally);
    }
    return resultOf(tally);
  },
};

interface Tally {
  rounds: number;
  acknowledged: number;
  readonly violations: string[];
  /** Kills by what the process was doing. */
  readonly kills: Map<Phase, number>;
}

/** A store's lives, each ended by a kill; each process verifies what the ones before left. */
async function killOneStore(context: ScenarioContext, number: number, tally: Tally): Promise<void> {
  const { random } = context;
  const callers = CALLERS[random.below(CALLERS.length)]!;
  const path = join(context.sandbox.makeFolder("kill"), String(number));
  const segmentBytes = drawSegmentBytes(random);
  const first = tally.rounds;
  let acknowledged: readonly number[] = Array.from({ length: callers }, () => 0);
  let store: StoreSettings = { path, segmentBytes, ...drawLife(random) };
  while (tally.rounds - first < ROUNDS_PER_STORE && context.wantsMore(tally.rounds)) {
    store = { path, segmentBytes, ...drawLife(random) };
    const moment = drawMoment(random);
    const writer = WriterProcess.start(
      {
        store,
        mutants: context.mutants,
        expected: { acknowledged, asked: askedAfter(acknowledged) },
        checkpointEveryMs:
          moment.phase === "checkpoint" || random.chance(0.3) ? 1 + random.below(40) : 0,
      },
      context,
    );
    await writer.reach(moment.phase);
    await wait(moment.afterMs);
    await writer.kill();
    acknowledged = [...writer.acknowledged];
    tally.rounds++;
    tally.acknowledged += writer.ackCount;
    tally.kills.set(writer.phase, (tally.kills.get(writer.phase) ?? 0) + 1);
    tally.violations.push(...writer.violations.map((text) => `store ${number}: ${text}`));
    if (tally.rounds % PROGRESS_ROUNDS === 0) {
      context.progress(`${tally.rounds} kills, ${tally.acknowledged} batches answered`);
    }
    if (tally.violations.length > 0) return;
  }
  const expected = { acknowledged, asked: askedAfter(acknowledged) };
  const violations = await lookAtLast(store, expected);
  tally.violations.push(...violations.map((text) => `store ${number}, at the end: ${text}`));
}

/** When a process dies: so long after it began to open, verify, write or make a checkpoint. */
function drawMoment(random: Random): { readonly phase: Phase; readonly afterMs: number } {
  const drawn = random.nextFloat();
  if (drawn < 0.3) return { phase: "opening", afterMs: random.below(60) };
  if (drawn < 0.4) return { phase: "verifying", afterMs: random.below(40) };
  if (drawn < 0.6) return { phase: "checkpoint", afterMs: random.below(12) };
  return { phase: "writing", afterMs: random.below(400) };
}

/** Opens the store once more, without a writer, and closes it in good order. */
async function lookAtLast(settings: StoreSettings, expected: Expected): Promise<readonly string[]> {
  try {
    const store = await openStore(settings);
    const { violations } = await verifyStore(store, expected);
    await store.close();
    return violations;
  } catch (error) {
    return [`the store cannot be opened or read: ${String(error)}`];
  }
}

function resultOf(tally: Tally): ScenarioResult {
  const kills = [...tally.kills].map(([phase, count]) => [`killed while ${phase}`, count]);
  return {
    rounds: tally.rounds,
    acknowledged: tally.acknowledged,
    violations: tally.violations,
    counts: Object.fromEntries(kills),
  };
}
