/**
 * Who may import whom: the layers of ARCHITECTURE.md as data. A package not named here is a
 * finding, so that nobody adds one without saying where it stands.
 */
export interface Layer {
  /** Packages of ours that its sources may import. */
  readonly imports: readonly string[];
  /** Further ones that only its tests may import. */
  readonly testImports: readonly string[];
  /** Libraries and `node:` modules that its sources may import. */
  readonly externals: readonly string[];
  /** Parts of its sources with a narrower or wider table of their own. */
  readonly areas?: readonly Area[];
  /** Whether its own code runs without Node's types: the determinism fence. */
  readonly isPure: boolean;
}

/** A folder inside a package. */
export interface Area {
  /** Relative to the package, with a trailing "/". */
  readonly folder: string;
  readonly imports: readonly string[];
  readonly externals: readonly string[];
}

/** Stands above the simulator and the real environment, so its tests may use both. */
const ABOVE_SIM = ["sim", "node"];

/** Where `open()` and `connect()` bind the real environment: a TypeScript project of its own. */
function wiring(...imports: string[]): Area {
  return { folder: "wiring/", imports: [...imports, "node"], externals: ["node:*"] };
}

function pure(imports: readonly string[], more: Partial<Layer> = {}): Layer {
  return { imports, testImports: ABOVE_SIM, externals: [], isPure: true, ...more };
}

export const LAYERS: Readonly<Record<string, Layer>> = {
  env: pure([], { testImports: [] }),
  codec: pure(["env"], { testImports: [], externals: ["msgpackr", "node:zlib"] }),
  // Its tests run the simulator's conformance suites against the real thing.
  node: { imports: ["env"], testImports: ["sim"], externals: ["ws", "node:*"], isPure: false },
  sim: pure(["env", "codec"], { testImports: [] }),
  pager: pure(["env", "codec"]),
  wal: pure(["env", "codec"]),
  btree: pure(["env", "codec", "pager"]),
  txn: pure(["env", "codec", "pager", "wal", "btree"]),
  raft: pure(["env", "codec", "wal"], {
    areas: [{ folder: "src/core/", imports: ["env"], externals: [] }],
  }),
  protocol: pure(["env", "codec"], { externals: ["zod"] }),
  query: pure(["env", "codec", "txn", "protocol"], {
    externals: ["zod", "ajv", "re2js"],
    areas: [wiring("env", "codec", "txn", "protocol")],
  }),
  server: pure(["env", "codec", "txn", "raft", "query", "protocol"], {
    externals: ["zod", "jose"],
  }),
  client: pure(["env", "codec", "protocol"], {
    testImports: [...ABOVE_SIM, "query", "server"],
    externals: ["zod"],
    areas: [wiring("env", "codec", "protocol")],
  }),
  level: pure(["env", "codec", "txn"], {
    externals: ["abstract-level"],
    areas: [wiring("env", "codec", "txn")],
  }),
};

/** Libraries that any test may import, in packages, apps and tools. */
export const TEST_EXTERNALS: readonly string[] = ["vitest", "fast-check", "node:*"];

/** Libraries that one package's tests need. */
export const TEST_EXTERNALS_OF: Readonly<Record<string, readonly string[]>> = {
  node: ["ws"],
  level: ["@keyv/test-suite", "abstract-level", "keyv", "tape"],
  query: ["mingo"],
};

/** Libraries of apps and tools, by folder. They may import every package. */
export const OUTER_EXTERNALS: Readonly<Record<string, readonly string[]>> = {
  "apps/server": ["commander", "node:*", "pino", "prom-client", "yaml", "zod"],
  "apps/kvsctl": ["cli-progress", "cli-table3", "commander", "node:*"],
  "tools/bench": [
    "classic-level",
    "commander",
    "hdr-histogram-js",
    "ioredis",
    "lmdb",
    "msgpackr",
    "node:*",
    "ws",
  ],
  "tools/chaos": ["commander", "node:*"],
  "tools/conformance": ["commander", "node:*"],
  "tools/simulator": ["commander", "node:*"],
  "tools/tidy": ["node:*"],
};
