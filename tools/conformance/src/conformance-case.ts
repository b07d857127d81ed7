import { type Database } from "@kvs/protocol";

/** What a case may do besides using its database. */
export interface CaseContext {
  /**
   * Closes the case's database, and opens another one of the same store; `undefined` where nothing
   * outlives the closing.
   */
  readonly reopen: ((database: string) => Promise<Database>) | undefined;
}

/** One thing that holds for every kind of database. */
export interface ConformanceCase {
  /** A sentence that is true. */
  readonly name: string;
  /** Whether it takes `context.reopen`. */
  readonly needsReopen?: boolean;
  /**
   * @param database One of its own, into which nothing was written.
   * @throws If what the name says is not true.
   */
  run(database: Database, context: CaseContext): Promise<void>;
}
