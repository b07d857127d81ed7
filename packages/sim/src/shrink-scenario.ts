import { KvsError } from "@kvs/env";
import { type FaultEvent } from "./fault-event.ts";
import { type FaultKind, NO_FAULTS, withoutKind } from "./fault-plan.ts";
import { type FaultScenario } from "./scenario.ts";

/** Limits of a search. */
export interface ShrinkOptions {
  /** Runs spent at most. Default: 500. */
  readonly runsMax?: number;
}

/** What a search came to. */
export interface ShrunkScenario {
  /** Fails, as the original did. */
  readonly scenario: FaultScenario;
  readonly runs: number;
  /** Whether no single event can be left out; false if the runs were used up first. */
  readonly isMinimal: boolean;
}

/** A search of this many runs takes minutes for usual scenarios. */
const SHRINK_SCENARIO_RUNS_MAX = 500;

/**
 * Looks for a small scenario that still fails: first without what holds for the whole run, then
 * without whole kinds of faults, then without single events, in ever smaller pieces.
 *
 * @param fails Runs a scenario anew and tells whether the failure is still there.
 * @throws {KvsError} `SIM_NOT_FAILING` if the scenario as given does not fail: the program is not
 *   deterministic, or the failure needs no fault of the list.
 *
 * Source: Zeller & Hildebrandt, "Simplifying and Isolating Failure-Inducing Input" (2002), ddmin.
 */
export async function shrinkScenario(
  scenario: FaultScenario,
  fails: (scenario: FaultScenario) => Promise<boolean>,
  options: ShrinkOptions = {},
): Promise<ShrunkScenario> {
  const search = new Search(fails, options.runsMax ?? SHRINK_SCENARIO_RUNS_MAX);
  if (!(await search.try(scenario))) throw notFailing(scenario.seed);
  let best = await dropSettings(scenario, search);
  best = await dropKinds(best, search);
  best = await dropEvents(best, search);
  return { scenario: best, runs: search.runs, isMinimal: !search.isExhausted };
}

class Search {
  readonly #fails: (scenario: FaultScenario) => Promise<boolean>;
  readonly #runsMax: number;
  runs = 0;

  constructor(fails: (scenario: FaultScenario) => Promise<boolean>, runsMax: number) {
    this.#fails = fails;
    this.#runsMax = runsMax;
  }

  get isExhausted(): boolean {
    return this.runs >= this.#runsMax;
  }

  /** Whether `scenario` is known to fail; false, too, when there are no runs left. */
  async try(scenario: FaultScenario): Promise<boolean> {
    if (this.isExhausted) return false;
    this.runs++;
    return this.#fails(scenario);
  }
}

async function dropSettings(scenario: FaultScenario, search: Search): Promise<FaultScenario> {
  let best = scenario;
  const { network, disk, clock } = NO_FAULTS;
  const steps = [
    (plan: FaultScenario["plan"]) => ({
      ...plan,
      network: { ...plan.network, link: network.link },
    }),
    (plan: FaultScenario["plan"]) => ({ ...plan, disk: { ...plan.disk, calls: disk.calls } }),
    (plan: FaultScenario["plan"]) => ({
      ...plan,
      clock: { ...clock, intervals: plan.clock.intervals },
    }),
  ];
  for (const step of steps) {
    const smaller = { ...best, plan: step(best.plan) };
    if (JSON.stringify(smaller) === JSON.stringify(best)) continue;
    if (await search.try(smaller)) best = smaller;
  }
  return best;
}

async function dropKinds(scenario: FaultScenario, search: Search): Promise<FaultScenario> {
  let best = scenario;
  const kinds = new Set<FaultKind>(scenario.events.map(({ fault }) => fault.kind));
  for (const kind of kinds) {
    const smaller: FaultScenario = {
      ...best,
      plan: withoutKind(best.plan, kind),
      events: best.events.filter(({ fault }) => fault.kind !== kind),
    };
    if (await search.try(smaller)) best = smaller;
  }
  return best;
}

/** ddmin: leaves out one of `pieces` equal pieces after the other; halves them when none can go. */
async function dropEvents(scenario: FaultScenario, search: Search): Promise<FaultScenario> {
  let events: readonly FaultEvent[] = scenario.events;
  let pieces = 1;
  while (events.length > 0 && !search.isExhausted) {
    const length = Math.ceil(events.length / pieces);
    const smaller = await withoutOnePiece(scenario, events, length, search);
    if (smaller !== undefined) {
      events = smaller;
      pieces = Math.max(1, pieces - 1);
    } else if (length === 1) break;
    else pieces = Math.min(events.length, pieces * 2);
  }
  return { ...scenario, events };
}

async function withoutOnePiece(
  scenario: FaultScenario,
  events: readonly FaultEvent[],
  length: number,
  search: Search,
): Promise<readonly FaultEvent[] | undefined> {
  for (let from = 0; from < events.length; from += length) {
    const rest = [...events.slice(0, from), ...events.slice(from + length)];
    if (await search.try({ ...scenario, events: rest })) return rest;
  }
  return undefined;
}

function notFailing(seed: number): KvsError<"SIM_NOT_FAILING"> {
  return new KvsError(
    "SIM_NOT_FAILING",
    "the scenario does not fail when run again: check that the program is deterministic",
    { outcome: "none", details: { seed } },
  );
}
