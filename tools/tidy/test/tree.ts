import { type Finding } from "../src/finding.ts";
import { SourceTree } from "../src/source-tree.ts";

/** A tree of the given files. */
export function treeOf(textOf: Readonly<Record<string, string>>): SourceTree {
  return new SourceTree(new Map(Object.entries(textOf)));
}

/** Findings as `file:line message`, one string each, in the order found. */
export function shown(findings: readonly Finding[]): string[] {
  return findings.map(({ file, line, message }) => `${file}:${line} ${message}`);
}

/** A manifest that breaks no rule, with what a test wants otherwise. */
export function manifestOf(name: string, changes: Readonly<Record<string, unknown>> = {}): string {
  const manifest = {
    name: `@kvs/${name}`,
    version: "0.1.0",
    description: "One sentence.",
    license: "Apache-2.0",
    files: ["dist", "src", "README.md", "CHANGELOG.md"],
    type: "module",
    exports: { ".": "./src/index.ts" },
    publishConfig: {
      exports: { ".": { types: "./dist/index.d.ts", default: "./dist/index.js" } },
      access: "public",
    },
    scripts: {
      build: "tsc -p tsconfig.build.json",
      package: "publint --strict --pack pnpm",
      types: "tsc -p . && tsc -p test",
      test: "vitest run --config ../../vitest.config.ts",
    },
    engines: { node: ">=22.18" },
    ...changes,
  };
  return JSON.stringify(manifest, undefined, 2);
}
