import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { connect } from "@kvs/client";
import { cpuMicrosOf } from "../cpu.ts";
import { sharedRun } from "../shared-runs.ts";
import { type RunContext } from "../suite.ts";
import { importCities, readCities } from "./cities.ts";
import { KvsServer } from "./kvs-server.ts";

/** What one import of all cities into a new server came to. */
export interface ImportRun {
  readonly documentsPerS: number;
  /** Of the server's process. */
  readonly cpuMicrosPerDocument: number;
  readonly rssMaxMb: number;
  readonly loopDelayMaxMs: number;
}

const DATA_FOLDER = "imported";

/**
 * The import of this number, 0 first, in this run of the bench. Rate, memory and delay are read off
 * the same imports: whoever asks first makes them.
 */
export function importRun(number: number, context: RunContext): Promise<ImportRun> {
  return sharedRun(context, { name: "imports", number }, () =>
    runImport(context, join(context.folder, DATA_FOLDER)),
  );
}

/** The data of a server with the cities in it: those of the latest import. */
export async function importedFolder(context: RunContext): Promise<string> {
  await importRun(0, context);
  return join(context.folder, DATA_FOLDER);
}

/** A small import that is thrown away: compiles the client's side, not the new server's. */
export async function warmUpImport(context: RunContext): Promise<void> {
  const folder = mkdtempSync(join(context.folder, "warm-up-"));
  await runImport(context, folder);
  rmSync(folder, { recursive: true });
}

async function runImport(context: RunContext, folder: string): Promise<ImportRun> {
  const share = context.operations(1000) / 1000;
  const cities = readCities(share);
  rmSync(folder, { recursive: true, force: true });
  const server = await KvsServer.start(folder);
  try {
    const database = await connect(server.url("app"));
    await server.read(); // what its start delayed does not count
    const cpuBefore = cpuMicrosOf(server.pid);
    const startMs = performance.now();
    await importCities(database, cities);
    const elapsedMs = performance.now() - startMs;
    const cpuMicros = cpuMicrosOf(server.pid) - cpuBefore;
    const { rssMaxMb, loopDelayMaxMs } = await server.read();
    await database.close();
    return {
      documentsPerS: (cities.length / elapsedMs) * 1000,
      cpuMicrosPerDocument: cpuMicros / cities.length,
      rssMaxMb,
      loopDelayMaxMs,
    };
  } finally {
    await server.stop();
  }
}
