import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { connect } from "@kvs/client";
import { assert } from "@kvs/env";
import { type Database, type Transaction } from "@kvs/protocol";
import { runCallers } from "../load.ts";
import { type Sample } from "../sample.ts";
import { CITIES } from "../servers/cities.ts";
import { type ImportRun, importRun, importedFolder, warmUpImport } from "../servers/import-runs.ts";
import { KvsServer } from "../servers/kvs-server.ts";
import { RedisServer } from "../servers/redis-server.ts";
import { keyTextOf } from "../stores/sample-pairs.ts";
import { type Contender, type Measure, type RunContext, type Suite } from "../suite.ts";

const KEYS_FULL = 100_000;
const KEYS_QUICK = 10_000;
const VALUE: string = "v".repeat(100);
const TRANSACTIONS = 20_000;
/** Keys of one request while the keys are put there. */
const LOAD_BATCH = 1000;
/** Steps over the keys in an order that looks random and comes to each of them: a large prime. */
const STRIDE = 7_368_787;

/** The server as a process of its own, over loopback, with one client in this process. */
export const serverSuite: Suite = {
  name: "server",
  description: "one server and one client, two processes: imports, gets, durable puts",
  measures: [
    imports({ id: "server.import-docs-per-s", unit: "1/s" }, (run) => ({
      value: run.documentsPerS,
      cpuMicrosPerOp: run.cpuMicrosPerDocument,
    })),
    imports({ id: "server.import-rss-mb", unit: "MB", better: "less" }, (run) => ({
      value: run.rssMaxMb,
    })),
    imports({ id: "server.loop-delay-max-ms", unit: "ms", better: "less" }, (run) => ({
      value: run.loopDelayMaxMs,
    })),
    start(),
    get(1, 2500),
    get(64, 60_000),
    get(512, 100_000),
    put(1, 1500),
    put(64, 20_000),
    put(512, 50_000),
    transactions(),
  ],
};

/** What imports of the cities, each into a new server, came to. */
function imports(
  shape: Pick<Measure, "id" | "unit" | "better">,
  sampleOf: (run: ImportRun) => Sample,
): Measure {
  let next = 0;
  return {
    ...shape,
    prepare: async () => {
      next = 0;
      return { type: "ready" };
    },
    run: async (context) => {
      if (!context.isWarmUp) return sampleOf(await importRun(next++, context));
      await warmUpImport(context);
      return { value: 0 };
    },
  };
}

/** From the start of the process to the first answer, with the cities there. */
function start(): Measure {
  let folder: string;
  return {
    id: "server.start-ms",
    unit: "ms",
    better: "less",
    prepare: async (context) => {
      folder = await importedFolder(context);
      return { type: "ready" };
    },
    run: async () => {
      const startMs = performance.now();
      const server = await KvsServer.start(folder);
      try {
        const database = await connect(server.url("app"));
        const city = await database.collection(CITIES).get("city:1");
        const elapsedMs = performance.now() - startMs;
        assert(city !== undefined, "the cities are there");
        await database.close();
        return { value: elapsedMs };
      } finally {
        await server.stop();
      }
    },
  };
}

function get(callers: number, operations: number): Measure {
  return keyValue(`server.get.${callers}`, (subject, context) =>
    runCallers(
      callers,
      context.operations(operations),
      (index) => subject.get(keyTextOf((index * STRIDE) % subject.keys)),
      subject.pid,
    ),
  );
}

function put(callers: number, operations: number): Measure {
  return keyValue(`server.put.${callers}`, (subject, context) =>
    runCallers(
      callers,
      context.operations(operations),
      (index) => subject.put(keyTextOf((index * STRIDE) % subject.keys)),
      subject.pid,
    ),
  );
}

