import { readFileSync } from "node:fs";
import { type Trace, isKvsError } from "@kvs/env";
import { EXIT_USAGE, readCommandLine } from "./command-line.ts";
import { loadConfig } from "./load-config.ts";
import { createLog } from "./log.ts";
import { type RunningServer, explainStart, runServer, withoutCode } from "./run-server.ts";
import { type ServerConfig } from "./settings.ts";
import { onStopSignal } from "./signals.ts";

/** The server could not start, or could not go on. */
const EXIT_FAILED = 1;

/** Runs the server until it is told to stop. */
export async function main(): Promise<void> {
  const startedMs = performance.now();
  const config = readConfig();
  const isText = config.logFormat === "text" || (config.logFormat === "auto" && isTerminal());
  const log = createLog({
    level: config.logLevel,
    format: isText ? "text" : "json",
    nodeId: config.nodeId,
  });
  process.on("uncaughtException", (error) => leaveBroken(error, log));
  const server = await start(config, log);
  const durationMs = Math.round(performance.now() - startedMs);
  const fields = { host: config.host, port: server.port, data_dir: config.dataDir };
  log.event("info", "server", "ready", { ...fields, duration_ms: durationMs });
  if (isText) greet(config, server.port);
  onStopSignal(
    () => void stop(server, log),
    () => process.exit(EXIT_FAILED),
  );
}

function readConfig(): ServerConfig {
  const { configFile, flags } = readCommandLine(process.argv.slice(2), readVersion());
  try {
    const file = configFile === undefined ? undefined : readFile(configFile);
    return loadConfig({ file, variables: process.env, flags });
  } catch (error) {
    if (isKvsError(error)) return leave(EXIT_USAGE, withoutCode(error));
    throw error;
  }
}

function readFile(path: string): { path: string; text: string } {
  try {
    return { path, text: readFileSync(path, "utf8") };
  } catch {
    return leave(EXIT_USAGE, `the configuration file ${path} cannot be read`);
  }
}

async function start(config: ServerConfig, log: Trace): Promise<RunningServer> {
  try {
    return await runServer(config, log);
  } catch (error) {
    log.event("error", "server", "cannot start", { error: String(error) });
    return leave(EXIT_FAILED, explainStart(error, config));
  }
}

/** Ends in good order: what was accepted is finished, then everything is on disk. */
async function stop(server: RunningServer, log: Trace): Promise<void> {
  const startedMs = performance.now();
  log.event("info", "server", "stopping");
  try {
    await server.close();
  } catch (error) {
    log.event("error", "server", "did not stop cleanly", { error: String(error) });
    process.exit(EXIT_FAILED);
  }
  const durationMs = Math.round(performance.now() - startedMs);
  log.event("info", "server", "stopped", { duration_ms: durationMs });
  process.exit(0);
}

/**
 * Something is wrong with the program itself. What is on disk is whole, what is in memory may not
 * be: the process ends at once, and the next start recovers from the log.
 */
function leaveBroken(error: Error, log: Trace): never {
  const fields = { error: String(error), stack: error.stack };
  log.event("error", "server", "stopped by a bug; please report it", fields);
  process.exit(EXIT_FAILED);
}

function greet(config: ServerConfig, port: number): void {
  const url = `kvs://${config.host}:${port}/default`;
  process.stdout.write(`
  KVS is ready at ${url}
  Data: ${config.dataDir}   Health: http://${config.host}:${port}/health

  Try, in another terminal:
    npm run -s kvsctl -- put greeting '{"hello":"world"}'
    npm run -s kvsctl -- get greeting
    npm run -s kvsctl -- --help

  Ctrl-C stops it.

`);
}

function isTerminal(): boolean {
  return process.stdout.isTTY;
}

function readVersion(): string {
  const text = readFileSync(new URL("../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}

function leave(code: number, message: string): never {
  process.stderr.write(`kvs-server: ${message}\n`);
  process.exit(code);
}
