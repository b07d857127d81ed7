import { Command, InvalidArgumentError, Option } from "commander";
import { copy, restore } from "./commands/copy.ts";
import { find, insert } from "./commands/documents.ts";
import { type OfflineFlags } from "./commands/encryption.ts";
import { exportCollection } from "./commands/export.ts";
import { HISTORY_LEVELS, type HistoryFlags } from "./commands/history-levels.ts";
import { type ImportFlags, importFile } from "./commands/import.ts";
import { type ScanFlags, get, put, remove, scan } from "./commands/key-value.ts";
import { listDataKeys, newKey, rewrapKeys, rotateKeys } from "./commands/keys.ts";
import { check, pageDump, walDump, walVerify } from "./commands/offline.ts";
import { recover } from "./commands/recover.ts";
import { stats } from "./commands/stats.ts";
import { SOURCE_FORMATS } from "./import/record-source.ts";
import { type GlobalOptions, type Session, newSession } from "./session.ts";

const DEFAULT_URL = "kvs://127.0.0.1:5000/default";
const DEFAULT_DATA_DIR = "./kvs-data";

/** Every command of kvsctl. */
export function createProgram(version: string): Command {
  const program = new Command("kvsctl")
    .description("Reads and writes a KVS server, and looks into its files.")
    .version(version)
    .showHelpAfterError("(kvsctl --help lists the commands and options)")
    .showSuggestionAfterError()
    .enablePositionalOptions()
    .exitOverride();
  addKeyCommands(program);
  addDocumentCommands(program);
  addOfflineCommands(program);
  for (const command of [program, ...allCommands(program)]) addGlobalOptions(command);
  return program;
}

function addKeyCommands(program: Command): void {
  program
    .command("get <key>")
    .description("print the value of a key; exit code 1 if it is absent")
    .action((key: string, _flags, command: Command) => get(sessionOf(command), key));
  program
    .command("put <key> <value>")
    .description("put a value under a key: JSON if it parses, else text")
    .action((key: string, value: string, _flags, command: Command) =>
      put(sessionOf(command), key, value),
    );
  program
    .command("del <key>")
    .description("remove a key; exit code 1 if it was absent")
    .action((key: string, _flags, command: Command) => remove(sessionOf(command), key));
  program
    .command("scan")
    .description("list keys in order")
    .option(
      "--prefix <prefix>",
      "only keys that begin with this text, or with these parts: '[1,2]'",
    )
    .option("--limit <n>", "at most so many", count)
    .action((flags: ScanFlags, command: Command) => scan(sessionOf(command), flags));
  program
    .command("stats")
    .description("what the database holds")
    .action((_flags, command: Command) => stats(sessionOf(command)));
}

function addDocumentCommands(program: Command): void {
  program
    .command("find <collection> [query]")
    .description('find documents: {"filter":{…},"sort":{…},"skip":…,"limit":…,"projection":{…}}')
    .action((collection: string, query: string | undefined, _flags, command: Command) =>
      find(sessionOf(command), collection, query ?? "{}"),
    );
  program
    .command("insert <collection> <document>")
    .description("store a document")
    .action((collection: string, document: string, _flags, command: Command) =>
      insert(sessionOf(command), collection, document),
    );
  program
    .command("import <collection> <file>")
    .description("store the records of a JSON, JSON Lines or CSV file; - is standard input")
    .addOption(
      new Option("--format <format>", "instead of the file's ending").choices(SOURCE_FORMATS),
    )
    .option("--stop-on-error", "stop at the first bad record")
    .action((collection: string, file: string, flags: ImportFlags, command: Command) =>
      importFile(sessionOf(command), collection, file, flags),
    );
  program
    .command("export <collection> [file]")
    .description("write all documents to a file, .jsonl or .json, or to standard output")
    .action((collection: string, file: string | undefined, _flags, command: Command) =>
      exportCollection(sessionOf(command), collection, file ?? "-"),
    );
}

function addOfflineCommands(program: Command): void {
  offline(program.command("recover"))
    .description("recover a stopped server's data, as its next start would")
    .action((flags: OfflineFlags, command: Command) => recover(sessionOf(command), flags));
  offline(program.command("check"))
    .description("look at every byte of a stopped server's data")
    .action((flags: OfflineFlags, command: Command) => check(sessionOf(command), flags));
  const wal = program.command("wal").description("the log of a stopped server");
  offline(wal.command("dump"))
    .description("print its records")
    .action((flags: OfflineFlags, command: Command) => walDump(sessionOf(command), flags));
  offline(wal.command("verify"))
    .description("read all of it, and tell what is in each segment and how it ends")
    .action((flags: OfflineFlags, command: Command) => walVerify(sessionOf(command), flags));
  offline(program.command("page").description("its page file").command("dump"))
    .description("print one page of a stopped server's page file")
    .argument("<number>", "0 is the first", count)
    .action((page: number, flags: OfflineFlags, command: Command) =>
      pageDump(sessionOf(command), flags.dataDir, page),
    );
  addCopyCommands(program);
  addKeysCommands(program);
  addTransactionCommands(program);
}