/** Two reads and two writes in a transaction, each a question and an answer, 64 callers. */
function transactions(): Measure {
  let server: KvsServer;
  let database: Database;
  let keys: number;
  return {
    id: "server.txn-p99-ms.64",
    unit: "ms",
    better: "less",
    prepare: async ({ folder, isQuick }) => {
      keys = isQuick ? KEYS_QUICK : KEYS_FULL;
      const dataFolder = join(folder, "kvs-keys");
      const isLoaded = existsSync(dataFolder);
      server = await KvsServer.start(dataFolder);
      database = await connect(server.url("app"));
      if (!isLoaded) await loadKvs(database, keys);
      return {
        type: "ready",
        dispose: async () => {
          await database.close();
          await server.stop();
        },
      };
    },
    run: async (context) => {
      const keyAt = (at: number): string => keyTextOf((at * STRIDE) % keys);
      const sample = await runCallers(
        64,
        context.operations(TRANSACTIONS),
        (index) =>
          database.transaction((tx) => readAndWrite(tx, keyAt(2 * index), keyAt(2 * index + 1))),
        server.pid,
      );
      return { ...sample, value: sample.p99! };
    },
  };
}

async function readAndWrite(tx: Transaction, a: string, b: string): Promise<void> {
  const found = [await tx.get(a), await tx.get(b)];
  assert(!found.includes(undefined), "every key that is read is there");
  await tx.put(a, VALUE);
  await tx.put(b, VALUE);
}

/** A server that holds the keys, and a client. */
interface Subject {
  readonly pid: number;
  readonly keys: number;
  get(key: string): Promise<unknown>;
  put(key: string): Promise<unknown>;
  close(): Promise<void>;
}

type SampleSubject = (subject: Subject, context: RunContext) => Promise<Sample>;

function keyValue(id: string, sample: SampleSubject): Measure {
  return {
    id,
    unit: "1/s",
    ...contender(openKvs, sample),
    peers: [{ name: "redis", ...contender(openRedis, sample) }],
  };
}

function contender(
  open: (folder: string, keys: number) => Promise<Subject | string>,
  sample: SampleSubject,
): Contender {
  let subject: Subject;
  return {
    prepare: async ({ folder, isQuick }) => {
      const opened = await open(folder, isQuick ? KEYS_QUICK : KEYS_FULL);
      if (typeof opened === "string") return { type: "unavailable", reason: opened };
      subject = opened;
      return { type: "ready", dispose: () => opened.close() };
    },
    run: (context) => sample(subject, context),
  };
}

async function openKvs(folder: string, keys: number): Promise<Subject> {
  const dataFolder = join(folder, "kvs-keys");
  const isLoaded = existsSync(dataFolder);
  const server = await KvsServer.start(dataFolder);
  const database = await connect(server.url("app"));
  if (!isLoaded) await loadKvs(database, keys);
  return {
    pid: server.pid,
    keys,
    get: (key) => database.kv.get(key),
    put: (key) => database.kv.put(key, VALUE),
    close: async () => {
      await database.close();
      await server.stop();
    },
  };
}

async function loadKvs(database: Database, keys: number): Promise<void> {
  for (let from = 0; from < keys; from += LOAD_BATCH) {
    await database.kv.batch(
      Array.from({ length: LOAD_BATCH }, (_, at) => ({
        type: "put" as const,
        key: keyTextOf(from + at),
        value: VALUE,
      })),
    );
  }
}

async function openRedis(folder: string, keys: number): Promise<Subject | string> {
  const dataFolder = join(folder, "redis");
  const isLoaded = existsSync(dataFolder);
  mkdirSync(dataFolder, { recursive: true });
  const server = await RedisServer.start(dataFolder);
  if (typeof server === "string") return server;
  if (!isLoaded) await loadRedis(server, keys);
  return {
    pid: server.pid,
    keys,
    get: (key) => server.client.get(key),
    put: (key) => server.client.set(key, VALUE),
    close: () => server.stop(),
  };
}

async function loadRedis({ client }: RedisServer, keys: number): Promise<void> {
  for (let from = 0; from < keys; from += LOAD_BATCH) {
    await Promise.all(
      Array.from({ length: LOAD_BATCH }, (_, at) => client.set(keyTextOf(from + at), VALUE)),
    );
  }
}
