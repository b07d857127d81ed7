import { type Random, pick } from "@kvs/env";
import { type CrashSubject } from "./crash-explorer.ts";
import { type PlannedMutation } from "./modelled-store.ts";
import { Script, type ScriptStep, deletes, range } from "./script.ts";
import { type StoreKnobs } from "./store-knobs.ts";

const OTHER = "other";
/** Keys of a drawn script: few, so that it changes and deletes what it wrote. */
const KEYS = 40;
const STEPS_MIN = 10;
const STEPS_MAX = 40;
/** Rows of one step, at most: a script is run many times. */
const ROWS_MAX = 30;

/** Light scripts have few and short rows: fewer of their images differ, so more are tried. */
const LIGHT_SHARE = 0.75;

/** Lengths at which something else happens, for the longest keys and the shortest. */
const LENGTHS: readonly number[] = [0, 1, 20, 20, 90, 300, 700, 982, 983, 1500, 4032, 4033, 9000];

/**
 * Draws a script for the store of these knobs, to be crashed at its disk calls.
 *
 * @returns A subject that does the same whenever it is run.
 */
export function drawScript(random: Random, knobs: StoreKnobs): CrashSubject {
  const { store } = knobs;
  const steps: ScriptStep[] = [];
  const isLight = random.chance(LIGHT_SHARE);
  const count = STEPS_MIN + random.below(STEPS_MAX - STEPS_MIN);
  for (let step = 0; step < count; step++) steps.push(drawStep(random, isLight));
  return {
    store,
    run: async (environment, model, hooks, more) => {
      const script = new Script({ environment, store: { ...store, ...more }, model, hooks });
      await script.run([(first) => first.openTree(OTHER), ...steps]);
      return script;
    },
  };
}

/** How often a step is drawn, of a hundred, and what it does with the rows drawn for it. */
const STEPS: readonly (readonly [
  share: number,
  step: (script: Script, planned: readonly PlannedMutation[]) => Promise<unknown>,
])[] = [
  [45, (script, planned) => script.batch(planned)],
  [15, (script, planned) => script.together(planned.slice(0, 8))],
  [8, (script) => script.checkpoint()],
  [6, (script, planned) => Promise.all([script.checkpoint(), script.batch(planned)])],
  [6, (script) => script.rest()],
  [1.5, (script) => script.rotate()],
  [1.5, (script, planned) => Promise.all([script.compact(), script.batch(planned)])],
  [3, (script) => script.hold()],
  [4, (script) => script.release()],
  [3, (script) => script.reopen()],
  [1, (script) => script.copy()],
  [1, (script, planned) => Promise.all([script.copy(), script.batch(planned)])],
];

/** @param isLight Rows of one batch stay few and short: more scripts for the time. */
function drawStep(random: Random, isLight: boolean): ScriptStep {
  let left = 100 * random.nextFloat();
  const planned = drawRows(random, isLight);
  for (const [share, step] of STEPS) {
    if (left < share) return (script) => step(script, planned);
    left -= share;
  }
  const from = random.below(KEYS);
  return (script) => script.batch(deletes(from, KEYS));
}

function drawRows(random: Random, isLight: boolean): PlannedMutation[] {
  const tree = random.chance(0.7) ? undefined : OTHER;
  const from = random.below(KEYS);
  const rows = 1 + random.below(random.chance(0.6) ? 3 : isLight ? 8 : ROWS_MAX);
  const bytes = isLight ? random.below(100) : pick(random, LENGTHS);
  const to = Math.min(KEYS, from + rows);
  const planned = range(from, to, bytes, tree);
  if (random.chance(0.3)) planned.push(...deletes(to, Math.min(KEYS, to + 3), tree));
  return planned;
}
