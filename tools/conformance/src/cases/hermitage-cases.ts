import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { type Isolation } from "@kvs/protocol";
import { type ConformanceCase } from "../conformance-case.ts";
import { type Interleaving, runInterleaving } from "../hermitage.ts";
import { INTERLEAVINGS } from "../interleavings.ts";

const LEVELS: readonly Isolation[] = ["read-committed", "snapshot", "serializable"];

/** The document is what the results are compared with: a line of its table for each. */
const DOCUMENT = readFileSync(new URL("../../../../docs/transactions.md", import.meta.url), "utf8");

export const HERMITAGE_CASES: readonly ConformanceCase[] = INTERLEAVINGS.map((interleaving) => ({
  name: `Hermitage's ${interleaving.name} does at each level what docs/transactions.md says`,
  async run(database) {
    const cells: string[] = [];
    for (const level of LEVELS) cells.push(await runInterleaving(database, interleaving, level));
    assert.equal(lineOf(interleaving.name), toLine(interleaving, cells));
  },
}));

function toLine({ name, anomaly }: Interleaving, cells: readonly string[]): string {
  return `| ${[name, anomaly, ...cells].join(" | ")} |`;
}

/** The line of the document's table that begins with this name. */
function lineOf(name: string): string {
  return DOCUMENT.split("\n").find((line) => line.startsWith(`| ${name} |`)) ?? "none";
}
