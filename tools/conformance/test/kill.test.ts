import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { connect } from "@kvs/client";
import { KvsError } from "@kvs/env";
import { type Database } from "@kvs/protocol";
import { kvsctl } from "../src/programs.ts";
import { ServerProcess } from "../src/server-process.ts";
import { collect, wait } from "../src/walks.ts";

const ROUNDS = 20;
const CLIENTS = 32;
/** Documents of one insertion: all are there, or none. */
const PARTS = 3;

/** One document of an insertion. */
interface Part {
  readonly _id: string;
  readonly insertion: string;
  readonly part: number;
  /** Longer than a page for some, so that a half one would show. */
  readonly filling: string;
}

/** What was asked for, and what was answered. */
class Ledger {
  readonly asked = new Set<string>();
  readonly acknowledged = new Set<string>();
}

test(`nothing acknowledged is lost and nothing is half there when the server is killed ${ROUNDS} times`, async () => {
  const folder = await mkdtemp(join(tmpdir(), "kvs-kill-"));
  const data = join(folder, "data");
  const ledger = new Ledger();
  for (let round = 0; round < ROUNDS; round++) {
    const server = await ServerProcess.start(data, "--wal-segment-size", "256KB");
    await verify(server, ledger);
    await insertUntilKilled(server, ledger, round);
    await expect(connect(server.url("default"))).rejects.toMatchObject({
      code: "CONNECTION_FAILED",
    });
  }
  const server = await ServerProcess.start(data);
  await verify(server, ledger);
  await server.stop();
  await kvsctl("check", "--data-dir", data);
  await rm(folder, { recursive: true });
}, 900_000);

/** Inserts with all clients, and kills the server at a moment of its own each round. */
async function insertUntilKilled(
  server: ServerProcess,
  ledger: Ledger,
  round: number,
): Promise<void> {
  const clients = await Promise.all(
    Array.from({ length: CLIENTS }, () => connect(server.url("default"), { timeoutMs: 60_000 })),
  );
  const inserting = clients.map((client, number) => insert(client, ledger, `${round}-${number}`));
  const enough = ledger.acknowledged.size + 10 + ((round * 37) % 100);
  while (ledger.acknowledged.size < enough) await wait(5);
  await server.kill();
  await Promise.all(clients.map((client) => client.close()));
  await Promise.all(inserting);
}

/** Inserts one after the other until an insertion fails, and notes what was answered. */
async function insert(client: Database, ledger: Ledger, name: string): Promise<void> {
  const parts = client.collection<Part>("parts");
  for (let sequence = 0; ; sequence++) {
    const insertion = `${name}-${sequence}`;
    ledger.asked.add(insertion);
    try {
      await parts.insertMany(partsOf(insertion));
      await client.kv.batch(
        partsOf(insertion).map(({ _id }) => ({
          type: "put",
          key: ["part", _id],
          value: insertion,
        })),
      );
    } catch (error) {
      expect(error).toBeInstanceOf(KvsError);
      return;
    }
    ledger.acknowledged.add(insertion);
  }
}

/** Expects what was acknowledged to be there, and everything that is there to be whole. */
async function verify(server: ServerProcess, ledger: Ledger): Promise<void> {
  const client = await connect(server.url("default"));
  const found = new Map<string, Part[]>();
  for (const part of await client.collection<Part>("parts").find().toArray()) {
    found.set(part.insertion, [...(found.get(part.insertion) ?? []), part]);
  }
  const keys = new Map<string, number>();
  for (const { value } of await collect(client.kv.scan<string>({ prefix: ["part"] }))) {
    keys.set(value, (keys.get(value) ?? 0) + 1);
  }
  await client.close();

  const lost = [...ledger.acknowledged].filter((name) => !found.has(name) || !keys.has(name));
  expect(lost).toEqual([]);
  for (const [insertion, parts] of found) {
    expect(ledger.asked.has(insertion)).toBe(true);
    expect(parts).toEqual(partsOf(insertion));
  }
  expect([...keys.values()].filter((count) => count !== PARTS)).toEqual([]);
}

function partsOf(insertion: string): Part[] {
  return Array.from({ length: PARTS }, (_, part) => ({
    _id: `${insertion}/${part}`,
    insertion,
    part,
    filling: insertion.repeat(part === 0 && insertion.endsWith("7") ? 1000 : 3),
  }));
}
