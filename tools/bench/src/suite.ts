import { type Sample } from "./sample.ts";

/** One subject of measurement, with everything it measures. Suites live in `src/suites`. */
export interface Suite {
  readonly name: string;
  /** One line for `pnpm bench` without arguments. */
  readonly description: string;
  /** The measures, in the order in which they run. Opens nothing yet. */
  readonly measures: readonly Measure[];
}

/** Something that can be measured: KVS, or a peer. */
export interface Contender {
  /**
   * Gets ready once, before the first sample: starts servers, loads data.
   *
   * @returns What to undo at the end, or why this contender cannot take part on this machine.
   */
  prepare?(context: RunContext): Promise<Prepared>;
  /** Takes one sample. Called many times, alternating with the other contender. */
  run(context: RunContext): Promise<Sample>;
}

/**
 * What `prepare` found: a contender that is ready, perhaps with a note on how it is measured here; or
 * the reason why it is not.
 */
export type Prepared =
  | { readonly type: "ready"; readonly note?: string; dispose?(): Promise<void> | void }
  | { readonly type: "unavailable"; readonly reason: string };

export interface Measure extends Contender {
  /** `suite.measure[.callers]`, without a peer. */
  readonly id: string;
  /** `1/s`, `ms`, `MB/s`, … */
  readonly unit: string;
  /** Which way is better. Default: `more`; times are `less`. */
  readonly better?: "more" | "less";
  /** Samples, or pairs of them, where the usual five would take too long. */
  readonly samples?: number;
  /** Who is measured against it, each in a row of its own. */
  readonly peers?: readonly Peer[];
  /** It has no row without a peer: another measure of this id has. */
  readonly isOnlyBesidePeers?: boolean;
}

export interface Peer extends Contender {
  /** What follows `@` in the row's id. */
  readonly name: string;
}

/** What a contender may know of the run it is part of. */
export interface RunContext {
  /** Small sizes: the figures only show that everything works. */
  readonly isQuick: boolean;
  /** A sample that is thrown away, so that code is compiled and caches are filled. */
  readonly isWarmUp: boolean;
  /** A folder of this run for files; removed at its end. */
  readonly folder: string;
  /** How many operations to do where a full sample does `full`: fewer when quick or warming up. */
  operations(full: number): number;
}

/** A quick sample does this fraction of a full one's operations. */
const QUICK_FRACTION = 1 / 10;
/** A warm-up does this fraction of a sample's operations: enough to compile the hot paths. */
const WARM_UP_FRACTION = 1 / 4;

/** Makes the context of one sample. */
export function createContext(options: {
  readonly isQuick: boolean;
  readonly isWarmUp: boolean;
  readonly folder: string;
}): RunContext {
  const fraction =
    (options.isQuick ? QUICK_FRACTION : 1) * (options.isWarmUp ? WARM_UP_FRACTION : 1);
  return { ...options, operations: (full) => Math.max(1, Math.round(full * fraction)) };
}
