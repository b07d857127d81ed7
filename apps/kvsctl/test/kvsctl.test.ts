import { mkdtempSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Ending, ServerProcess } from "@kvs/server-app/testing";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { runKvsctl } from "./real-kvsctl.ts";

// Every command is a process, and the machine may be busy.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });

const RECORDS = 5000;

let folder: string;
let server: ServerProcess;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "kvsctl-"));
  server = await ServerProcess.start({ dataDir: join(folder, "data") });
});

afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Runs a command against the server. */
function run(...words: string[]): Promise<Ending> {
  return runKvsctl(words, { cwd: folder, variables: { KVS_URL: server.url } });
}

/** A command that is expected to succeed: the lines it prints. */
async function lines(...words: string[]): Promise<string[]> {
  const { exitCode, stdout, stderr } = await run(...words);
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  return stdout.split("\n").slice(0, -1);
}

async function values(...words: string[]): Promise<unknown[]> {
  return (await lines(...words)).map((line) => JSON.parse(line) as unknown);
}

function write(name: string, text: string): string {
  writeFileSync(join(folder, name), text);
  return name;
}

test("put, get and del", async () => {
  expect(await lines("put", "greeting", '{"hello":"world"}')).toMatchObject([
    expect.stringMatching(/^put greeting \(version \d+\)$/),
  ]);
  expect(await lines("get", "greeting")).toEqual(['{"hello":"world"}']);
  expect(await lines("put", "text", "no JSON")).toHaveLength(1);
  expect(await lines("get", "text")).toEqual(["no JSON"]);
  expect(await lines("get", "text", "--json")).toEqual(['"no JSON"']);
  expect(await lines("del", "text")).toEqual(["deleted text"]);
  expect(await run("get", "text")).toEqual({ exitCode: 1, stdout: "", stderr: "" });
  expect(await run("del", "text")).toMatchObject({ exitCode: 1, stdout: "there is no text\n" });
  expect(await run("del", "text", "--json")).toMatchObject({ stdout: '{"deleted":false}\n' });
});

test("keys and values may be negative, begin with a dash, or have parts", async () => {
  const json = ["--json"];
  await lines("put", "degrees", "-5");
  await lines("put", "--", "-key", "--value");
  await lines("put", '["user",7]', "[1,2]");

  expect(await values("get", "degrees", ...json)).toEqual([-5]);
  expect(await lines("get", "--", "-key")).toEqual(["--value"]);
  expect(await values("get", '["user",7]', ...json)).toEqual([[1, 2]]);
  const refused = await run("get", "-key");
  expect(refused.exitCode).toBe(2);
  expect(refused.stderr).toContain("stand behind --: kvsctl get -- -key");
});

test("scan lists keys in order, with a prefix and a limit", async () => {
  for (const key of ["scan:b", "scan:a", "scan:c"]) await lines("put", key, "v\tw");

  const found = await values("--json", "scan", "--prefix", "scan:", "--limit", "2");

  expect(found).toMatchObject([{ key: "scan:a" }, { key: "scan:b", value: "v\tw" }]);
  const plain = await lines("scan", "--prefix", "scan:");
  expect(plain.map((line) => line.split("\t")[0])).toEqual(["scan:a", "scan:b", "scan:c"]);
});

test("a pipe gets everything: no limit is made up", async () => {
  write("many.jsonl", Array.from({ length: 120 }, (_, n) => `{"n":${n}}`).join("\n"));
  await lines("import", "many", "many.jsonl");

  expect(await lines("find", "many")).toHaveLength(120);
  expect(await lines("find", "many", "--json")).toHaveLength(120);
  expect(
    await values(
      "find",
      "many",
      '{"filter":{"n":{"$gte":5}},"limit":2,"projection":{"n":1,"_id":0}}',
    ),
  ).toEqual([{ n: 5 }, { n: 6 }]);
});

test("insert and find, with values that JSON has no place for", async () => {
  const [first] = await values(
    "insert",
    "people",
    '{"name":"Ada","born":{"$date":"1815-12-10"}}',
    "--json",
  );

  expect(await values("find", "people", '{"filter":{"name":"Ada"}}', "--json")).toEqual([
    { ...(first as object), name: "Ada", born: { $date: "1815-12-10T00:00:00.000Z" } },
  ]);
});

test("stats as a table and as JSON", async () => {
  const table = (await lines("stats")).join("\n");
  for (const row of ["database", "open transactions", "committed, rolled back"]) {
    expect(table).toContain(`│ ${row} `);
  }
  const transactions = { open: 0, locks: 0, waits: 0, deadlocks: 0 };
  expect(await values("stats", "--json")).toMatchObject([{ name: "default", transactions }]);
});

