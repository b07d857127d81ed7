import { expect, test } from "vitest";
import { checkLayers } from "../src/check-layers.ts";
import { LAYERS } from "../src/layers.ts";
import { manifestOf, shown, treeOf } from "./tree.ts";

const manifests = {
  "packages/codec/package.json": manifestOf("codec"),
  "packages/env/package.json": manifestOf("env"),
  "packages/node/package.json": manifestOf("node"),
  "packages/pager/package.json": manifestOf("pager"),
  "packages/raft/package.json": manifestOf("raft"),
  "packages/sim/package.json": manifestOf("sim"),
  "packages/wal/package.json": manifestOf("wal"),
  "tools/bench/package.json": manifestOf("bench-tool"),
};

function check(file: string, specifier: string): string[] {
  return shown(checkLayers(treeOf({ ...manifests, [file]: `import "${specifier}";\n` })));
}

test("an import of a layer below is fine", () => {
  expect(check("packages/wal/src/wal.ts", "@kvs/codec")).toEqual([]);
});

test("an import of a sibling is found", () => {
  expect(check("packages/wal/src/wal.ts", "@kvs/pager")).toEqual([
    'packages/wal/src/wal.ts:1 wal may not import "@kvs/pager" here: its layer allows env, codec',
  ]);
});

test("an import of a layer above is found, type or value", () => {
  const tree = treeOf({
    ...manifests,
    "packages/env/src/a.ts": `import { type Wal } from "@kvs/wal";`,
    "packages/env/src/b.ts": ["export type W = import", "('@kvs/wal').Wal;"].join(""),
  });

  expect(checkLayers(tree).map(({ file }) => file)).toEqual([
    "packages/env/src/a.ts",
    "packages/env/src/b.ts",
  ]);
});

test("tests above the simulator may use it; those of env and codec may not", () => {
  expect(check("packages/wal/test/wal.test.ts", "@kvs/sim")).toEqual([]);
  expect(check("packages/node/test/disk.test.ts", "@kvs/sim")).toEqual([]);
  expect(check("packages/wal/src/wal.ts", "@kvs/sim")).toHaveLength(1);
  expect(check("packages/env/test/disk.test.ts", "@kvs/sim")).toHaveLength(1);
  expect(check("packages/codec/test/utf8.test.ts", "@kvs/sim")).toHaveLength(1);
});

test("only node may import Node.js, and codec its checksum", () => {
  expect(check("packages/node/src/disk.ts", "node:fs")).toEqual([]);
  expect(check("packages/codec/src/crc32.ts", "node:zlib")).toEqual([]);
  expect(check("packages/wal/test/wal.test.ts", "node:fs")).toEqual([]);
  expect(check("packages/wal/src/wal.ts", "node:fs")).toHaveLength(1);
  expect(check("packages/codec/src/crc32.ts", "node:fs")).toHaveLength(1);
});

test("a library that is not on the list is found", () => {
  expect(check("packages/codec/src/document.ts", "msgpackr")).toEqual([]);
  expect(check("packages/wal/src/wal.ts", "msgpackr")).toHaveLength(1);
  expect(check("packages/node/src/network.ts", "ws/lib/sender.js")).toEqual([]);
  expect(check("packages/wal/test/wal.test.ts", "left-pad")).toHaveLength(1);
});

test("the core of raft may import env only", () => {
  expect(check("packages/raft/src/core/step.ts", "@kvs/env")).toEqual([]);
  expect(check("packages/raft/src/log-store.ts", "@kvs/wal")).toEqual([]);
  expect(check("packages/raft/src/core/step.ts", "@kvs/codec")).toHaveLength(1);
});

test("a file of another project is out of reach, and so is a hidden entry", () => {
  expect(check("packages/wal/src/wal.ts", "../../codec/src/crc32.ts")).toHaveLength(1);
  expect(check("packages/wal/src/wal.ts", "@kvs/codec/src/crc32.ts")).toHaveLength(1);
  expect(check("tools/bench/src/main.ts", "@kvs/wal/src/wal.ts")).toHaveLength(1);
  expect(check("tools/bench/src/main.ts", "@kvs/wal")).toEqual([]);
});

test("a package does not import its own index, its tests may", () => {
  expect(check("packages/wal/src/wal.ts", "./index.ts")).toHaveLength(1);
  expect(check("packages/wal/src/wal.ts", "@kvs/wal")).toHaveLength(1);
  expect(check("packages/wal/test/public-api.test.ts", "../src/index.ts")).toEqual([]);
  expect(check("packages/wal/test/readme.test.ts", "@kvs/wal")).toEqual([]);
});

test("a package without a layer is found", () => {
  const tree = treeOf({ "packages/extra/package.json": manifestOf("extra") });

  expect(shown(checkLayers(tree))).toEqual([
    "packages/extra/package.json:1 extra has no layer: add it to tools/tidy/src/layers.ts",
  ]);
});

test("the table has no cycle: every layer imports only layers named before it", () => {
  const seen = new Set<string>();
  for (const [name, layer] of Object.entries(LAYERS)) {
    for (const below of layer.imports) expect(seen, `${name} imports ${below}`).toContain(below);
    seen.add(name);
  }
});
