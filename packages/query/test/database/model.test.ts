import { type Key, compareKeys } from "@kvs/codec";
import { type Random, createRandom, isKvsError, pick } from "@kvs/env";
import { type Collection, type HostedDatabase, type KeyOperation } from "@kvs/protocol";
import { expect, test } from "vitest";
import { collect, newStorage, withDatabase } from "./fixture.ts";

const SEEDS = 10;
const LIVES = 4;
const OPERATIONS = 120;

const KEYS: readonly Key[] = [
  null,
  false,
  -1,
  0,
  7,
  "",
  "a",
  "ab",
  "b",
  ["a"],
  ["a", 1],
  ["b", null],
];
const IDS = ["a", "b", "c", "d", "e", "f", "__proto__", "x".repeat(400)];
const COLLECTIONS = ["one", "two"];

/** What a database has to hold. */
class Model {
  readonly keys = new Map<string, { key: Key; value: unknown; version: number }>();
  readonly collections = new Map(
    COLLECTIONS.map((name) => [name, new Map<string, { version: number; data: object }>()]),
  );
}

test("a database is what a plain model is, over restarts and crashes of the process", async () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const random = createRandom(seed);
    const storage = newStorage(seed);
    const model = new Model();
    for (let life = 0; life < LIVES; life++) {
      await withDatabase(
        storage,
        async (database) => {
          await compare(database, model);
          for (let count = 0; count < OPERATIONS; count++) await step(database, model, random);
          await compare(database, model);
          if (random.nextUint32() % 2 === 0) await database.close();
        },
        seed * 100 + life,
      );
    }
  }
});

async function step(database: HostedDatabase, model: Model, random: Random): Promise<void> {
  const choice = random.nextUint32() % 10;
  if (choice < 3) await putOrDelete(database, model, random);
  else if (choice < 4) await batch(database, model, random);
  else if (choice < 5) await insertMany(database, model, random);
  else if (choice < 9) await changeDocument(database, model, random);
  else if (random.nextUint32() % 4 === 0) await database.checkpoint();
  else await compare(database, model);
}

async function putOrDelete({ kv }: HostedDatabase, model: Model, random: Random): Promise<void> {
  const key = pick(random, KEYS);
  const name = nameOf(key);
  const current = model.keys.get(name)?.version ?? 0;
  const ifVersion = pick(random, [undefined, undefined, 0, current, current + 1]);
  const condition = ifVersion === undefined ? {} : { ifVersion };
  const isMet = ifVersion === undefined || ifVersion === current;
  if (random.nextUint32() % 3 === 0) {
    const deleted = await attempt(kv.delete(key, condition), isMet);
    if (deleted === undefined) return;
    expect(deleted).toBe(current !== 0);
    model.keys.delete(name);
    return;
  }
  const value = valueOf(random);
  const put = await attempt(kv.put(key, value, condition), isMet);
  if (put !== undefined) model.keys.set(name, { key, value, version: put.version });
}

async function batch({ kv }: HostedDatabase, model: Model, random: Random): Promise<void> {
  const operations: KeyOperation[] = Array.from({ length: 1 + (random.nextUint32() % 6) }, () => {
    const key = pick(random, KEYS);
    if (random.nextUint32() % 3 === 0) return { type: "delete", key };
    return { type: "put", key, value: valueOf(random) };
  });
  const { version } = await kv.batch(operations);
  for (const operation of operations) {
    const { key } = operation;
    if (operation.type === "delete") model.keys.delete(nameOf(key));
    else model.keys.set(nameOf(key), { key, value: operation.value, version });
  }
}

async function insertMany(database: HostedDatabase, model: Model, random: Random): Promise<void> {
  const name = pick(random, COLLECTIONS);
  const there = model.collections.get(name)!;
  const documents = Array.from({ length: 1 + (random.nextUint32() % 3) }, () => ({
    _id: pick(random, IDS),
    value: valueOf(random),
  }));
  const ids = new Set(documents.map(({ _id }) => _id));
  const isMet = ids.size === documents.length && documents.every(({ _id }) => !there.has(_id));
  const inserted = database.collection<object>(name).insertMany(documents);
  if ((await attempt(inserted, isMet, "DUPLICATE_ID")) === undefined) return;
  for (const { _id, ...data } of documents) there.set(_id, { version: 1, data });
}

async function changeDocument(
  database: HostedDatabase,
  model: Model,
  random: Random,
): Promise<void> {
  const name = pick(random, COLLECTIONS);
  const there = model.collections.get(name)!;
  const things = database.collection<object>(name);
  const id = pick(random, IDS);
  const current = there.get(id)?.version ?? 0;
  const ifVersion = pick(random, [undefined, undefined, 0, current, current + 1]);
  const condition = ifVersion === undefined ? {} : { ifVersion };
  const isMet = ifVersion === undefined || ifVersion === current;
  if (random.nextUint32() % 3 === 0) {
    const deleted = await attempt(things.delete(id, condition), isMet);
    if (deleted === undefined) return;
    expect(deleted).toBe(current !== 0);
    there.delete(id);
    return;
  }
  const upsert = random.nextUint32() % 2 === 0;
  const data = { value: valueOf(random) };
  const updated = await attempt(things.update(id, data, { ...condition, upsert }), isMet);
  if (updated === undefined) return;
  expect(updated).toBe(current !== 0 || upsert);
  if (updated) there.set(id, { version: current + 1, data });
}

/** The answer; `undefined` if it failed as it had to. */
async function attempt<T>(
  promise: Promise<T>,
  isMet: boolean,
  code = "VERSION_MISMATCH",
): Promise<T | undefined> {
  try {
    const answer = await promise;
    expect(isMet).toBe(true);
    return answer;
  } catch (error) {
    if (!isKvsError(error, code) || isMet) throw error;
    return undefined;
  }
}

async function compare(database: HostedDatabase, model: Model): Promise<void> {
  const expected = [...model.keys.values()].toSorted((one, other) =>
    compareKeys(one.key, other.key),
  );
  expect(await collect(database.kv.scan())).toEqual(expected);
  expect(await collect(database.kv.scan({ reverse: true }))).toEqual(expected.toReversed());
  for (const key of KEYS) {
    const found = model.keys.get(nameOf(key));
    expect(await database.kv.get(key)).toEqual(found?.value);
    expect((await database.kv.getEntry(key))?.version).toBe(found?.version);
  }
  for (const [name, there] of model.collections) {
    await compareCollection(database.collection(name), there);
  }
}

async function compareCollection(
  things: Collection<object>,
  there: ReadonlyMap<string, { readonly version: number; readonly data: object }>,
): Promise<void> {
  const ids = [...there.keys()].toSorted();
  const found = await things.find().toArray();
  expect(found.map(({ _id }) => _id)).toEqual(ids);
  expect(found).toEqual(ids.map((_id) => ({ _id, ...there.get(_id)!.data })));
  expect(await things.count()).toBe(there.size);
  for (const id of IDS) {
    const envelope = await things.getDocument(id);
    expect(envelope?._version).toBe(there.get(id)?.version);
    expect(envelope?.data).toEqual(there.get(id)?.data);
  }
}

function valueOf(random: Random): unknown {
  const number = random.nextUint32() % 1000;
  return pick(random, [number, String(number), { number }, [number], "x".repeat(number * 12)]);
}

function nameOf(key: Key): string {
  return JSON.stringify(key);
}
