import { createNodeEnvironment } from "@kvs/node";
import { RequestCode } from "@kvs/protocol";
import { expect, test } from "vitest";
import { Server } from "../src/server.ts";
import { MemoryDatabases } from "../src/testing/memory-database.ts";
import { Peer } from "./peer.ts";
import { keyOf } from "./world.ts";

test("over real sockets: a frame is answered, garbage ends its connection, closing ends all", async () => {
  const environment = createNodeEnvironment();
  const databases = new MemoryDatabases(environment);
  const server = await Server.start(environment, { databases, port: 0 });
  const url = `ws://127.0.0.1:${server.port}/v1`;
  const [good, evil] = await Promise.all([Peer.at(environment, url), Peer.at(environment, url)]);

  expect(await good.fields(RequestCode.GET, keyOf("a"))).toEqual([null, 0]);
  evil.connection.send(new Uint8Array([0xc1]));
  expect(await evil.ending()).toBe("PROTOCOL_MALFORMED");
  expect(await good.fields(RequestCode.PING)).toEqual([]);
  await server.close();
  expect(await good.ending()).toBe("SHUTTING_DOWN");
});