test("databases are made by the first write, and named by the URL", async () => {
  const url = server.url.replace("/default", "/other");
  await lines("put", "where", '"other"', "--url", url);

  expect(await lines("--url", url, "get", "where")).toEqual(["other"]);
  expect(await lines("--url", server.url, "get", "where", "--url", url)).toEqual(["other"]);
  expect((await run("get", "where")).exitCode).toBe(1);
});

test.each(["json", "jsonl", "csv"])(
  "import, export and import of a %s file of 5,000 records",
  async (format) => {
    const documents = Array.from({ length: RECORDS }, (_, n) => ({
      name: `city "${n}", é\n`,
      population: n * 7,
      code: `0${n}`,
      ...(format === "csv" ? {} : { tags: ["a", n, null], nested: { deep: { "": true } } }),
    }));
    const text = {
      json: JSON.stringify(documents, null, 2),
      jsonl: documents.map((each) => JSON.stringify(each)).join("\n"),
      csv: `name,population,code\r\n${documents
        .map((each) => `"${each.name.replaceAll('"', '""')}",${each.population},${each.code}`)
        .join("\r\n")}\r\n`,
    }[format]!;
    const file = write(`cities.${format}`, text);

    expect(await values("import", `${format}_1`, file, "--json")).toMatchObject([
      { inserted: RECORDS, existing: 0, bad: 0 },
    ]);
    const before = await values("stats", "--json");
    expect(await values("import", `${format}_1`, file, "--json")).toMatchObject([
      { inserted: 0, existing: RECORDS, bad: 0 },
    ]);
    expect(await values("stats", "--json")).toMatchObject([
      { version: (before[0] as { version: number }).version },
    ]);

    const found = await values("find", `${format}_1`);
    expect(found).toEqual(
      documents.map((each, at) => ({ _id: `${file}:${String(at + 1).padStart(9, "0")}`, ...each })),
    );
    for (const ending of ["jsonl", "json"]) {
      const exported = `${format}.out.${ending}`;
      expect(await lines("export", `${format}_1`, exported)).toEqual([
        `exported ${RECORDS} documents to ${exported}`,
      ]);
      await lines("import", `${format}_${ending}`, exported);
      expect(await values("export", `${format}_${ending}`)).toEqual(found);
    }
    expect(readdirSync(folder).filter((name) => name.endsWith(".partial"))).toEqual([]);
  },
);

test("standard input and output are -", async () => {
  const options = { cwd: folder, variables: { KVS_URL: server.url } };
  const imported = await runKvsctl(["import", "piped", "-"], {
    ...options,
    input: '{"_id":7}\n{"_id":"x"}\n',
  });

  expect(imported).toMatchObject({ exitCode: 0, stderr: "" });
  expect(await values("export", "piped", "-")).toEqual([{ _id: "7" }, { _id: "x" }]);
});

test("bad records are named by number and line, and the others are stored", async () => {
  const file = write("bad.jsonl", '{"a":1}\n{"a":}\n\n[1]\n{"_id":true}\n{"_id":""}\n{"a":2}\n');

  const ending = await run("import", "bad", file);

  expect(ending.exitCode).toBe(1);
  expect(ending.stderr).toMatch(
    /^record 2, line 2: not JSON: .*\nrecord 3, line 4: a document is an object, .*\nrecord 4, line 5: its _id is neither a text nor a number\nrecord 5, line 6: .*_id.*\n$/,
  );
  expect(ending.stdout).toMatch(/^imported 2 documents, 4 bad \(/);
  expect(await values("export", "bad")).toMatchObject([{ a: 1 }, { a: 2 }]);
});

test("--stop-on-error stops at the first bad record; what stood before it is stored", async () => {
  const file = write("stop.jsonl", '{"a":1}\n{"a":}\n{"a":2}\n');

  const ending = await run("import", "stopped", file, "--stop-on-error");

  expect(ending.exitCode).toBe(1);
  expect(ending.stderr).toMatch(
    /^kvsctl: record 2, line 2: not JSON: .*\n {2}1 document of the file stored; the same command goes on/,
  );
  expect(await values("export", "stopped")).toMatchObject([{ a: 1 }]);
});

test("an import that Ctrl-C stopped says how to go on, and goes on", async () => {
  const count = 60_000;
  const file = write(
    "long.jsonl",
    `{bad\n${Array.from({ length: count }, (_, n) => `{"n":${n}}`).join("\n")}`,
  );
  const options = { cwd: folder, variables: { KVS_URL: server.url } };

  // The bad first record is named as soon as the import has begun.
  const stopped = await runKvsctl(["import", "long", file], {
    ...options,
    onStderr: (text, kill) => {
      if (text.includes("record 1") && !text.includes("stopped")) kill("SIGINT");
    },
  });

  expect(stopped.exitCode).toBe(130);
  expect(stopped.stderr).toMatch(
    /kvsctl: stopped; \d+ documents? of the file stored; the same command goes on/,
  );
  const goingOn = await run("import", "long", file, "--json");
  const { inserted, existing } = JSON.parse(goingOn.stdout) as Record<string, number>;
  expect(inserted! + existing!).toBe(count);
  expect(existing).toBe(Number(/(\d+) documents? of the file/.exec(stopped.stderr)![1]));
});

test("an empty file is imported as nothing", async () => {
  for (const name of ["empty.json", "empty.jsonl", "empty.csv"]) {
    expect((await lines("import", "empty", write(name, "")))[0]).toMatch(/^imported 0 documents/);
  }
});

test("files are seen from the caller's folder", async () => {
  const callers = join(folder, "callers");
  mkdirSync(callers);
  writeFileSync(join(callers, "here.jsonl"), '{"_id":"1"}\n');
  const variables = { KVS_URL: server.url, INIT_CWD: callers };

  const imported = await runKvsctl(["import", "here", "here.jsonl"], { cwd: folder, variables });
  const exported = await runKvsctl(["export", "here", "out.jsonl"], { cwd: folder, variables });

  expect([imported.exitCode, exported.exitCode]).toEqual([0, 0]);
  expect(readFileSync(join(callers, "out.jsonl"), "utf8")).toBe('{"_id":"1"}\n');
});

test("mistakes are told in a line, with what was meant", async () => {
  await lines("insert", "people", "{}");
  const cases: readonly (readonly [readonly string[], number, RegExp])[] = [
    [["gte", "x"], 2, /unknown command 'gte'\n\(Did you mean get\?\)/],
    [["get"], 2, /missing required argument 'key'/],
    [["get", "x", "--jsno"], 2, /unknown option '--jsno'\n\(Did you mean --json\?\)/],
    [["find", "people", '{"filer":{}}'], 1, /no member "filer", .*did you mean "filter"\?\n$/],
    [
      ["find", "people", '{"age":5}'],
      1,
      /conditions stand in its filter: \{"filter":\{"age":…\}\}\n$/,
    ],
    [["find", "people", "{age:5}"], 1, /^kvsctl: not JSON: .*; expected a query such as /],
    [["find", "people", '{"filter":{"a":{"$foo":1}}}'], 1, /\$foo.*\(QUERY_/],
    [["insert", "people", "[1]"], 1, /expected a document such as/],
    [["insert", "bad name", "{}"], 1, /"bad name" is no name of a collection/],
    [["import", "x", "none.json"], 1, /there is no file none\.json/],
    [["import", "x", "."], 1, /say --format json, jsonl or csv/],
    [["import", "x", ".", "--format", "csv"], 1, /\. cannot be read: it is a folder/],
    [["import", "x", "a.json", "--format", "xml"], 2, /Allowed choices are json, jsonl, csv/],
    [["export", "people", "people.csv"], 1, /export to \.jsonl or \.json/],
    [["export", "people", "none/people.json"], 1, /cannot be written \(ENOENT\)/],
    [["get", "x", "--url", "http://x"], 1, /begins with kvs:\/\/.*\(BAD_URL\)/],
    [["page", "dump", "x"], 2, /has to be a whole number/],
  ];
  for (const [words, exitCode, message] of cases) {
    const ending = await run(...words);

    expect({ words, exitCode: ending.exitCode }).toEqual({ words, exitCode });
    expect(ending.stderr).toMatch(message);
    expect(ending.stderr).not.toContain("    at ");
    expect(ending.stdout).toBe("");
  }
});

test("a collection that is not there is named, with the one that was meant", async () => {
  await lines("insert", "people", "{}");

  expect(await run("find", "peple")).toEqual({
    exitCode: 0,
    stdout: "",
    stderr: "kvsctl: there is no collection peple; did you mean people?\n",
  });
});

test("without a server it says how to start one", async () => {
  const ending = await run("get", "x", "--url", "kvs://127.0.0.1:1/default");

  expect(ending.exitCode).toBe(1);
  expect(ending.stderr).toBe(
    "kvsctl: no server answers at 127.0.0.1:1 (CONNECTION_FAILED)\n" +
      "  is the server running? start it with: npm start\n" +
      "  another one: --url kvs://host:port/database, or KVS_URL\n",
  );
});

test("help and version succeed", async () => {
  expect((await lines("--version"))[0]).toMatch(/^\d+\.\d+\.\d+$/);
  expect((await lines("--help")).join("\n")).toContain("import [options] <collection> <file>");
  expect((await lines("wal", "dump", "--help")).join("\n")).toContain("--data-dir <folder>");
});
