import { resolve } from "node:path";
import { connect } from "@kvs/client";
import { type Database } from "@kvs/protocol";
import { Output } from "./output.ts";

/** Options that every command has. */
export interface GlobalOptions {
  readonly url: string;
  readonly json: boolean;
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
  const database = await connect(session.options.url, {
    timeoutMs: session.options.timeout,
    name: "kvsctl",
  });
  try {
    return await body(database);
  } finally {
    await database.close();
  }
}

/** A file of the caller's: package managers run scripts in another folder than theirs. */
export function callersPath(path: string): string {
  return resolve(process.env["INIT_CWD"] ?? process.cwd(), path);
}

/** Ends a command with exit code 1 and this message, which is all that is printed. */
export class CommandFailure extends Error {
  override readonly name = "CommandFailure";
}
