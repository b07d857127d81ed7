import { expect, test } from "vitest";
import { findImports } from "../src/imports.ts";

test("every form of import is found, with its line", () => {
  const text = [
    `import { a } from "./a.ts";`,
    `import {`,
    `  type B,`,
    `  c,`,
    `} from "./b.ts";`,
    `import type { D } from "./d.ts";`,
    `import "./e.ts";`,
    `import * as f from "node:fs";`,
    `export { g } from "./g.ts";`,
    `export * from "./h.ts";`,
    `const i = await import("./i.ts");`,
    `type J = import("./j.ts").J;`,
    `const k = require("./k.cjs");`,
  ].join("\n");

  expect(findImports(text).map(({ specifier, line }) => `${line} ${specifier}`)).toEqual([
    "1 ./a.ts",
    "5 ./b.ts",
    "6 ./d.ts",
    "7 ./e.ts",
    "8 node:fs",
    "9 ./g.ts",
    "10 ./h.ts",
    "11 ./i.ts",
    "12 ./j.ts",
    "13 ./k.cjs",
  ]);
});

test("comments and exported values are no imports", () => {
  const text = [
    `/**`,
    `import { a } from "./a.ts";`,
    ` */`,
    `// import { b } from "./b.ts";`,
    `export const c = "./c.ts";`,
    `export function d(): string { return from("./d.ts"); }`,
    `  /* export * from "./e.ts"; */`,
    'import { f } from "${import.meta.resolve(name)}";',
  ].join("\n");

  expect(findImports(text)).toEqual([]);
});
