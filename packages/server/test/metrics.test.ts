import { REQUEST_KINDS } from "@kvs/protocol";
import { expect, test } from "vitest";
import { Metrics } from "../src/observe/metrics.ts";
import { ServerMetrics } from "../src/observe/server-metrics.ts";

test("series are printed by name, with help, type and labels", () => {
  const metrics = new Metrics();
  const ok = metrics.counter("things_total", "Things.", { kind: "ok" });
  const odd = metrics.counter("things_total", "Things.", { kind: 'a"b\\c\nd' });
  metrics.gauge("level", "How full.", () => 0.5);
  ok.add();
  ok.add(4);
  odd.add(0);

  expect(metrics.render()).toBe(
    [
      "# HELP things_total Things.",
      "# TYPE things_total counter",
      'things_total{kind="ok"} 5',
      'things_total{kind="a\\"b\\\\c\\nd"} 0',
      "# HELP level How full.",
      "# TYPE level gauge",
      "level 0.5",
      "",
    ].join("\n"),
  );
});

test("buckets of a histogram are cumulative, their bounds inclusive", () => {
  const metrics = new Metrics();
  const histogram = metrics.histogram({ name: "took", help: "Time.", bounds: [1, 2] });
  histogram.observe(0.5);
  histogram.observe(1);
  histogram.observe(1.5, 3);
  histogram.observe(9);

  expect(metrics.render().split("\n").slice(2, -1)).toEqual([
    'took_bucket{le="1"} 2',
    'took_bucket{le="2"} 5',
    'took_bucket{le="+Inf"} 6',
    "took_sum 15",
    "took_count 6",
  ]);
});

test("bugs of the caller are assertions", () => {
  const metrics = new Metrics();
  const counter = metrics.counter("a_total", "A.");

  expect(() => metrics.counter("a", "A.")).toThrow("ends in _total");
  expect(() => metrics.gauge("a_total", "A.", () => 1)).toThrow("one type of metric");
  expect(() => counter.add(-1)).toThrow("a counter only grows");
});

test("a database cannot fill the metrics with codes of its own", () => {
  const metrics = new ServerMetrics();

  for (let code = 0; code < 1000; code++) metrics.error(`CODE_${code}`);

  const lines = metrics.registry.render().split("\n");
  expect(lines.filter((line) => line.startsWith("kvs_errors_total{"))).toHaveLength(201);
  expect(lines).toContain('kvs_errors_total{code="other"} 800');
});

test("every kind of request has its series from the start", () => {
  const text = new ServerMetrics().registry.render();

  for (const { name } of REQUEST_KINDS) {
    expect(text).toContain(`kvs_requests_total{request="${name}"} 0`);
  }
});
