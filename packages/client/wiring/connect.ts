import { createNodeEnvironment } from "@kvs/node";
import { type Database } from "@kvs/protocol";
import { type ClientOptions } from "../src/client-options.ts";
import { connectWith } from "../src/connect-with.ts";

/**
 * Connects to the database that a URL names, over the real network: `kvs://host:port/database`.
 *
 * @throws {KvsError} as `connectWith`.
 *
 * @example
 * ```ts
 * await using db = await connect("kvs://127.0.0.1:5000/app");
 * await db.kv.put("greeting", { text: "hello" });
 * ```
 */
export function connect(url: string, options: ClientOptions = {}): Promise<Database> {
  return connectWith(createNodeEnvironment(), url, options);
}
