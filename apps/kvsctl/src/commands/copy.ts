import { createReadStream } from "node:fs";
import { createNodeEnvironment } from "@kvs/node";
import { Store, restoreCopy } from "@kvs/txn";
import { CommandFailure, type Session, callersPath } from "../session.ts";
import { type OfflineFlags, encryptionOf } from "./encryption.ts";
import { requireStopped } from "./offline.ts";

const MEMORY_BYTES: number = 64 << 20;
const READ_BYTES: number = 1 << 20;

/** Writes a copy of a stopped server's data into one file. */
export async function copy(session: Session, file: string, flags: OfflineFlags): Promise<void> {
  const environment = createNodeEnvironment();
  const path = callersPath(flags.dataDir);
  await requireStopped(environment, path, flags.dataDir);
  const store = await Store.open(environment, {
    path,
    memoryBytes: MEMORY_BYTES,
    ...encryptionOf(flags),
  });
  try {
    const bytes = await store.copyTo(callersPath(file), { bytesPerSecond: Infinity });
    if (session.output.isJson) await session.output.value({ bytes });
    else await session.output.say(`${file} is a copy of ${flags.dataDir}: ${megabytes(bytes)}`);
  } finally {
    await store.close();
  }
}

/** Makes a data directory from a copy; `-` reads it from standard input. */
export async function restore(session: Session, file: string, dataDir: string): Promise<void> {
  const environment = createNodeEnvironment();
  const source =
    file === "-"
      ? process.stdin
      : createReadStream(callersPath(file), { highWaterMark: READ_BYTES });
  const opened = new Promise<void>((resolve, reject) => {
    source.once("readable", resolve).once("end", resolve).once("error", reject);
  });
  await opened.catch((error: NodeJS.ErrnoException) => {
    throw new CommandFailure(`${file} cannot be read (${error.code ?? "unknown"})`);
  });
  const report = await restoreCopy(environment, source, callersPath(dataDir));
  if (session.output.isJson) return session.output.value(report);
  const made = new Date(report.createdMs).toISOString();
  await session.output.say(`${dataDir} holds what was copied at ${made}, ${report.pages} pages`);
  if (report.isEncrypted) await session.output.say("it is encrypted: it needs its master key");
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
