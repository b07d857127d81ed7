import { afterAll, beforeAll, test } from "vitest";
import { type Database } from "@kvs/protocol";
import { ALL_CASES } from "../src/all-cases.ts";

/** One kind of database. */
export interface Subject {
  start?(): Promise<void>;
  stop?(): Promise<void>;
  /** Names of cases that do not hold for it yet; it is an error if one of them does. */
  readonly gaps?: readonly string[];
  /** A store for one case, and its databases. */
  newStore(caseNumber: number): Promise<SubjectStore>;
}

export interface SubjectStore {
  /** The database that the case begins with. */
  readonly database: string;
  open(database: string): Promise<Database>;
  /** Whether what was written is there when a database is opened again. */
  readonly isLasting: boolean;
  /** Whether a database may be opened more than once at a time. */
  readonly isShared?: boolean;
}

/** Runs the suite. */
export function testSubject(subject: Subject): void {
  beforeAll(async () => subject.start?.());
  afterAll(async () => subject.stop?.());
  for (const [number, each] of ALL_CASES.entries()) {
    const isGap = subject.gaps?.includes(each.name) === true;
    test(each.name, { fails: isGap }, async ({ skip }) => {
      const store = await subject.newStore(number);
      skip(each.needs === "reopen" && !store.isLasting, "nothing outlives the closing");
      skip(each.needs === "connect" && store.isShared !== true, "there are no connections");
      let current = await store.open(store.database);
      const reopen = async (database: string): Promise<Database> => {
        await current.close();
        current = await store.open(database);
        return current;
      };
      try {
        await each.run(current, {
          reopen: store.isLasting ? reopen : undefined,
          connect: store.isShared === true ? () => store.open(store.database) : undefined,
        });
      } finally {
        await current.close();
      }
    });
  }
}
