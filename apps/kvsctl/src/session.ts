import { dirname, resolve } from "node:path";
import { connect } from "@kvs/client";
import { closestName } from "@kvs/env";
import { type Database } from "@kvs/protocol";
import { Output } from "./output.ts";

/** Options that every command has. */
export interface GlobalOptions {
  readonly url: string;
  readonly json: boolean;
  /** Milliseconds. */
  readonly timeout: number;
}

/** What a command works with. */
export interface Session {
  readonly options: GlobalOptions;
  readonly output: Output;
}

export function newSession(options: GlobalOptions): Session {
  return { options, output: new Output(options.json) };
}

/** Runs `body` with a connection, and closes it. */
export async function withDatabase<T>(
  session: Session,
  body: (database: Database) => Promise<T>,
): Promise<T> {
  const { url, timeout } = session.options;
  const database = await connect(url, { timeoutMs: timeout, name: "kvsctl" });
  try {
    return await body(database);
  } finally {
    await database.close();
  }
}

/** Tells on standard error that there is no such collection, and which one may have been meant. */
export async function noteIfMissing(database: Database, collection: string): Promise<void> {
  const { collections } = await database.stats();
  if (collections.includes(collection)) return;
  const closest = closestName(collection, collections);
  const hint = closest === undefined ? "" : `; did you mean ${closest}?`;
  process.stderr.write(`kvsctl: there is no collection ${collection}${hint}\n`);
}

/**
 * A file of the caller's. Package managers run a script in the folder of its package.json, and tell
 * in `INIT_CWD` where they were called.
 */
export function callersPath(path: string): string {
  const script = process.env["npm_package_json"];
  const wasMoved = script === undefined || dirname(script) === process.cwd();
  const folder = wasMoved ? (process.env["INIT_CWD"] ?? process.cwd()) : process.cwd();
  return resolve(folder, path);
}

/** Ends a command with exit code 1 and this message, which is all that is printed. */
export class CommandFailure extends Error {
  override readonly name = "CommandFailure";
}
