import { KeyvStore } from "../src/keyv-store.ts";
import { Level } from "./level.ts";

/**
 * A store for Keyv, in a directory of this machine.
 *
 * @example
 * ```ts
 * const cache = new Keyv({ store: new KvsKeyv("./cache"), namespace: "pages" });
 * await cache.set("home", "<html>", 60_000);
 * ```
 */
export class KvsKeyv extends KeyvStore<string, string> {
  /** @param database A directory, `:memory:`, or a database that others use as well. */
  constructor(database: string | Level) {
    super(typeof database === "string" ? new Level(database) : database);
  }
}