/** What they need is loaded when they are called: other commands begin sooner without it. */
function addTransactionCommands(program: Command): void {
  const txn = program.command("txn").description("prepared transactions of a stopped server");
  offline(txn.command("in-doubt"))
    .description("list those that wait for their coordinator's decision")
    .action(async (flags: OfflineFlags, command: Command) => {
      const { listInDoubt } = await import("./commands/in-doubt.ts");
      await listInDoubt(sessionOf(command), flags);
    });
  for (const decision of ["commit", "rollback"] as const) {
    offline(txn.command(`${decision} <id>`))
      .description(`decide one in place of its coordinator: ${decision}`)
      .action(async (globalId: string, flags: OfflineFlags, command: Command) => {
        const { decideInDoubt } = await import("./commands/in-doubt.ts");
        const isCommit = decision === "commit";
        await decideInDoubt(sessionOf(command), flags, { globalId, isCommit });
      });
  }
  program
    .command("history")
    .description("recorded histories of clients")
    .command("check <file>")
    .description(
      "judge a history in JSON Lines; - is standard input; exit code 1 if it is violated",
    )
    .addOption(
      new Option("--level <level>", "what it has to keep")
        .choices(HISTORY_LEVELS)
        .default("strict-serializable"),
    )
    .action(async (file: string, flags: HistoryFlags, command: Command) => {
      const { checkHistory } = await import("./commands/history.ts");
      await checkHistory(sessionOf(command), file, flags);
    });
}

function addCopyCommands(program: Command): void {
  offline(program.command("copy <file>"))
    .description("write a copy of a stopped server's data into a file")
    .action((file: string, flags: OfflineFlags, command: Command) =>
      copy(sessionOf(command), file, flags),
    );
  program
    .command("restore <file>")
    .description("make a data directory from a copy; - is standard input")
    .option("--data-dir <folder>", "where the data will be", DEFAULT_DATA_DIR)
    .action((file: string, flags: { dataDir: string }, command: Command) =>
      restore(sessionOf(command), file, flags.dataDir),
    );
}

function addKeysCommands(program: Command): void {
  const keys = program.command("keys").description("keys of encrypted data");
  keys
    .command("new")
    .description("print a line with a fresh master key")
    .option("--name <name>", "what to call it; default: a drawn one")
    .action((flags: { name?: string }, command: Command) => newKey(sessionOf(command), flags.name));
  offline(keys.command("list"))
    .description("print the data keys of a data directory")
    .action((flags: OfflineFlags, command: Command) => listDataKeys(sessionOf(command), flags));
  offline(keys.command("rotate"))
    .description("seal a stopped server's data with a fresh key")
    .action((flags: OfflineFlags, command: Command) => rotateKeys(sessionOf(command), flags));
  offline(keys.command("rewrap"))
    .description("wrap a stopped server's data keys with the newest master key")
    .action((flags: OfflineFlags, command: Command) => rewrapKeys(sessionOf(command), flags));
}

/** Options of commands that work on a data directory. */
function offline(command: Command): Command {
  return command
    .option("--data-dir <folder>", "where the data is", DEFAULT_DATA_DIR)
    .option("--key-file <file>", "file with the master keys, if it is encrypted")
    .option("--key-variable <name>", "variable with the master keys, if it is encrypted");
}

/** They may stand before the command and behind it. */
function addGlobalOptions(command: Command): void {
  command
    .addOption(new Option("--url <url>", `the database (KVS_URL, default ${DEFAULT_URL})`))
    .option("--json", "one JSON value per line")
    .addOption(
      new Option("--timeout <ms>", "give up after so long (default 10000)").argParser(count),
    );
}

function allCommands(command: Command): Command[] {
  return command.commands.flatMap((each) => [each, ...allCommands(each)]);
}

function sessionOf(command: Command): Session {
  return newSession({
    url: globalOption(command, "url") ?? process.env["KVS_URL"] ?? DEFAULT_URL,
    json: globalOption(command, "json") ?? false,
    timeout: globalOption(command, "timeout") ?? 10_000,
  });
}

/** Behind the command wins over before it. */
function globalOption<Name extends keyof GlobalOptions>(
  command: Command,
  name: Name,
): GlobalOptions[Name] | undefined {
  for (let each: Command | null = command; each !== null; each = each.parent) {
    const value = each.opts<Partial<GlobalOptions>>()[name];
    if (value !== undefined) return value;
  }
  return undefined;
}

function count(text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(value)) return value;
  throw new InvalidArgumentError("It has to be a whole number.");
}
