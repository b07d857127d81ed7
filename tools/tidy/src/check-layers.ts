import { posix } from "node:path";
import { type Finding } from "./finding.ts";
import { findImports, type Import } from "./imports.ts";
import {
  type Layer,
  LAYERS,
  OUTER_EXTERNALS,
  TEST_EXTERNALS,
  TEST_EXTERNALS_OF,
} from "./layers.ts";
import { isTestFile, listProjects, listSources, type Project } from "./project.ts";
import { type SourceTree } from "./source-tree.ts";

/** What a file may import. */
interface Allowance {
  /** Packages of ours, by short name; `undefined` allows all. */
  readonly packages: readonly string[] | undefined;
  readonly externals: readonly string[];
}

/**
 * Every import stays within the table of layers: packages of ours, libraries, and files of the
 * same project.
 */
export function checkLayers(tree: SourceTree): Finding[] {
  const projects = listProjects(tree);
  const findings: Finding[] = [];
  for (const project of projects) {
    const layer = LAYERS[project.name];
    if (project.kind === "package" && layer === undefined) {
      findings.push({
        file: `${project.folder}/package.json`,
        line: 1,
        message: `${project.name} has no layer: add it to tools/tidy/src/layers.ts`,
      });
      continue;
    }
    for (const file of listSources(tree, project)) {
      const allowance = allowanceOf(project, layer, file);
      for (const each of findImports(tree.read(file))) {
        const message = judgeImport(each, { file, project, projects, allowance });
        if (message !== undefined) findings.push({ file, line: each.line, message });
      }
    }
  }
  return findings;
}

/** Which of our packages a manifest may name under `dependencies` and under `devDependencies`. */
export function allowedPackages(project: Project): {
  readonly dependencies: readonly string[] | undefined;
  readonly devDependencies: readonly string[] | undefined;
} {
  const layer = project.kind === "package" ? LAYERS[project.name] : undefined;
  if (layer === undefined) return { dependencies: undefined, devDependencies: undefined };
  const dependencies = [...layer.imports, ...(layer.areas ?? []).flatMap((area) => area.imports)];
  return { dependencies, devDependencies: [...dependencies, ...layer.testImports] };
}

interface Place {
  readonly file: string;
  readonly project: Project;
  readonly projects: readonly Project[];
  readonly allowance: Allowance;
}

/** @returns what is wrong with the import, if anything. */
function judgeImport({ specifier }: Import, place: Place): string | undefined {
  if (specifier.startsWith(".")) return judgeRelative(specifier, place);
  if (specifier.startsWith("@kvs/")) return judgeOwnPackage(specifier, place);
  const library = specifier.startsWith("node:") ? specifier : libraryOf(specifier);
  const { externals } = place.allowance;
  if (externals.includes(library)) return undefined;
  if (library.startsWith("node:") && externals.includes("node:*")) return undefined;
  return `may not import "${specifier}": it is not on the list of tools/tidy/src/layers.ts`;
}

function judgeRelative(specifier: string, { file, project }: Place): string | undefined {
  const target = posix.join(posix.dirname(file), specifier);
  // The root configuration is shared by all.
  if (!target.startsWith(`${project.folder}/`) && target !== "vitest.config.ts") {
    return `imports "${specifier}" of another project: import its public entry`;
  }
  if (target === `${project.folder}/src/index.ts` && !isTestFile(project, file)) {
    return `imports its own index.ts: import the file that owns the name`;
  }
  return undefined;
}

function judgeOwnPackage(specifier: string, place: Place): string | undefined {
  const { project, projects, allowance } = place;
  const [, name = "", ...rest] = specifier.split("/");
  if (project.kind === "package" && name === project.name) {
    return isTestFile(project, place.file) ? undefined : `imports its own package "${specifier}"`;
  }
  if (allowance.packages !== undefined && !allowance.packages.includes(name)) {
    return `${project.name} may not import "${specifier}" here: its layer allows ${list(allowance.packages)}`;
  }
  const target = projects.find((each) => each.manifest.name === `@kvs/${name}`);
  if (target === undefined) return `imports "${specifier}", which is no package of ours`;
  const entry = rest.length === 0 ? "." : `./${rest.join("/")}`;
  if (target.manifest.exports?.[entry] === undefined) {
    return `imports "${specifier}", which @kvs/${name} does not export`;
  }
  return undefined;
}

function allowanceOf(project: Project, layer: Layer | undefined, file: string): Allowance {
  const isTest = isTestFile(project, file);
  const testExternals = isTest ? TEST_EXTERNALS : [];
  if (project.kind !== "package" || layer === undefined) {
    const externals = [...(OUTER_EXTERNALS[project.folder] ?? []), ...testExternals];
    return {
      packages: undefined,
      externals: isConfig(file) ? [...externals, "vitest"] : externals,
    };
  }
  const inside = file.slice(project.folder.length + 1);
  const area = layer.areas?.find(({ folder }) => inside.startsWith(folder));
  if (area !== undefined) return { packages: area.imports, externals: area.externals };
  if (!isTest) return { packages: layer.imports, externals: layer.externals };
  const { devDependencies } = allowedPackages(project);
  const more = TEST_EXTERNALS_OF[project.name] ?? [];
  return { packages: devDependencies, externals: [...layer.externals, ...testExternals, ...more] };
}

function isConfig(file: string): boolean {
  return file.endsWith(".config.ts");
}

/** `@scope/name/sub` → `@scope/name`; `name/sub` → `name`. */
function libraryOf(specifier: string): string {
  const parts = specifier.split("/");
  return specifier.startsWith("@") ? parts.slice(0, 2).join("/") : parts[0]!;
}

function list(names: readonly string[]): string {
  return names.length === 0 ? "none" : names.join(", ");
}
