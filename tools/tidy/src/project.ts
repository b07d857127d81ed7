import { type SourceTree } from "./source-tree.ts";

/** The fields of a package.json that checks read. */
export interface Manifest {
  readonly name?: string;
  readonly version?: string;
  readonly private?: boolean;
  readonly description?: string;
  readonly license?: string;
  readonly type?: string;
  readonly files?: readonly string[];
  readonly exports?: Readonly<Record<string, unknown>>;
  readonly bin?: Readonly<Record<string, string>>;
  readonly publishConfig?: {
    readonly access?: string;
    readonly exports?: Readonly<Record<string, unknown>>;
  };
  readonly engines?: Readonly<Record<string, string>>;
  readonly scripts?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

/** One member of the workspace. */
export interface Project {
  /** `packages/wal`, `apps/server`, `tools/tidy`. */
  readonly folder: string;
  readonly kind: "package" | "app" | "tool";
  /** Last part of the folder: `wal`. */
  readonly name: string;
  readonly manifest: Manifest;
}

const KIND_OF_FOLDER = { packages: "package", apps: "app", tools: "tool" } as const;

/** The workspace's members, in order of their folders. */
export function listProjects(tree: SourceTree): Project[] {
  const projects: Project[] = [];
  for (const file of tree.files) {
    const match = /^(packages|apps|tools)\/([^/]+)\/package\.json$/.exec(file);
    if (match === null) continue;
    const group = match[1] as keyof typeof KIND_OF_FOLDER;
    projects.push({
      folder: `${group}/${match[2]}`,
      kind: KIND_OF_FOLDER[group],
      name: match[2]!,
      manifest: JSON.parse(tree.read(file)) as Manifest,
    });
  }
  return projects;
}

/** Source and test files of a project, TypeScript only. */
export function listSources(tree: SourceTree, project: Project): string[] {
  return tree.files.filter(
    (file) => file.startsWith(`${project.folder}/`) && /\.(ts|mts|cts)$/.test(file),
  );
}

/** Whether a file of a project is only there to test or configure it. */
export function isTestFile(project: Project, file: string): boolean {
  const inside = file.slice(project.folder.length + 1);
  return inside.startsWith("test/") || inside.startsWith("bench/") || inside.includes(".config.");
}
