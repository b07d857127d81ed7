import { type Database } from "@kvs/protocol";

/** What a case may do besides using its database. */
export interface CaseContext {
  /**
   * Closes the case's database, and opens another one of the same store; `undefined` where nothing
   * outlives the closing.
   */
  readonly reopen: ((database: string) => Promise<Database>) | undefined;
  /** Another connection to the case's database; `undefined` where there are none. */
  readonly connect: (() => Promise<Database>) | undefined;
}

/** One thing that holds for every kind of database. */
export interface ConformanceCase {
  /** A sentence that is true. */
  readonly name: string;
  /** What of the context it takes. */
  readonly needs?: keyof CaseContext;
  /**
   * @param database One of its own, into which nothing was written.
   * @throws If what the name says is not true.
   */
  run(database: Database, context: CaseContext): Promise<void>;
}
