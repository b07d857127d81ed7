import { PageView } from "@kvs/pager";
import { type Attempt } from "./check.ts";
import { Descent } from "./descent.ts";
import { type PageReader } from "./page-writer.ts";
import { Probe } from "./probe.ts";
import { findChild, lowerBound } from "./search.ts";
import {
  LEVEL_MAX,
  TREE_KEY_BYTES_MAX,
  copyKey,
  entryCount,
  pageLevel,
  separatorVersion,
  usedBytes,
} from "./tree-page.ts";
import { type TreeState } from "./tree-state.ts";

/** Ways looked at besides those to the range's ends, to see how full pages are. */
const SAMPLES = 6;

/** What a range of a tree holds, about. */
export interface RangeEstimate {
  /** Every version and every tombstone counts as a row. */
  readonly rows: number;
  /** What they take in leaves: keys, values that are not long, and what goes with them. */
  readonly bytes: number;
  /** Whether that is exact: the range lies within one leaf. */
  readonly isExact: boolean;
}

/**
 * Estimates how many rows lie between two positions, from the ways down to them and a few between.
 * What lies beside the ways is counted in children, each taken to be as full as the pages seen.
 *
 * Cost: eight descents at most, however many rows there are. Mostly within a fifth; worse where some
 * parts of the range are full and others nearly empty. Rows that come or go meanwhile may count.
 */
export class RangeEstimator {
  readonly #tree: TreeState;
  readonly #pages: PageReader;
  readonly #attempt: Attempt;
  readonly #root = new PageView();

  constructor(tree: TreeState, pages: PageReader, attempt: Attempt) {
    this.#tree = tree;
    this.#pages = pages;
    this.#attempt = attempt;
  }

  /**
   * @param from Rows at or behind it count.
   * @param to Rows at or behind it do not.
   * @throws what `attempt` throws.
   */
  async estimate(from: Probe, to: Probe): Promise<RangeEstimate> {
    const low = await this.#wayTo(from);
    const high = await this.#wayTo(to);
    const parting = low.findIndex(({ slot }, at) => high[at]?.slot !== slot);
    const ways = [low, high];
    if (parting >= 0 && parting < low.length - 1) {
      for (const probe of await this.#between(from, low, high, parting)) {
        ways.push(await this.#wayTo(probe));
      }
    }
    const sizes = subtreeRows(ways);
    const rows = Math.max(0, Math.round(rowsBefore(high, sizes) - rowsBefore(low, sizes)));
    const leaves = ways.map((way) => way.at(-1)!);
    const bytes = rows * (sum(leaves, "bytes") / Math.max(1, sum(leaves, "count")));
    const isExact = parting < 0 || parting === low.length - 1;
    return { rows, bytes: Math.round(bytes), isExact };
  }

  /** What each level, from the root's down, tells of the way to this position. */
  async #wayTo(probe: Probe): Promise<Step[]> {
    const descent = new Descent(this.#tree, this.#pages);
    descent.probe.copyFrom(probe);
    const steps: Step[] = [];
    let level = LEVEL_MAX;
    const look = (): Step => {
      level = Math.min(level, this.#rootLevel()); // meanwhile the tree may have become lower
      descent.reach(level);
      return stepOf(descent.view, descent.probe);
    };
    for (; level >= 0; level--) steps.push(await this.#attempt(look));
    return steps;
  }

  /** @throws {PageMiss}. */
  #rootLevel(): number {
    this.#pages.fetch(this.#tree.rootId, this.#root);
    return pageLevel(this.#root);
  }

  /** Positions spread over the children between two ways, in the page where these part. */
  // oxlint-disable-next-line eslint/max-params -- two ways and where they part
  #between(from: Probe, low: Way, high: Way, parting: number): Promise<Probe[]> {
    const level = low.length - 1 - parting;
    const first = low[parting]!.slot;
    const count = high[parting]!.slot - first;
    const descent = new Descent(this.#tree, this.#pages);
    descent.probe.copyFrom(from);
    return this.#attempt(() => {
      if (this.#rootLevel() < level) return [];
      descent.reach(level);
      const { view } = descent;
      const probes: Probe[] = [];
      for (let sample = 1; sample <= SAMPLES; sample++) {
        const slot = first + Math.floor((count * sample) / (SAMPLES + 1)) - 1;
        if (slot < first || slot >= entryCount(view)) continue;
        const key = new Uint8Array(TREE_KEY_BYTES_MAX);
        const length = copyKey(view, slot, key);
        probes.push(new Probe().set(key, length, separatorVersion(view, slot)));
      }
      return probes;
    });
  }
}

/** One page of a way: its children or rows, and how many of them are left of the way. */
interface Step {
  readonly count: number;
  readonly slot: number;
  readonly bytes: number;
}

type Way = readonly Step[];

function stepOf(page: PageView, probe: Probe): Step {
  const entries = entryCount(page);
  const bytes = usedBytes(page);
  if (pageLevel(page) === 0) return { count: entries, slot: lowerBound(page, probe), bytes };
  return { count: entries + 1, slot: findChild(page, probe) + 1, bytes };
}

/** Rows under a page, by its distance from the leaves: as many as the pages seen have on average. */
function subtreeRows(ways: readonly Way[]): number[] {
  const sizes: number[] = [];
  const height = Math.min(...ways.map(({ length }) => length));
  for (let level = 0; level < height; level++) {
    const steps = ways.map((way) => way[way.length - 1 - level]!);
    sizes.push((sum(steps, "count") / steps.length) * (sizes[level - 1] ?? 1));
  }
  return sizes;
}

function rowsBefore(way: Way, sizes: readonly number[]): number {
  let rows = 0;
  for (const [at, { slot }] of way.entries()) rows += slot * (sizes[way.length - 2 - at] ?? 1);
  return rows;
}

function sum(steps: readonly Step[], field: "count" | "bytes"): number {
  let total = 0;
  for (const step of steps) total += step[field];
  return total;
}
