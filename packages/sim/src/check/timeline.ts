/** Rows of a timeline at most: what a person takes in at a glance. */
export const TIMELINE_ROWS_MAX = 16;

/** One operation of a timeline: when, who, what, and what is to be said of it. */
export interface TimelineRow {
  readonly invokedAt: number;
  /** `Infinity` draws an arrow to the end. */
  readonly completedAt: number;
  readonly process: number;
  readonly label: string;
  readonly note: string;
}

/**
 * Draws intervals of time one below the other, in order of their beginning:
 *
 *   p0  [--]        write 1   1st
 *   p1    [------>  write 2
 *   p2       [--]   read → 1  2nd
 *
 * Columns are the order of events, not their distance. No line ends in a space.
 *
 * @param rows At most `TIMELINE_ROWS_MAX` are drawn: the last ones.
 */
export function drawTimeline(rows: readonly TimelineRow[]): string {
  const sorted = rows.toSorted((a, b) => a.invokedAt - b.invokedAt).slice(-TIMELINE_ROWS_MAX);
  const columnOf = columnsByTime(sorted);
  const end = 2 * columnOf.size + 2;
  const names = alignLeft(sorted.map((row) => `p${row.process}`));
  const labels = alignLeft(sorted.map((row) => row.label));
  const lines = sorted.map((row, at) => {
    const from = columnOf.get(row.invokedAt)!;
    const to = columnOf.get(row.completedAt);
    const bar =
      to === undefined
        ? `[${"-".repeat(end - from - 2)}>`
        : `[${"-".repeat(Math.max(to - from - 1, 0))}]`;
    const drawn = (" ".repeat(from) + bar).padEnd(end);
    return `${names[at]}  ${drawn}  ${labels[at]}  ${row.note}`.trimEnd();
  });
  return lines.join("\n");
}

/** The column of each moment: two to an event, so that intervals that touch stay apart. */
function columnsByTime(rows: readonly TimelineRow[]): Map<number, number> {
  const moments = rows.flatMap((row) => [row.invokedAt, row.completedAt]).filter(Number.isFinite);
  const distinct = [...new Set(moments)].toSorted((a, b) => a - b);
  return new Map(distinct.map((moment, at) => [moment, 2 * at]));
}

function alignLeft(texts: readonly string[]): string[] {
  const width = Math.max(...texts.map((text) => text.length), 0);
  return texts.map((text) => text.padEnd(width));
}
