import { createNodeEnvironment } from "@kvs/node";
import { Server } from "@kvs/server";
import { MemoryDatabases } from "@kvs/server/testing";
import { expect, onTestFinished, test } from "vitest";
import { connect } from "../wiring/connect.ts";
import { failureOf } from "./world.ts";

async function startServer(): Promise<string> {
  const environment = createNodeEnvironment();
  const server = await Server.start(environment, {
    databases: new MemoryDatabases(environment),
    port: 0,
  });
  onTestFinished(() => server.close());
  return `kvs://127.0.0.1:${server.port}/app`;
}

test("over real sockets: keys, documents, scans, errors", async () => {
  const url = await startServer();
  const db = await connect(url);

  await Promise.all(Array.from({ length: 3000 }, (_, n) => db.kv.put(n, { n })));
  const values = await Promise.all(Array.from({ length: 3000 }, (_, n) => db.kv.get(n)));
  expect(values).toEqual(Array.from({ length: 3000 }, (_, n) => ({ n })));
  let count = 0;
  for await (const { value } of db.kv.scan()) count += Number((value as { n: number }).n >= 0);
  expect(count).toBe(3000);
  const ids = await db.collection("people").insertMany([{ name: "Ada" }, { name: "Alan" }]);
  expect(await db.collection("people").get(ids[1]!)).toEqual({ _id: ids[1], name: "Alan" });
  expect(await failureOf(db.kv.put(1, 1, { ifVersion: 0 }))).toMatchObject({
    code: "VERSION_MISMATCH",
  });
  await db.close();
});

test("over real sockets: a value of 16 MiB there and back", async () => {
  const db = await connect(await startServer());
  const large = new Uint8Array((16 << 20) - 10).fill(7);

  await db.kv.put("large", large);

  expect(Buffer.compare((await db.kv.get<Uint8Array>("large"))!, large)).toBe(0);
  await db.close();
});

test("over real sockets: no server, and what to do", async () => {
  expect(await failureOf(connect("kvs://127.0.0.1:1/app"))).toMatchObject({
    code: "CONNECTION_FAILED",
    message:
      "CONNECTION_FAILED: no server answers at 127.0.0.1:1; start one with `npm start`, or check host and port",
  });
});
