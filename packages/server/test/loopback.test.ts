import { encodeDocument } from "@kvs/codec";
import { createNodeEnvironment } from "@kvs/node";
import { RequestCode } from "@kvs/protocol";
import { connect } from "node:net";
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

test("over real sockets: many frames at once wait for one another", async () => {
  const environment = createNodeEnvironment();
  const databases = new MemoryDatabases(environment, { commitMs: 1 });
  const limits = { connectionRequestsMax: 3 };
  const server = await Server.start(environment, { databases, port: 0, limits });
  const client = await Peer.at(environment, `ws://127.0.0.1:${server.port}/v1`);
  const value = encodeDocument(new Uint8Array(3000));

  for (let id = 1001; id <= 1300; id++) {
    client.send([id, RequestCode.PUT, 60_000, keyOf(String(id)), value]);
  }
  for (let id = 1001; id <= 1300; id++) expect((await client.answerTo(id))[1]).toBe(0);

  expect(databases.storage.commitCount).toBe(300);
  await server.close();
});

test("over real sockets: who sends a byte now and then is hung up on", async () => {
  const environment = createNodeEnvironment();
  const databases = new MemoryDatabases(environment);
  const limits = { handshakeTimeoutMs: 300, endingGraceMs: 300 };
  const server = await Server.start(environment, { databases, port: 0, limits });
  const key = "dGhlIHNhbXBsZSBub25jZQ==";
  const socket = connect(server.port, "127.0.0.1", () => {
    socket.write(
      `GET /v1 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
        `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n\r\n`,
    );
  });
  // A masked message of 60,000 bytes, of which one follows the other.
  const dripping = [0x82, 0xfe, 0xea, 0x60, 0, 0, 0, 0];
  const drip = setInterval(() => socket.write(new Uint8Array([dripping.shift() ?? 0x90])), 20);
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  socket.on("error", () => undefined);
  socket.resume();

  await closed;
  clearInterval(drip);

  expect(server.metrics()).toContain("kvs_connections_failed_total 1\n");
  expect(server.metrics()).toContain("kvs_frames_received_total 0\n");
  await server.close();
});
