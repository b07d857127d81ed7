import { type Random } from "@kvs/env";
import { type Sandbox } from "./sandbox.ts";

/** One way to break real processes on real files. */
export interface Scenario {
  readonly name: string;
  readonly description: string;
  /** Rounds unless told; what a round is, the description says. */
  readonly rounds: number;
  run(context: ScenarioContext): Promise<ScenarioResult>;
}

export interface ScenarioContext {
  /** Decides what is drawn, not what happens: real processes do not repeat themselves. */
  readonly random: Random;
  /** A folder of this run, and the mounts below it. */
  readonly sandbox: Sandbox;
  /** Sabotages to switch on in the processes that write. */
  readonly mutants: readonly string[];
  /** Whether another round is wanted, after so many. */
  readonly wantsMore: (roundsDone: number) => boolean;
  /** Tells the user how far the run is. */
  readonly progress: (text: string) => void;
}

export interface ScenarioResult {
  readonly rounds: number;
  /** Batches whose answers were seen. */
  readonly acknowledged: number;
  /** Promises that were broken; empty if all is well. */
  readonly violations: readonly string[];
  /** Why nothing, or only a part, was tried. */
  readonly skipped?: string;
  /** What happened how often. */
  readonly counts: Readonly<Record<string, number>>;
}

/** The result of a scenario that this machine or user cannot run. */
export function skippedBecause(reason: string): ScenarioResult {
  return { rounds: 0, acknowledged: 0, violations: [], skipped: reason, counts: {} };
}
