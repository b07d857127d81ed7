import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { connect } from "@kvs/client";
import { type Database } from "@kvs/protocol";
import { IdleHolder } from "../src/idle-connections.ts";
import { ServerProcess } from "../src/server-process.ts";
import { wait } from "../src/walks.ts";

/** The server's default limit. */
const CONNECTIONS_MAX = 10_000;
/** Of these, connections that are open and never say hello. */
const MUTE = 999;
/** Sockets beside them that send nothing at all. */
const BARE = 500;
/** The connection of the client that works. */
const ACTIVE = 1;
const SILENT = CONNECTIONS_MAX - MUTE - ACTIVE;
/** Connections beyond the limit that are tried. */
const BEYOND = 50;
/** What one costs the server: some 25 KB were measured. */
const BYTES_PER_CONNECTION_MAX: number = 64 << 10;
/** Files, sockets being opened, and what Node holds itself. */
const DESCRIPTORS = CONNECTIONS_MAX + 2048;
/** What the server may have opened besides: segments of its log, connections of HTTP. */
const DESCRIPTORS_SLACK = 16;

const missing = whatIsMissing();
if (missing !== undefined) console.log(`skipped: ten thousand idle connections: ${missing}`);

// REL-L11
test.skipIf(missing !== undefined)(
  "ten thousand idle connections get a typed answer and change nothing for who works",
  { timeout: 120_000 },
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "kvs-idle-"));
    const server = await ServerProcess.start(folder);
    const database = await connect(server.url("default"));
    await using first = new IdleHolder();
    await using second = new IdleHolder();
    const work = new Work(database);
    await work.during(wait(500));
    const before = await observe(server);

    const half = SILENT / 2;
    await work.during(
      Promise.all([
        first.open(server.port, "silent", half),
        second.open(server.port, "silent", half),
      ]),
    );
    await work.during(
      Promise.all([first.open(server.port, "mute", MUTE), second.open(server.port, "bare", BARE)]),
    );
    const full = await observe(server);
    expect(full.connections).toBe(CONNECTIONS_MAX);
    expect(full.health).toBe("degraded");
    const bytes = (full.rssBytes - before.rssBytes) / (CONNECTIONS_MAX + BARE);
    expect(bytes).toBeLessThan(BYTES_PER_CONNECTION_MAX);

    const beyond = await work.during(second.open(server.port, "silent", BEYOND));
    expect(beyond).toMatchObject({ refused: BEYOND, reasons: { "NET_REJECTED 503": BEYOND } });
    await expect(connect(server.url("default"))).rejects.toMatchObject({
      code: "CONNECTION_FAILED",
      retryable: true,
      message: expect.stringContaining("as many connections as it takes") as string,
    });

    const { reasons } = await work.during(first.waitUntilOpen(half));
    expect(reasons).toEqual({ DEADLINE_EXCEEDED: MUTE });
    await work.during(second.waitUntilOpen(half));
    expect((await observe(server)).connections).toBe(SILENT + ACTIVE);

    const ends = await work.during(Promise.all([first.close(), second.close()]));
    expect(ends.map(({ open }) => open)).toEqual([0, 0]);
    await work.during(until(async () => (await observe(server)).connections === ACTIVE));
    const after = await observe(server);
    expect(after.descriptors).toBeLessThanOrEqual(before.descriptors + DESCRIPTORS_SLACK);
    expect(after.health).toBe("healthy");
    expect(await database.collection("notes").count()).toBe(work.rounds);
    console.log(
      `ten thousand idle connections: ${Math.round(bytes / 1024)} KB each, ` +
        `server ${megabytes(before)} MB before, ${megabytes(full)} with them, ` +
        `${megabytes(after)} after; ${work.rounds} rounds of work meanwhile`,
    );
    await database.close();
    await server.stop();
    await rm(folder, { recursive: true });
  },
);

/** One client that writes, reads and looks for documents, one thing after the other. */
class Work {
  readonly #database: Database;
  rounds = 0;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Works until the promise settles, and at least one round. */
  async during<T>(promise: Promise<T>): Promise<T> {
    const over = new AbortController();
    const end = (): void => over.abort();
    promise.then(end, end);
    do await this.#round();
    while (!over.signal.aborted);
    return promise;
  }

  async #round(): Promise<void> {
    const round = this.rounds++;
    const { kv } = this.#database;
    const notes = this.#database.collection<{ readonly round: number }>("notes");
    const id = await notes.insert({ round });
    await kv.put(["round", round], id);
    expect(await kv.get(["round", round])).toBe(id);
    expect(await notes.find({ filter: { _id: id } }).toArray()).toEqual([{ _id: id, round }]);
  }
}

interface Observation {
  readonly connections: number;
  readonly health: string;
  readonly rssBytes: number;
  readonly descriptors: number;
}

async function observe(server: ServerProcess): Promise<Observation> {
  const base = `http://127.0.0.1:${server.port}`;
  const metrics = await (await fetch(`${base}/metrics`)).text();
  const { status } = (await (await fetch(`${base}/health`)).json()) as { readonly status: string };
  const process = await readFile(`/proc/${server.pid}/status`, "utf8");
  return {
    connections: numberAfter(metrics, /^kvs_connections (\d+)/m),
    health: status,
    rssBytes: numberAfter(process, /^VmRSS:\s+(\d+) kB/m) << 10,
    descriptors: (await readdir(`/proc/${server.pid}/fd`)).length,
  };
}

function numberAfter(text: string, pattern: RegExp): number {
  const found = pattern.exec(text)?.[1];
  if (found === undefined) throw new Error(`${pattern.source} is not in: ${text.slice(0, 200)}`);
  return Number(found);
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await wait(50);
}

function megabytes({ rssBytes }: Observation): number {
  return rssBytes >> 20;
}

/** Why this machine cannot hold so many connections; Node itself goes up to the hard limit. */
function whatIsMissing(): string | undefined {
  if (!existsSync("/proc/self/fd")) return "this system does not tell what a process holds (/proc)";
  const limit = execFileSync("sh", ["-c", "ulimit -Hn"], { encoding: "utf8" }).trim();
  if (limit === "unlimited" || Number(limit) >= DESCRIPTORS) return undefined;
  return `a process may have ${limit} descriptors here, ${DESCRIPTORS} are needed (ulimit -Hn)`;
}
