import { resolve } from "node:path";
import { closestName } from "@kvs/env";
import { Command, CommanderError } from "commander";

/** What the user asked for, checked as far as it can be without running anything. */
export interface BenchRequest {
  readonly suite: string;
  /** Where the JSON goes, absolute. */
  readonly jsonPath: string | undefined;
  /** Peers to measure against; `undefined` means all there are. */
  readonly peers: readonly string[] | undefined;
  readonly isQuick: boolean;
  /** Rows to run, as patterns; empty means all. */
  readonly filters: readonly string[];
}

/** The user's mistake, or a call for help: what to print, and how to end. */
export class UsageError extends Error {
  override readonly name = "UsageError";
  readonly exitCode: number;

  constructor(message: string, exitCode = 2) {
    super(message);
    this.exitCode = exitCode;
  }
}

/**
 * Reads the arguments.
 *
 * @param suites Names and descriptions of the suites there are.
 * @param folder Relative files resolve against this folder.
 * @throws {UsageError} if something is unknown, or help was asked for.
 */
export function parseArguments(
  given: readonly string[],
  suites: readonly { readonly name: string; readonly description: string }[],
  folder: string,
): BenchRequest {
  const command = describeCommand(suites);
  const output = captureOutput(command);
  try {
    command.parse(given[0] === "--" ? given.slice(1) : given, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    throw new UsageError(output.join("").trim(), error.exitCode === 0 ? 0 : 2);
  }
  const suite = command.args[0] ?? "";
  const names = suites.map(({ name }) => name);
  if (!names.includes(suite)) throw new UsageError(unknownName("suite", suite, names));
  const options = command.opts<{ json?: string; peers?: string; quick?: true; filter?: string }>();
  return {
    suite,
    jsonPath: options.json === undefined ? undefined : resolve(folder, options.json),
    peers: options.peers === undefined ? undefined : parsePeers(options.peers),
    isQuick: options.quick === true,
    filters: splitList(options.filter ?? ""),
  };
}

/** The sentence about a name that does not exist: what was meant, and what there is. */
export function unknownName(kind: string, name: string, known: readonly string[]): string {
  const closest = closestName(name, known);
  const hint = closest === undefined ? "" : ` Did you mean "${closest}"?`;
  const list = known.length === 0 ? "none" : known.join(", ");
  return `error: there is no ${kind} "${name}".${hint} Known: ${list}`;
}

/**
 * Whether a row's id is meant by one of the filters: the whole id, its beginning up to a "." or
 * "@", or a pattern with "*". No filters mean every row.
 */
export function matchesFilters(id: string, filters: readonly string[]): boolean {
  return filters.length === 0 || filters.some((filter) => matchesFilter(id, filter));
}

function matchesFilter(id: string, filter: string): boolean {
  if (!filter.includes("*")) {
    return id === filter || id.startsWith(`${filter}.`) || id.startsWith(`${filter}@`);
  }
  const pattern = filter.replaceAll(/[.+?^${}()|[\]\\]/g, String.raw`\$&`).replaceAll("*", ".*");
  return new RegExp(`^${pattern}$`).test(id);
}

function describeCommand(
  suites: readonly { readonly name: string; readonly description: string }[],
): Command {
  const list = suites.map(({ name, description }) => `  ${name.padEnd(10)} ${description}`);
  return new Command("pnpm bench")
    .argument("<suite>", "what to measure")
    .option("--json <file>", "write the figures to this file, as JSON")
    .option("--peers <list>", 'measure only against these peers, by name; "none" for KVS alone')
    .option("--quick", "small sizes and one pair: shows that it works, gives no figures to quote")
    .option("--filter <ids>", "only these rows: ids, beginnings of ids, or patterns with *")
    .addHelpText("after", `\nSuites:\n${list.join("\n")}`)
    .showSuggestionAfterError()
    .exitOverride();
}

function captureOutput(command: Command): string[] {
  const output: string[] = [];
  const write = (text: string): void => {
    output.push(text);
  };
  command.configureOutput({ writeOut: write, writeErr: write });
  return output;
}

function parsePeers(list: string): string[] {
  const names = splitList(list);
  return names.includes("none") ? [] : names;
}

function splitList(list: string): string[] {
  return list
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
}
