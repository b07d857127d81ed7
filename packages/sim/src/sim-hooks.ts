import { type Random, type TestHooks } from "@kvs/env";

/** Chance that a buggify site is switched on for a run. */
const BUGGIFY_SITE_PROBABILITY = 0.25;
/** Chance that a switched-on site answers yes. */
const BUGGIFY_FIRE_PROBABILITY = 0.25;

/** What a run did at one buggify site. */
export interface BuggifySiteReport {
  readonly isActive: boolean;
  readonly askedCount: number;
  readonly firedCount: number;
}

interface Site {
  readonly random: Random;
  readonly isActive: boolean;
  askedCount: number;
  firedCount: number;
}

/**
 * The test hooks of one simulation, shared by all its hosts.
 *
 * Each site draws from a stream of its own: a new site never changes what the others answer.
 *
 * Source: FoundationDB's BUGGIFY (25 % of the sites are on, and those fire at 25 %).
 */
export class SimHooks implements TestHooks {
  readonly #random: Random;
  readonly #isEnabled: boolean;
  readonly #mutants: ReadonlySet<string>;
  readonly #sites = new Map<string, Site>();
  readonly #probes = new Map<string, number>();

  constructor(options: { random: Random; buggify: boolean; mutants: readonly string[] }) {
    this.#random = options.random;
    this.#isEnabled = options.buggify;
    this.#mutants = new Set(options.mutants);
  }

  buggify(site: string): boolean {
    const found = this.#sites.get(site) ?? this.#register(site);
    found.askedCount++;
    if (!found.isActive || !found.random.chance(BUGGIFY_FIRE_PROBABILITY)) return false;
    found.firedCount++;
    return true;
  }

  probe(state: string): void {
    this.#probes.set(state, (this.#probes.get(state) ?? 0) + 1);
  }

  hasMutant(mutant: string): boolean {
    return this.#mutants.has(mutant);
  }

  /** How often each rare state was reached, by name. */
  probes(): Record<string, number> {
    return sortedRecord(this.#probes);
  }

  /** Every site that was asked, by name. */
  sites(): Record<string, BuggifySiteReport> {
    const reports = new Map<string, BuggifySiteReport>();
    for (const [name, { isActive, askedCount, firedCount }] of this.#sites) {
      reports.set(name, { isActive, askedCount, firedCount });
    }
    return sortedRecord(reports);
  }

  #register(site: string): Site {
    const random = this.#random.split(site);
    const isActive = this.#isEnabled && random.chance(BUGGIFY_SITE_PROBABILITY);
    const made: Site = { random, isActive, askedCount: 0, firedCount: 0 };
    this.#sites.set(site, made);
    return made;
  }
}

/** The map as a plain object with sorted keys, for reports that are compared and printed. */
export function sortedRecord<T>(map: ReadonlyMap<string, T>): Record<string, T> {
  const names = [...map.keys()].toSorted();
  return Object.fromEntries(names.map((name) => [name, map.get(name)!]));
}
