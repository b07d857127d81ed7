import { type Timestamp } from "../timestamp.ts";
import { type ConflictWindow } from "./conflict-window.ts";
import { type NameRange, treeOfName } from "./key-name.ts";

/** Keys remembered one by one; beyond it they become one range for each tree. */
const POINTS_MAX = 50_000;
/** Ranges remembered; beyond it those of a tree become one. */
const RANGES_MAX = 1000;

/** A range that is being read: it grows with what was seen of it. */
export interface OpenRange extends NameRange {
  from: string;
  to: string | undefined;
}

/**
 * What a transaction has read, and so what must not have changed when it commits: keys and ranges,
 * whether anything was found there or not. It may come to hold more than was read, never less.
 */
export class ReadSet {
  readonly #pointsMax: number;
  readonly #points = new Set<string>();
  #ranges: NameRange[] = [];
  /** Made with the first range: most transactions have none. */
  #open: Set<OpenRange> | undefined;

  constructor(pointsMax: number = POINTS_MAX) {
    this.#pointsMax = pointsMax;
  }

  addPoint(name: string): void {
    this.#points.add(name);
    if (this.#points.size > this.#pointsMax) this.#widenPoints();
  }

  /** Begins a range: move its ends before what lies between them is told to anybody. */
  openRange(range: OpenRange): OpenRange {
    (this.#open ??= new Set()).add(range);
    return range;
  }

  /** The range grows no more. */
  closeRange(range: OpenRange): void {
    if (this.#open?.delete(range) !== true) return;
    this.#ranges.push(range);
    if (this.#ranges.length > RANGES_MAX) this.#ranges = spansOf(this.#ranges);
  }

  /** A key that was written after the timestamp and belongs to what was read, if there is one. */
  firstChange(
    window: ConflictWindow,
    timestamp: Timestamp,
    sabotage: ReadSabotage,
  ): string | undefined {
    if (!sabotage.skipsPoints) {
      for (const name of this.#points) if (window.isWrittenAfter(name, timestamp)) return name;
    }
    if (sabotage.skipsRanges) return undefined;
    return changeIn(this.#ranges, window, timestamp) ?? changeIn(this.#open, window, timestamp);
  }

  #widenPoints(): void {
    const points = [...this.#points].map((name) => pointRange(name));
    this.#ranges = spansOf([...this.#ranges, ...points]);
    this.#points.clear();
  }
}

/** What goes wrong on purpose. */
export interface ReadSabotage {
  readonly skipsPoints: boolean;
  readonly skipsRanges: boolean;
}

function changeIn(
  ranges: Iterable<NameRange> | undefined,
  window: ConflictWindow,
  timestamp: Timestamp,
): string | undefined {
  if (ranges === undefined) return undefined;
  for (const range of ranges) {
    const found = window.writtenInRange(range, timestamp);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The range of one key alone. */
function pointRange(name: string): NameRange {
  return { tree: treeOfName(name), from: name, to: `${name}\0` };
}

/** For each tree one range that spans all of its. */
function spansOf(ranges: readonly NameRange[]): NameRange[] {
  const spans = new Map<number, NameRange>();
  for (const { tree, from, to } of ranges) {
    const span = spans.get(tree);
    if (span === undefined) spans.set(tree, { tree, from, to });
    else {
      const start = from < span.from ? from : span.from;
      spans.set(tree, { tree, from: start, to: laterEnd(span.to, to) });
    }
  }
  return [...spans.values()];
}

/** The later of two ends, of which `undefined` is the last. */
function laterEnd(a: string | undefined, b: string | undefined): string | undefined {
  if (a === undefined || b === undefined) return undefined;
  return a > b ? a : b;
}
