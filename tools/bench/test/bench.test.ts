import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { bench } from "../src/bench.ts";
import { matchesFilters } from "../src/command-line.ts";
import { type Suite } from "../src/suite.ts";

const demo: Suite = {
  name: "demo",
  description: "a suite for tests",
  measures: [
    {
      id: "demo.get.1",
      unit: "1/s",
      run: async () => ({ value: 30 }),
      peers: [{ name: "peer", run: async () => ({ value: 10 }) }],
    },
    { id: "demo.put.1", unit: "1/s", run: async () => ({ value: 5 }) },
  ],
};

async function run(
  ...given: string[]
): Promise<{ exitCode: number; output: string; warnings: string }> {
  const texts = { output: "", warnings: "" };
  const exitCode = await bench(given, [demo], {
    folder: tmpdir(),
    print: (text) => {
      texts.output += text;
    },
    warn: (text) => {
      texts.warnings += text;
    },
  });
  return { exitCode, ...texts };
}

test("a suite runs, prints its table and writes the JSON", async () => {
  const folder = mkdtempSync(join(tmpdir(), "kvs-bench-test-"));
  try {
    const path = join(folder, "out.json");
    const { exitCode, output } = await run("demo", "--json", path);

    expect(exitCode).toBe(0);
    expect(output).toContain("demo.get.1@peer");
    const json = JSON.parse(readFileSync(path, "utf8"));
    expect(Object.keys(json)).toEqual(["suite", "commit", "node", "machine", "rows"]);
    expect(json.node).toBe(process.versions.node);
    expect(json.rows.map((row: { id: string }) => row.id)).toEqual([
      "demo.get.1",
      "demo.get.1@peer",
      "demo.put.1",
    ]);
    for (const row of json.rows) {
      expect("ratio" in row && "peerValue" in row && "peer" in row).toBe(row.id.includes("@"));
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("without peers only our own rows run", async () => {
  const { output } = await run("demo", "--peers", "none", "--quick");

  expect(output).toContain("demo.get.1 ");
  expect(output).not.toContain("@");
  expect(output).toContain("QUICK");
});

test("a filter runs only what it names", async () => {
  const { output } = await run("demo", "--filter", "demo.get.1@peer");

  expect(output).toContain("demo.get.1@peer");
  expect(output).not.toMatch(/demo\.get\.1 |demo\.put/);
});

test.each([
  [["demmo"], 'Did you mean "demo"?'],
  [["demo", "--jason", "x"], "Did you mean --json?"],
  [["demo", "--filter", "demo.gett.1"], 'Did you mean "demo.get.1"?'],
  [["demo", "--peers", "pear"], 'Did you mean "peer"?'],
  [["demo", "--json"], "argument missing"],
  [[], "missing required argument"],
  [["demo", "more"], "too many arguments"],
])("%j is refused with a helpful message and exit code 2", async (given, message) => {
  const { exitCode, output, warnings } = await run(...given);

  expect(exitCode).toBe(2);
  expect(warnings).toContain(message);
  expect(output).toBe("");
});

test("help lists the suites and is no mistake", async () => {
  const { exitCode, output } = await run("--help");

  expect(exitCode).toBe(0);
  expect(output).toContain("a suite for tests");
});

test("a leading -- is the package manager's, not ours", async () => {
  expect((await run("--", "demo", "--quick")).exitCode).toBe(0);
});

test("filters match whole parts of an id, or patterns", () => {
  expect(matchesFilters("node.echo.64", [])).toBe(true);
  expect(matchesFilters("node.echo.64", ["node.echo"])).toBe(true);
  expect(matchesFilters("node.echo.64@ws", ["node.echo.64"])).toBe(true);
  expect(matchesFilters("node.echo.64", ["node.echo.6"])).toBe(false);
  expect(matchesFilters("node.echo.64", ["*.64"])).toBe(true);
  expect(matchesFilters("nodexecho.64", ["node.e*"])).toBe(false);
});
