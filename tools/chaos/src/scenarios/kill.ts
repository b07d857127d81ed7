import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { type Random } from "@kvs/env";
import { type Scenario, type ScenarioContext, type ScenarioResult } from "../scenario.ts";
import { type StoreSettings, drawLife, drawStore } from "../store-settings.ts";
import { type Tally, emptyTally, note } from "../tally.ts";
import { lookAtStore } from "../verify.ts";
import { type Chore, type Phase } from "../writer-settings.ts";
import { WriterProcess, askedAfter } from "../writer-process.ts";

/** Rounds on one store; then a new one begins, so that its making is cut off, too. */
const ROUNDS_PER_STORE = 20;
const CALLERS = [1, 8, 64];
const PROGRESS_ROUNDS = 20;

// REL-W17, W18
/** Kills a process again and again, at whatever it is doing, and looks what it left. */
export const kill: Scenario = {
  name: "kill",
  description: "kill -9 of a process with an embedded store; a round is one kill",
  rounds: 200,
  run: async (context) => {
    const tally = emptyTally();
    for (let number = 0; tally.violations.length === 0; number++) {
      if (!context.wantsMore(tally.rounds)) break;
      await killOneStore(context, number, tally);
    }
    return tally satisfies ScenarioResult;
  },
};

/** A store's lives, each ended by a kill; each process verifies what the ones before left. */
async function killOneStore(context: ScenarioContext, number: number, tally: Tally): Promise<void> {
  const { random } = context;
  const callers = CALLERS[random.below(CALLERS.length)]!;
  const folder = context.sandbox.makeFolder("kill");
  const constants = drawStore(random, join(folder, String(number)), folder);
  const first = tally.rounds;
  let acknowledged: readonly number[] = Array.from({ length: callers }, () => 0);
  let store: StoreSettings = { ...constants, ...drawLife(random) };
  while (tally.rounds - first < ROUNDS_PER_STORE && context.wantsMore(tally.rounds)) {
    store = { ...constants, ...drawLife(random) };
    const moment = drawMoment(random, store);
    const writer = WriterProcess.start(
      {
        store,
        mutants: context.mutants,
        expected: { acknowledged, asked: askedAfter(acknowledged) },
        chores: drawChores(random, store, moment.phase),
        pauseMs: 1 + random.below(40),
      },
      context,
    );
    await writer.reach(moment.phase);
    await wait(moment.afterMs);
    await writer.kill();
    acknowledged = [...writer.acknowledged];
    tally.rounds++;
    tally.acknowledged += writer.ackCount;
    note(tally, `killed while ${writer.phase}`);
    for (const [chore, count] of writer.chores) note(tally, NAMES[chore], count);
    tally.violations.push(...writer.violations.map((text) => `store ${number}: ${text}`));
    if (tally.rounds % PROGRESS_ROUNDS === 0) {
      context.progress(`${tally.rounds} kills, ${tally.acknowledged} batches answered`);
    }
    if (tally.violations.length > 0) return;
  }
  const expected = { acknowledged, asked: askedAfter(acknowledged) };
  const violations = await lookAtStore(store, expected);
  tally.violations.push(...violations.map((text) => `store ${number}, at the end: ${text}`));
}

/** When a process dies: so long after it began to open, verify, write or do a chore. */
function drawMoment(
  random: Random,
  { masterKeyFile }: StoreSettings,
): { readonly phase: Phase; readonly afterMs: number } {
  const drawn = random.nextFloat();
  if (drawn < 0.3) return { phase: "opening", afterMs: random.below(60) };
  if (drawn < 0.4) return { phase: "verifying", afterMs: random.below(40) };
  if (drawn < 0.55) return { phase: "checkpoint", afterMs: random.below(12) };
  if (drawn < 0.65) return { phase: "copy", afterMs: random.below(60) };
  if (drawn < 0.7 && masterKeyFile !== undefined) {
    return { phase: "rotation", afterMs: random.below(60) };
  }
  return { phase: "writing", afterMs: random.below(400) };
}

/** What a process does beside writing; at least the chore in which it is to die. */
function drawChores(
  random: Random,
  { masterKeyFile }: StoreSettings,
  phase: Phase,
): readonly Chore[] {
  const all: readonly Chore[] =
    masterKeyFile === undefined ? ["checkpoint", "copy"] : ["checkpoint", "copy", "rotation"];
  return all.filter((chore) => chore === phase || random.chance(0.3));
}

const NAMES: Readonly<Record<Chore, string>> = {
  checkpoint: "checkpoints",
  copy: "copies restored and verified",
  rotation: "changes of keys",
};
