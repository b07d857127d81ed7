import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { connect } from "@kvs/client";
import { type Database } from "@kvs/protocol";
import { CITIES_FILE, kvsctl } from "../src/programs.ts";
import { ServerProcess } from "../src/server-process.ts";
import { collect } from "../src/walks.ts";

interface City {
  readonly name: string;
  readonly lat: string;
  readonly lng: string;
  readonly country: string;
  readonly admin1: string;
  readonly admin2: string;
}

/** On a busy machine. */
const PATIENCE_MS = 300_000;
vi.setConfig({ testTimeout: PATIENCE_MS, hookTimeout: PATIENCE_MS });

let folder = "";
let server: ServerProcess;
let database: Database;
let source: readonly City[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "kvs-cities-"));
  source = JSON.parse(await readFile(CITIES_FILE, "utf8")) as City[];
  server = await ServerProcess.start(join(folder, "data"));
  database = await connect(server.url("world"), { timeoutMs: PATIENCE_MS });
  await kvsctl(
    "--url",
    server.url("world"),
    "--timeout",
    String(PATIENCE_MS),
    "import",
    "cities",
    CITIES_FILE,
  );
});

afterAll(async () => {
  await database.close();
  await server.stop();
  await rm(folder, { recursive: true });
});

test("all places of the world are imported", async () => {
  expect(source.length).toBeGreaterThan(100_000);
  expect(await database.collection("cities").count()).toBe(source.length);
});

test("the places of Switzerland come sorted by their names", async () => {
  const cities = database.collection<City>("cities");
  const query = { filter: { country: "CH" }, sort: { name: 1 } } as const;
  const found = await cities.find(query).toArray();
  const expected = source.filter(({ country }) => country === "CH");
  expect(found.map(({ name }) => name)).toEqual(
    expected
      .map(({ name }) => name)
      .toSorted((left, right) => (left < right ? -1 : +(left > right))),
  );
  expect(asSet(found)).toEqual(asSet(expected));
});

test("counts are those of the source", async () => {
  const cities = database.collection<City>("cities");
  const table: readonly (readonly [object, (city: City) => boolean])[] = [
    [{ country: "CH" }, ({ country }) => country === "CH"],
    [
      { country: { $in: ["CH", "LI", "AT"] } },
      ({ country }) => ["CH", "LI", "AT"].includes(country),
    ],
    [{ name: { $regex: "^San " } }, ({ name }) => name.startsWith("San ")],
    [{ name: { $gte: "Z", $lt: "Zb" } }, ({ name }) => name >= "Z" && name < "Zb"],
    [{ admin2: "", country: { $ne: "FR" } }, (city) => city.admin2 === "" && city.country !== "FR"],
    [{ country: "no such" }, () => false],
  ];
  for (const [filter, isMeant] of table) {
    expect(await cities.count(filter)).toBe(source.filter(isMeant).length);
  }
});

test("what is exported is what was imported", async () => {
  const file = join(folder, "cities.jsonl");
  await kvsctl(
    "--url",
    server.url("world"),
    "--timeout",
    String(PATIENCE_MS),
    "export",
    "cities",
    file,
  );
  const lines = (await readFile(file, "utf8")).trimEnd().split("\n");
  const exported = lines.map((line) => JSON.parse(line) as City & { readonly _id: string });
  expect(new Set(exported.map(({ _id }) => _id)).size).toBe(source.length);
  expect(asSet(exported)).toEqual(asSet(source));
});

test("everything is there again after the server was stopped and started", async () => {
  await database.close();
  await server.stop();
  expect(await kvsctl("check", "--data-dir", join(folder, "data"))).toBeTypeOf("string");
  server = await ServerProcess.start(join(folder, "data"));
  database = await connect(server.url("world"), { timeoutMs: PATIENCE_MS });
  const found = await collect(database.collection<City>("cities").find());
  expect(asSet(found)).toEqual(asSet(source));
});

/** The places as texts, in an order of their own, so that two large sets compare fast. */
function asSet(cities: readonly City[]): string {
  return cities
    .map(({ name, lat, lng, country, admin1, admin2 }) =>
      [name, lat, lng, country, admin1, admin2].join("|"),
    )
    .toSorted()
    .join("\n");
}
