import { type Machine } from "./machine.ts";

/** One figure. Optional fields are absent, never `null`. */
export interface Row {
  /** `suite.measure[.callers][@peer]`. */
  readonly id: string;
  readonly unit: string;
  /** Ours: the median over the samples. */
  readonly value: number;
  /** The peer's name, exactly on ids with `@`; so are `peerValue` and `ratio`. */
  readonly peer?: string;
  readonly peerValue?: number;
  /** The median over the pairs of ours to the peer's, so that more is better. */
  readonly ratio?: number;
  /** Least and greatest: of the ratio on rows with a peer, of the value on the others. */
  readonly spread?: readonly [low: number, high: number];
  /** Processor time of our process in microseconds per operation. */
  readonly cpuMicrosPerOp?: number;
  /** Our latencies in milliseconds, from the moment each operation was meant to begin. */
  readonly p50?: number;
  readonly p99?: number;
  /** What this machine made of the measurement: whether the page cache could be emptied, say. */
  readonly note?: string;
}

/** A row that could not be measured here, and why. */
export interface Skipped {
  readonly id: string;
  readonly reason: string;
}

/** Everything one run found. */
export interface Report {
  readonly suite: string;
  readonly machine: Machine;
  readonly isQuick: boolean;
  readonly rows: readonly Row[];
  readonly skipped: readonly Skipped[];
}

/** The report as scripts read it. */
export function toJson(report: Report): string {
  const { commit, node, machine } = report.machine;
  const rows = report.rows.map((row) => ({ ...row }));
  return `${JSON.stringify({ suite: report.suite, commit, node, machine, rows }, undefined, 2)}\n`;
}

const COLUMNS = [
  "row",
  "value",
  "unit",
  "peer",
  "ratio",
  "spread",
  "cpu µs/op",
  "p50 ms",
  "p99 ms",
];

/** The report as people read it: a header, a table, what was skipped. */
export function toText(report: Report): string {
  const { machine } = report;
  const lines = [
    `suite ${report.suite}, commit ${machine.commit}, Node ${machine.node}`,
    `${machine.machine}; load ${machine.loadBefore.toFixed(1)} before the run`,
    ...(report.isQuick ? ["QUICK: small sizes and few samples, no figures to quote"] : []),
    "",
    ...alignColumns([COLUMNS, ...report.rows.map(cellsOf)]),
    ...report.rows.flatMap(({ id, note }) => (note === undefined ? [] : [`${id}: ${note}`])),
    ...report.skipped.map(({ id, reason }) => `skipped ${id}: ${reason}`),
  ];
  return `${lines.join("\n")}\n`;
}

function cellsOf(row: Row): string[] {
  const figures = [row.peerValue, row.ratio].map(formatFigure);
  const spread = row.spread === undefined ? "" : row.spread.map(formatFigure).join(" – ");
  const costs = [row.cpuMicrosPerOp, row.p50, row.p99].map(formatFigure);
  return [row.id, formatFigure(row.value), row.unit, ...figures, spread, ...costs];
}

/** Three significant digits, thousands apart: a benchmark that shows more is boasting. */
export function formatFigure(value: number | undefined): string {
  if (value === undefined) return "";
  if (Math.abs(value) < 1000) return String(Number(value.toPrecision(3)));
  return Math.round(Number(value.toPrecision(3)))
    .toString()
    .replaceAll(/\B(?=(\d{3})+$)/g, ",");
}

function alignColumns(table: readonly (readonly string[])[]): string[] {
  const widths = COLUMNS.map((_, column) =>
    Math.max(...table.map((cells) => cells[column]!.length)),
  );
  return table.map((cells) =>
    cells
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!),
      )
      .join("  ")
      .trimEnd(),
  );
}
