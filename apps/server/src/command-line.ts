import { Command, CommanderError, Option } from "commander";
import { SETTINGS, type SettingName } from "./settings.ts";

/** What the command line said. */
export interface CommandLine {
  readonly configFile: string | undefined;
  readonly flags: Readonly<Partial<Record<SettingName, unknown>>>;
}

/** The command line or the configuration is wrong: a restart would not help. */
export const EXIT_USAGE = 2;

/**
 * Reads the command line. Prints help, version or a mistake, and ends the process, where that is
 * asked for: exit code 2 for a mistake.
 */
export function readCommandLine(argv: readonly string[], version: string): CommandLine {
  const command = new Command("kvs-server")
    .description("A database of ordered keys and JSON documents.")
    .version(version)
    .option("--config <file>", "YAML file with settings", process.env["KVS_CONFIG"])
    .showHelpAfterError("(kvs-server --help lists the options)");
  for (const name of Object.keys(SETTINGS) as SettingName[]) {
    const { flag, description, fallback, variable } = SETTINGS[name];
    const shown = fallback === false ? "" : `, default ${fallback}`;
    command.addOption(new Option(flag, `${description} (${variable}${shown})`));
  }
  parse(command, argv);
  const options: Record<string, unknown> = command.opts();
  const flags: Partial<Record<SettingName, unknown>> = {};
  for (const name of Object.keys(SETTINGS) as SettingName[]) {
    const value = options[optionName(SETTINGS[name].flag)];
    if (value !== undefined) flags[name] = value;
  }
  return { configFile: options["config"] as string | undefined, flags };
}

function parse(command: Command, argv: readonly string[]): void {
  try {
    command.exitOverride().parse([...argv], { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    process.exit(error.exitCode === 0 ? 0 : EXIT_USAGE);
  }
}

/** commander's name of an option: `--data-dir <folder>` is `dataDir`. */
function optionName(flag: string): string {
  const long = flag.split(" ")[0]!.replace(/^--/, "");
  return long.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
