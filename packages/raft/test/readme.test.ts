import { pathToFileURL } from "node:url";
import { expect, test, vi } from "vitest";

import { examplesOf, withExample } from "./examples.ts";
import { CounterCluster } from "./counter-processes.ts";

test("the counter of the README runs on three nodes of one process, and prints itself", async () => {
  const [example, ...others] = await examplesOf("../README.md", "ts");
  const printed: unknown[] = [];
  const log = vi.spyOn(console, "log").mockImplementation((line) => printed.push(line));

  await withExample(example!, (file) => import(pathToFileURL(file).href));
  log.mockRestore();

  expect(others).toEqual([]);
  expect(example!.split("\n").length).toBeLessThanOrEqual(61);
  const [shown] = await examplesOf("../README.md", "text");
  expect(shape(String(printed[0]))).toEqual(shape(shown!));
});

test("the example of the core alone runs", async () => {
  const examples = await examplesOf("../../../docs/raft.md", "ts");
  expect(examples).toHaveLength(1);
  await withExample(examples[0]!, (file) => import(pathToFileURL(file).href));
});

test("the counter of the README runs on three processes, and outlives kills", async () => {
  const [example, ...others] = await examplesOf("../README.md", "ts process");
  expect(others).toEqual([]);
  expect(example!.split("\n").length).toBeLessThanOrEqual(61);
  await withExample(example!, async (file, folder) => {
    const cluster = await CounterCluster.start(file, folder);
    try {
      const first = await cluster.add(5);
      await cluster.everybodyShows(5);
      cluster.kill(first);
      const second = await cluster.add(7);
      expect(second).not.toBe(first);
      cluster.start(first);
      await cluster.everybodyShows(12);
    } finally {
      await cluster.stop();
    }
  });
});

/** What a replica prints, without what elections decide, and which votes came late. */
function shape(text: string): string[] {
  const names = text.replaceAll(/\bn\d/g, "n").replaceAll(/term=\d+|log=\d+/g, "term");
  const lines = names.trimEnd().split("\n");
  return lines.filter((line) => !line.includes("dropped"));
}
