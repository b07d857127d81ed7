import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { SETTINGS } from "../src/index.ts";

const DOCUMENT = new URL("../../../docs/operating/configure.md", import.meta.url);

/** The rows of the table of settings: setting, variable, flag, default, meaning. */
function documented(): string[][] {
  const section = readFileSync(DOCUMENT, "utf8").split(/^## /m)[1]!;
  const rows = section.match(/^\| `.*$/gm) ?? [];
  return rows.map((row) =>
    row
      .split("|")
      .slice(1, 4)
      .map((cell) => cell.trim().replaceAll("`", "")),
  );
}

test("docs/operating/configure.md lists every setting, its variable and its flag", () => {
  const wanted = Object.values(SETTINGS).map(({ path, variable, flag }) => [path, variable, flag]);

  expect(documented()).toEqual(wanted);
});

test("every default is a value that the setting accepts", () => {
  for (const { schema, fallback } of Object.values(SETTINGS)) {
    expect(schema.parse(fallback)).toBe(fallback);
  }
});

test("places, variables and flags are named alike", () => {
  for (const { variable, flag } of Object.values(SETTINGS)) {
    const name = flag.split(" ")[0]!.replace("--", "");
    expect(variable).toBe(`KVS_${name.toUpperCase().replaceAll("-", "_")}`);
  }
});
