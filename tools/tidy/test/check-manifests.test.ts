import { expect, test } from "vitest";
import { checkManifests } from "../src/check-manifests.ts";
import { manifestOf, shown, treeOf } from "./tree.ts";

const ROOT = { private: true, packageManager: "pnpm@1.2.3" };

function check(
  changes: Readonly<Record<string, unknown>>,
  root: Readonly<Record<string, unknown>> = ROOT,
  folder = "packages/wal",
): string[] {
  const tree = treeOf({
    "package.json": JSON.stringify(root, undefined, 2),
    "packages/env/package.json": manifestOf("env"),
    "packages/env/README.md": "",
    "packages/env/tsconfig.json": "",
    "packages/env/tsconfig.build.json": "",
    [`${folder}/package.json`]: manifestOf(folder.split("/")[1]!, {
      ...(folder === "packages/wal" ? { scripts: WAL_SCRIPTS } : {}),
      ...changes,
    }),
    [`${folder}/README.md`]: "",
    [`${folder}/tsconfig.json`]: "",
    [`${folder}/tsconfig.build.json`]: "",
  });
  return shown(checkManifests(tree));
}

const WAL_SCRIPTS = {
  build: "tsc",
  package: "publint",
  types: "tsc",
  test: "vitest run --config ../../vitest.config.ts",
  "test:coverage":
    "vitest run --config ../../vitest.config.ts --coverage --coverage.thresholds.lines=90 --coverage.thresholds.branches=90",
};

const PUBLISHED = { ".": { types: "./dist/index.d.ts", default: "./dist/index.js" } };

test("manifests that follow the rules are fine", () => {
  expect(check({ dependencies: { "@kvs/env": "workspace:*", ws: "catalog:" } })).toEqual([]);
});

test("with wiring beside the sources, both keep their folder when published", () => {
  const exports = { ".": "./wiring/index.ts", "./engine": "./src/index.ts" };
  const published = (entry: string): object => ({
    types: `./dist/${entry}.d.ts`,
    default: `./dist/${entry}.js`,
  });
  const wired = { ".": published("wiring/index"), "./engine": published("src/index") };

  expect(check({ exports, publishConfig: { access: "public", exports: wired } })).toEqual([]);
  const flat = { ".": published("index"), "./engine": published("index") };
  expect(check({ exports, publishConfig: { access: "public", exports: flat } })).toHaveLength(2);
});

test.each([
  ["name", { name: "@kvs/log" }],
  ["version", { version: "0.2.0" }],
  ["license", { license: "MIT" }],
  ["type", { type: "commonjs" }],
  ["description", { description: "no sentence" }],
  ["files", { files: ["dist", "src", "README.md"] }],
  ["engines.node", { engines: { node: ">=20" } }],
  ["private", { private: true }],
  ["build script", { scripts: { ...WAL_SCRIPTS, build: undefined } }],
  ["scripts.test", { scripts: { ...WAL_SCRIPTS, test: "vitest" } }],
  ["scripts.test:coverage", { scripts: { ...WAL_SCRIPTS, "test:coverage": "vitest" } }],
  ["exports", { exports: { ".": "./dist/index.js" }, publishConfig: { access: "public" } }],
  ["publishConfig", { publishConfig: { access: "public" } }],
  ["publishConfig.access", { publishConfig: { exports: PUBLISHED, access: "restricted" } }],
  ["left-pad", { dependencies: { "left-pad": "1.0.0" } }],
  ["@kvs/env", { dependencies: { "@kvs/env": "0.1.0" } }],
  ["@kvs/txn", { dependencies: { "@kvs/txn": "workspace:*" } }],
  ["@kvs/sim", { dependencies: { "@kvs/sim": "workspace:*" } }],
])("a fault in %s is found", (name, changes) => {
  const found = check(changes);

  expect(found).toHaveLength(1);
  expect(found[0]).toMatch(/^packages\/wal\/package\.json:\d+ /);
  expect(found[0]).toContain(name);
});

test("a test may depend on the simulator", () => {
  expect(check({ devDependencies: { "@kvs/sim": "workspace:*" } })).toEqual([]);
});

test("a package without a README is found", () => {
  const tree = treeOf({
    "package.json": JSON.stringify(ROOT),
    "packages/env/package.json": manifestOf("env"),
    "packages/env/tsconfig.json": "",
    "packages/env/tsconfig.build.json": "",
  });

  expect(shown(checkManifests(tree))).toEqual([
    "packages/env/package.json:2 the package lacks README.md",
  ]);
});

test("a finding names the line of the key", () => {
  const [found] = check({ dependencies: { "@kvs/txn": "workspace:*" } });
  const lines = manifestOf("wal", { scripts: WAL_SCRIPTS }).split("\n");

  // The dependency's line follows the last line but one of the unchanged manifest.
  expect(found).toContain(`package.json:${lines.length + 1} `);
});

test("tools are private", () => {
  const changes = { name: "@kvs/bench-tool", private: undefined };

  expect(check(changes, ROOT, "tools/bench")).toEqual([
    "tools/bench/package.json:2 is not published: it must be private",
  ]);
});

test("the root depends on no package of ours and pins pnpm", () => {
  const root = {
    private: true,
    packageManager: "pnpm",
    devDependencies: { "@kvs/env": "catalog:" },
  };

  expect(check({}, root)).toEqual([
    'package.json:5 the root may not depend on "@kvs/env"',
    "package.json:3 must pin one version of pnpm",
  ]);
});

test("the pinned Node.js has one version", () => {
  const tree = treeOf({
    ".node-version": "24.1.0\n",
    "package.json": JSON.stringify(ROOT),
    "pnpm-workspace.yaml": "nodeVersion: 24.1.0\n\ncatalog:\n  node: 24.2.0\n  node-x: 1.0.0\n",
  });

  expect(shown(checkManifests(tree))).toEqual(["pnpm-workspace.yaml:4 .node-version says 24.1.0"]);
});
