import { allowedPackages } from "./check-layers.ts";
import { type Finding } from "./finding.ts";
import { type Manifest, listProjects, type Project } from "./project.ts";
import { type SourceTree } from "./source-tree.ts";

const LICENSE = "Apache-2.0";
/** The first Node.js that runs TypeScript sources without a flag. */
const NODE_RANGE = ">=22.18";
const PUBLISHED_FILES = ["dist", "src", "README.md", "CHANGELOG.md"];
const PACKAGE_FILES = ["README.md", "tsconfig.json", "tsconfig.build.json"];
const PACKAGE_SCRIPTS = ["build", "package"];
const TEST_SCRIPT = "vitest run --config ../../vitest.config.ts";
const COVERAGE_SCRIPT = `${TEST_SCRIPT} --coverage --coverage.thresholds.lines=90 --coverage.thresholds.branches=90`;
/** Packages whose tests must reach 90 % of lines and branches. */
const COVERED = ["codec", "sim", "wal", "pager", "btree", "txn"];
const NAME_SUFFIX = { package: "", app: "-app", tool: "-tool" } as const;

const DEPENDENCY_FIELDS = [
  "dependencies",
  "devDependencies",
  "peerDependencies",
  "optionalDependencies",
] as const;

/** Every package.json says the same things in the same way. */
export function checkManifests(tree: SourceTree): Finding[] {
  const projects = listProjects(tree);
  const findings = projects.flatMap((project) => [
    ...checkProject(tree, project),
    ...checkDependencies(tree, project),
    ...(project.kind === "package" ? checkPackage(tree, project, projects) : []),
  ]);
  return [...findings, ...checkRoot(tree), ...checkNodeVersion(tree)];
}

/** Rules for packages, apps and tools alike. */
function checkProject(tree: SourceTree, project: Project): Finding[] {
  const { manifest, kind, name } = project;
  const expect = expectations(tree, project);
  expect("name", manifest.name, `@kvs/${name}${NAME_SUFFIX[kind]}`);
  expect("license", manifest.license, LICENSE);
  expect("type", manifest.type, "module");
  expect("scripts.test", manifest.scripts?.["test"], TEST_SCRIPT);
  if (manifest.description === undefined || !manifest.description.endsWith(".")) {
    expect.report("description", "needs a description that is a sentence");
  }
  if (manifest.scripts?.["types"] === undefined) expect.report("scripts", "needs a types script");
  if (kind === "tool" && manifest.private !== true) {
    expect.report("name", "is not published: it must be private");
  }
  return expect.findings;
}

function checkPackage(tree: SourceTree, project: Project, all: readonly Project[]): Finding[] {
  const { manifest } = project;
  const expect = expectations(tree, project);
  const first = all.find(({ kind }) => kind === "package");
  expect("version", manifest.version, first?.manifest.version);
  expect("private", manifest.private, undefined);
  expect("engines.node", manifest.engines?.["node"], NODE_RANGE);
  expect("publishConfig.access", manifest.publishConfig?.access, "public");
  if (COVERED.includes(project.name)) {
    expect("scripts.test:coverage", manifest.scripts?.["test:coverage"], COVERAGE_SCRIPT);
  }
  for (const lacking of listLacking(tree, project)) expect.report(lacking.key, lacking.message);
  checkExports(manifest, expect);
  return expect.findings;
}

/** What every package has, and this one has not. */
function listLacking(tree: SourceTree, { manifest, folder }: Project): readonly Lacking[] {
  const published = PUBLISHED_FILES.filter((file) => manifest.files?.includes(file) !== true);
  const scripts = PACKAGE_SCRIPTS.filter((script) => manifest.scripts?.[script] === undefined);
  const files = PACKAGE_FILES.filter((file) => !tree.has(`${folder}/${file}`));
  return [
    ...published.map((file) => ({ key: "files", message: `"files" lacks "${file}"` })),
    ...scripts.map((script) => ({ key: "scripts", message: `needs a ${script} script` })),
    ...files.map((file) => ({ key: "name", message: `the package lacks ${file}` })),
  ];
}

interface Lacking {
  readonly key: string;
  readonly message: string;
}

/**
 * In the workspace an entry is its source; published, the same entry is in `dist`: below the names of
 * both folders where there is wiring beside the sources, else of none.
 */
