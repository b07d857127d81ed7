import { assert } from "@kvs/env";

/**
 * Counters, gauges and histograms, and their text in Prometheus' format.
 *
 * Every series is made when its owner is: adding to one is an addition to a field.
 *
 * Source: "Exposition formats", prometheus.io, text format 0.0.4.
 */
export class Metrics {
  readonly #families = new Map<string, Family>();

  /** A number that only grows. Its name ends in `_total`. */
  counter(name: string, help: string, labels: Labels = {}): Counter {
    assert(name.endsWith("_total"), "the name of a counter ends in _total");
    const counter = new Counter();
    this.#add({ name, help, type: "counter" }, () => [
      `${name}${formatLabels(labels)} ${counter.value}`,
    ]);
    return counter;
  }

  /** A number that only grows, and that `read` tells. Its name ends in `_total`. */
  total(name: string, help: string, read: () => number): void {
    assert(name.endsWith("_total"), "the name of a counter ends in _total");
    this.#add({ name, help, type: "counter" }, () => [`${name} ${read()}`]);
  }

  /** A number that `read` tells when it is asked for. */
  gauge(name: string, help: string, read: () => number): void {
    this.#add({ name, help, type: "gauge" }, () => [`${name} ${read()}`]);
  }

  /** How often a value was at most each bound. */
  histogram(options: HistogramOptions): Histogram {
    const { name, help, labels = {} } = options;
    const histogram = new Histogram(options.bounds);
    this.#add({ name, help, type: "histogram" }, () => histogram.lines(name, labels));
    return histogram;
  }

  /** All series as text. */
  render(): string {
    const lines: string[] = [];
    for (const { name, help, type, series } of this.#families.values()) {
      lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
      for (const each of series) lines.push(...each());
    }
    return `${lines.join("\n")}\n`;
  }

  #add(kind: Omit<Family, "series">, lines: () => readonly string[]): void {
    const family = this.#families.get(kind.name) ?? { ...kind, series: [] };
    assert(family.type === kind.type, "a name stands for one type of metric");
    family.series.push(lines);
    this.#families.set(kind.name, family);
  }
}

export type Labels = Readonly<Record<string, string>>;

interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly series: (() => readonly string[])[];
}

export interface HistogramOptions {
  readonly name: string;
  readonly help: string;
  /** Upper bounds of the buckets, ascending. */
  readonly bounds: readonly number[];
  readonly labels?: Labels;
}

export class Counter {
  #value = 0;

  get value(): number {
    return this.#value;
  }

  add(amount = 1): void {
    assert(amount >= 0, "a counter only grows");
    this.#value += amount;
  }
}

export class Histogram {
  readonly #bounds: readonly number[];
  /** Observations in each bucket alone; the last one is without bound. */
  readonly #counts: number[];
  #sum = 0;

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = Array.from({ length: bounds.length + 1 }, () => 0);
  }

  /** Notes `times` observations of one value. */
  observe(value: number, times = 1): void {
    let bucket = 0;
    while (bucket < this.#bounds.length && value > this.#bounds[bucket]!) bucket++;
    this.#counts[bucket]! += times;
    this.#sum += value * times;
  }

  /** The series of this histogram: a cumulative count for each bound, the sum and the count. */
  lines(name: string, labels: Labels): string[] {
    const lines: string[] = [];
    let total = 0;
    for (const [bucket, count] of this.#counts.entries()) {
      total += count;
      const le = String(this.#bounds[bucket] ?? "+Inf");
      lines.push(`${name}_bucket${formatLabels({ ...labels, le })} ${total}`);
    }
    const suffix = formatLabels(labels);
    lines.push(`${name}_sum${suffix} ${this.#sum}`, `${name}_count${suffix} ${total}`);
    return lines;
  }
}

function formatLabels(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escape(value)}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

function escape(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
