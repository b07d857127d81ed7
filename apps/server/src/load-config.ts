import { KvsError, closestName } from "@kvs/env";
import { isLoopback } from "@kvs/server";
import { LineCounter, isCollection, isMap, isScalar, parseDocument } from "yaml";
import { SETTINGS, type ServerConfig, type SettingName } from "./settings.ts";

/**
 * Codes of the configuration.
 *
 * - `CONFIG_INVALID`: a setting is wrong or unknown; the message names every mistake and its place.
 */
export type ConfigErrorCode = "CONFIG_INVALID";

/** Where settings come from. */
export interface ConfigSources {
  /** A configuration file that was read. */
  readonly file?: { readonly path: string; readonly text: string } | undefined;
  readonly variables: Readonly<Record<string, string | undefined>>;
  /** Flags that were given, by setting. */
  readonly flags: Readonly<Partial<Record<SettingName, unknown>>>;
}

/** A value and where it was found, for messages. */
interface Found {
  readonly value: unknown;
  readonly place: string;
}

/** Variables with our prefix that are not settings of the server. */
const OTHER_VARIABLES = new Set(["KVS_CONFIG", "KVS_URL", "KVS_REWRITE", "KVS_MASTER_KEY"]);

/**
 * Puts the configuration together: flags win over environment variables, those over the file, that
 * over defaults.
 *
 * @throws {KvsError} `CONFIG_INVALID`, with every mistake on a line of its own: where it is, which
 *   setting, what it has to be.
 */
export function loadConfig(sources: ConfigSources): ServerConfig {
  const mistakes: string[] = [];
  const inFile = sources.file === undefined ? new Map() : readFile(sources.file, mistakes);
  checkVariables(sources.variables, find("keyVariable", sources, inFile)?.value, mistakes);
  const entries = names().map((name) => {
    const setting = SETTINGS[name];
    const found = find(name, sources, inFile);
    if (found === undefined) return [name, setting.fallback] as const;
    const parsed = setting.schema.safeParse(found.value);
    if (parsed.success) return [name, parsed.data] as const;
    for (const { message } of parsed.error.issues) {
      mistakes.push(`${found.place}: ${setting.path} ${message}`);
    }
    return [name, setting.fallback] as const;
  });
  const config = Object.fromEntries(entries) as Record<SettingName, unknown> as ServerConfig;
  if (!isLoopback(config.host) && !config.insecure) {
    const place = find("host", sources, inFile)?.place ?? "";
    mistakes.push(
      `${place}: ${SETTINGS.host.path} ${config.host} can be reached from other machines, and ` +
        "there is no encryption or login yet: whoever reaches the port can read and change " +
        "everything; use 127.0.0.1, or say --insecure if every machine of the network is trusted",
    );
  }
  if (config.keyFile !== "" && config.keyVariable !== "") {
    const both = `${SETTINGS.keyFile.path} and ${SETTINGS.keyVariable.path}`;
    mistakes.push(`${both}: the master keys are in one place, name that alone`);
  }
  if (mistakes.length > 0) throw invalid(mistakes);
  return config;
}

function names(): readonly SettingName[] {
  return Object.keys(SETTINGS) as SettingName[];
}

function find(
  name: SettingName,
  sources: ConfigSources,
  inFile: ReadonlyMap<string, Found>,
): Found | undefined {
  const { path, variable, flag } = SETTINGS[name];
  const given = sources.flags[name];
  if (given !== undefined) return { value: given, place: flag.split(" ")[0]! };
  const value = sources.variables[variable];
  if (value !== undefined && value !== "") return { value, place: variable };
  return inFile.get(path);
}

function checkVariables(
  variables: ConfigSources["variables"],
  keyVariable: unknown,
  mistakes: string[],
): void {
  const known = new Set<string>(names().map((name) => SETTINGS[name].variable));
  for (const variable of Object.keys(variables)) {
    if (!variable.startsWith("KVS_") || known.has(variable)) continue;
    if (OTHER_VARIABLES.has(variable) || variable === keyVariable) continue;
    mistakes.push(`${variable}: there is no such setting${suggest(variable, [...known])}`);
  }
}

/** The scalars of a file by their dotted place. */
function readFile(
  file: { readonly path: string; readonly text: string },
  mistakes: string[],
): Map<string, Found> {
  const lines = new LineCounter();
  const document = parseDocument(file.text, { lineCounter: lines, prettyErrors: false });
  for (const error of document.errors) {
    const { line, col } = lines.linePos(error.pos[0]);
    mistakes.push(`${file.path}:${line}:${col}: ${error.message}`);
  }
  const found = new Map<string, Found>();
  const placeOf = (offset: number): string => `${file.path}:${lines.linePos(offset).line}`;
  if (document.errors.length === 0) {
    collect(document.contents, { path: "", place: `${file.path}:1` }, { found, mistakes, placeOf });
  }
  return found;
}

interface Collection {
  readonly found: Map<string, Found>;
  readonly mistakes: string[];
  readonly placeOf: (offset: number) => string;
}

/** A section of the file, and where it begins. */
interface Section {
  readonly path: string;
  readonly place: string;
}

function collect(node: unknown, section: Section, into: Collection): void {
  if (isEmpty(node)) return; // nothing is set here
  const prefix = section.path;
  if (!isMap(node)) {
    const what = prefix === "" ? "the file" : prefix;
    into.mistakes.push(`${section.place}: ${what} holds settings as "name: value" lines`);
    return;
  }
  for (const { key, value } of node.items) {
    const name = isScalar(key) ? String(key.value) : "?";
    const offset = isScalar(key) ? (key.range?.[0] ?? 0) : 0;
    const path = prefix === "" ? name : `${prefix}.${name}`;
    collectMember(path, value, into.placeOf(offset), into);
  }
}

function collectMember(path: string, value: unknown, place: string, into: Collection): void {
  if (paths().includes(path)) {
    if (isEmpty(value)) return;
    into.found.set(path, { value: isScalar(value) ? value.value : plain(value), place });
  } else if (sections().includes(path)) {
    collect(value, { path, place }, into);
  } else {
    const hint = suggest(path, [...paths(), ...sections()]);
    into.mistakes.push(`${place}: there is no setting ${path}${hint}`);
  }
}

/** A list or a map where a scalar belongs: for the message that refuses it. */
function plain(node: unknown): unknown {
  return isCollection(node) ? node.toJSON() : node;
}

/** `port:` without a value. */
function isEmpty(node: unknown): boolean {
  return node === null || (isScalar(node) && node.value === null);
}

function paths(): string[] {
  return names().map((name) => SETTINGS[name].path);
}

function sections(): string[] {
  const above = paths().flatMap((path) => {
    const parts = path.split(".");
    return parts.slice(1).map((_, at) => parts.slice(0, at + 1).join("."));
  });
  return [...new Set(above)];
}

function suggest(name: string, known: readonly string[]): string {
  const closest = closestName(name, known);
  return closest === undefined ? "" : `; did you mean ${closest}?`;
}

function invalid(mistakes: readonly string[]): KvsError<ConfigErrorCode> {
  const count = mistakes.length === 1 ? "a mistake" : `${mistakes.length} mistakes`;
  const message = `the configuration has ${count}:\n  ${mistakes.join("\n  ")}`;
  return new KvsError("CONFIG_INVALID", message, { outcome: "none" });
}