function checkExports(manifest: Manifest, expect: Expectations): void {
  const sources = manifest.exports ?? {};
  const hasWiring = Object.values(sources).some((source) => String(source).startsWith("./wiring/"));
  const folders = hasWiring ? /^\.\// : /^\.\/src\//;
  const published = manifest.publishConfig?.exports ?? {};
  if (sources["."] === undefined) expect.report("exports", `"exports" lacks "."`);
  for (const [entry, source] of Object.entries(sources)) {
    if (typeof source !== "string" || !/^\.\/(src|wiring)\/.*\.ts$/.test(source)) {
      expect.report("exports", `"exports" of "${entry}" must be a source: "./src/….ts"`);
      continue;
    }
    const built = source.replace(folders, "./dist/").replace(/\.ts$/, "");
    const wanted = { types: `${built}.d.ts`, default: `${built}.js` };
    if (JSON.stringify(published[entry]) !== JSON.stringify(wanted)) {
      const text = JSON.stringify(wanted);
      expect.report("publishConfig", `publishConfig.exports of "${entry}" must be ${text}`);
    }
  }
  for (const entry of Object.keys(published)) {
    if (sources[entry] === undefined) {
      expect.report("publishConfig", `publishes "${entry}", which "exports" lacks`);
    }
  }
}

function checkDependencies(tree: SourceTree, project: Project): Finding[] {
  const expect = expectations(tree, project);
  const allowed = allowedPackages(project);
  for (const field of DEPENDENCY_FIELDS) {
    for (const [name, range] of Object.entries(project.manifest[field] ?? {})) {
      const isOurs = name.startsWith("@kvs/");
      const wanted = isOurs ? "workspace:*" : "catalog:";
      if (range !== wanted) expect.report(name, `"${name}" must be "${wanted}", not "${range}"`);
      const packages = field === "devDependencies" ? allowed.devDependencies : allowed.dependencies;
      if (isOurs && packages !== undefined && !packages.includes(name.slice("@kvs/".length))) {
        expect.report(name, `${field}: the layers do not allow "${name}"`);
      }
    }
  }
  return expect.findings;
}

/** The root only holds tools: a dependency on a package of ours would be reachable by all. */
function checkRoot(tree: SourceTree): Finding[] {
  const text = tree.read("package.json");
  const manifest: Manifest & { readonly packageManager?: string } = JSON.parse(text);
  const findings: Finding[] = [];
  const report = (key: string, message: string): void => {
    findings.push({ file: "package.json", line: lineOfKey(text, key), message });
  };
  for (const field of DEPENDENCY_FIELDS) {
    for (const [name, range] of Object.entries(manifest[field] ?? {})) {
      if (name.startsWith("@kvs/")) report(name, `the root may not depend on "${name}"`);
      else if (range !== "catalog:") report(name, `"${name}" must be "catalog:", not "${range}"`);
    }
  }
  if (manifest.private !== true) report("name", "the root is not published: it must be private");
  if (!/^pnpm@\d+\.\d+\.\d+$/.test(manifest.packageManager ?? "")) {
    report("packageManager", "must pin one version of pnpm");
  }
  return findings;
}

/** Three places name the pinned Node.js: for version managers, for pnpm's checks, and the binary. */
function checkNodeVersion(tree: SourceTree): Finding[] {
  const file = "pnpm-workspace.yaml";
  if (!tree.has(file) || !tree.has(".node-version")) return [];
  const pinned = tree.read(".node-version").trim();
  const findings: Finding[] = [];
  for (const [index, line] of tree.read(file).split("\n").entries()) {
    const version = /^(?:nodeVersion|  node): ([\d.]+)$/.exec(line)?.[1];
    if (version === undefined || version === pinned) continue;
    findings.push({ file, line: index + 1, message: `.node-version says ${pinned}` });
  }
  return findings;
}

interface Expectations {
  /** Reports `key` unless `actual` is `wanted`. */
  (key: string, actual: unknown, wanted: unknown): void;
  readonly report: (key: string, message: string) => void;
  readonly findings: Finding[];
}

function expectations(tree: SourceTree, project: Project): Expectations {
  const file = `${project.folder}/package.json`;
  const text = tree.read(file);
  const findings: Finding[] = [];
  const report = (key: string, message: string): void => {
    findings.push({ file, line: lineOfKey(text, key), message });
  };
  const expect = (key: string, actual: unknown, wanted: unknown): void => {
    if (actual === wanted) return;
    const demand = wanted === undefined ? "must not be there" : `must be ${JSON.stringify(wanted)}`;
    report(key, `"${key}" ${demand}`);
  };
  return Object.assign(expect, { report, findings });
}

/** The line of a key, or of its last part that is there; 1 if it is not. */
function lineOfKey(text: string, key: string): number {
  const lines = text.split("\n");
  for (const name of [key, ...key.split(".").toReversed()]) {
    const index = lines.findIndex((line) => line.trimStart().startsWith(`"${name}":`));
    if (index !== -1) return index + 1;
  }
  return 1;
}
