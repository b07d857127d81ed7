import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { connect } from "@kvs/client";
import { ServerProcess } from "../src/server-process.ts";

const here = import.meta.dirname;
const root = join(here, "../../..");

let data = "";
let folder = "";
let server: ServerProcess;

beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), "kvs-documents-"));
  folder = await mkdtemp(join(here, "documents-"));
  server = await ServerProcess.start(data);
});

afterAll(async () => {
  await server.stop();
  await rm(data, { recursive: true });
  await rm(folder, { recursive: true });
});

/** Runs the examples of a document, one after the other, as one program. */
async function run(path: string): Promise<void> {
  const document = await readFile(join(root, path), "utf8");
  const examples = Array.from(document.matchAll(/^```ts\n(.*?)^```$/gms), (match) => match[1]!);
  expect(examples.length).toBeGreaterThan(0);
  const file = join(folder, `${path.replaceAll("/", "-")}.ts`);
  const source = examples.join("\n").replaceAll("kvs://127.0.0.1:5000/app", server.url("app"));
  await writeFile(file, source);
  await import(pathToFileURL(file).href);
}

test("the program of the README does what it says", async () => {
  await run("README.md");
  await using db = await connect(server.url("app"));
  expect(await db.kv.get("user:1")).toBeUndefined();
  expect(
    await db
      .collection("people")
      .find({ sort: { born: 1 } })
      .toArray(),
  ).toMatchObject([
    { name: "Ada", born: 1815 },
    { name: "Grace", born: 1906 },
  ]);
});

test("the examples of docs/transactions.md run", () => run("docs/transactions.md"));
