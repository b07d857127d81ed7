import { type KvsError } from "@kvs/env";
import { type Database, type Transaction } from "@kvs/protocol";
import { expect, test } from "vitest";
import { open } from "../../wiring/index.ts";

/** A helper, as users have them: it is the innermost place that is not ours. */
async function lockBoth(tx: Transaction, first: string, second: string): Promise<void> {
  await tx.put(first, 1);
  await tx.getForUpdate(second);
}

async function deadlock(db: Database): Promise<KvsError> {
  const older = await db.begin();
  const younger = await db.begin();
  await older.put("a", 1);
  await younger.put("b", 1);
  const olderWaits = lockBoth(older, "a", "b");
  const failed: unknown = await lockBoth(younger, "b", "a").catch((error: unknown) => error);
  await olderWaits;
  await older.rollback();
  return failed as KvsError;
}

test("a deadlock tells who waited for which key, for whom, and where in the user's code", async () => {
  await using db = await open(":memory:");
  await db.kv.put("a", 0);

  const { code, message, details } = await deadlock(db);

  expect(code).toBe("TXN_DEADLOCK");
  const sites = [...message.matchAll(/asked for at ([^)]*)\)/gu)].map(([, site]) => site);
  expect(sites).toHaveLength(2);
  for (const site of sites) expect(site).toMatch(/call-site\.test\.ts:\d+:\d+$/u);
  expect(message).toContain('key "a" of database default');
  expect(message).toContain('key "b" of database default');
  expect(details["cycle"]).toMatch(/^t-\w+-\d+ > t-\w+-\d+$/u);
});

/** Whoever awaits the call itself is found; V8 loses who awaits it later. */
async function grow(tx: Transaction, id: string): Promise<void> {
  await tx.collection("people").update(id, { age: 3 });
}

test("documents tell it, too", async () => {
  await using db = await open(":memory:");
  const people = db.collection<{ _id?: string; age: number }>("people");
  await people.insertMany([
    { _id: "ada", age: 1 },
    { _id: "bob", age: 1 },
  ]);
  const older = await db.begin();
  const younger = await db.begin();
  await older.collection("people").update("ada", { age: 2 });
  await younger.collection("people").update("bob", { age: 2 });
  const waits = grow(older, "bob");

  const failed: unknown = await grow(younger, "ada").catch((error: unknown) => error);

  await waits;
  await older.rollback();
  expect((failed as KvsError).message).toMatch(
    /document "bob" of collection people.*call-site\.test/u,
  );
});

test("the limit of stack traces that the program chose stays as it was", async () => {
  const before = Error.stackTraceLimit;
  await using db = await open(":memory:");
  await deadlock(db);
  expect(Error.stackTraceLimit).toBe(before);
});
