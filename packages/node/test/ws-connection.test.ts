import { AssertionFailure, type Connection, SEND_BUFFER_BYTES } from "@kvs/env";
import { once } from "node:events";
import { connect as connectTcp } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { WsNetwork } from "../src/ws-network.ts";
import { Recorder, connectTo, frameOf, loopback, numberOf } from "./loopback.ts";

test("frames arrive whole, once, in order, in both directions", async () => {
  const server = await loopback({ onFrame: (bytes, from) => void from.send(bytes) });
  const client = await connectTo(server);
  const lengths = [4, 5, 125, 126, 127, 65_535, 65_536, 300_000];
  for (let at = 0; at < 800; at++) {
    const frame = frameOf(at, lengths[at % lengths.length]).fill(at & 255, 4);
    client.connection.send(frame);
    if (at % 50 === 0) await new Promise<void>((resolve) => void setImmediate(resolve));
    if (client.connection.bufferedBytes > 20_000_000) {
      await client.until(() => client.connection.bufferedBytes < SEND_BUFFER_BYTES);
    }
  }
  await client.until(({ frames }) => frames.length === 800);
  for (const [at, frame] of client.frames.entries()) {
    expect(numberOf(frame)).toBe(at);
    expect(frame.length).toBe(lengths[at % lengths.length]);
    expect(frame.subarray(4).every((byte) => byte === (at & 255))).toBe(true);
  }
});

test("a received frame is a bare Uint8Array, and its receiver may change it", async () => {
  const server = await loopback();
  const client = await connectTo(server);
  for (let at = 0; at < 3; at++) client.connection.send(frameOf(at));
  await server.served[0]!.until(({ frames }) => frames.length === 3);
  const [first, second, third] = server.served[0]!.frames;
  second!.fill(255);
  expect(second!.constructor).toBe(Uint8Array);
  expect(second!.slice(0, 1).buffer).not.toBe(second!.buffer);
  expect([numberOf(first!), numberOf(third!)]).toEqual([0, 2]);
});

test("frames of one turn wait for its end and leave together", async () => {
  const server = await loopback();
  const { connection } = await connectTo(server);
  for (let at = 0; at < 10; at++) connection.send(frameOf(at, 100));
  await Promise.resolve();
  expect(connection.bufferedBytes).toBe(10 * (100 + 6)); // with the header of a masked message
  await server.served[0]!.until(({ frames }) => frames.length === 10);
  expect(connection.bufferedBytes).toBe(0);
});

test("nothing is called inside the call that causes it", async () => {
  const server = await loopback({ onFrame: (bytes, from) => void from.send(bytes) });
  const client = await connectTo(server);
  let isInside = false;
  const watched = new Recorder(await server.network.connect(server.url), () => {
    expect(isInside).toBe(false);
  });
  isInside = true;
  watched.connection.send(frameOf(1));
  isInside = false;
  await watched.until(({ frames }) => frames.length === 1);

  watched.connection.close();
  client.connection.close("discard");
  expect([watched.reasons, client.reasons]).toEqual([[], []]);
  expect(await watched.closed()).toBe("local");
  expect(await client.closed()).toBe("local");
});

test("what was sent before close arrives, and both sides learn why it closed, once", async () => {
  const server = await loopback();
  const client = await connectTo(server);
  for (let at = 0; at < 100; at++) client.connection.send(frameOf(at, 10_000));
  client.connection.close();
  client.connection.close();
  expect(client.connection.send(frameOf(100))).toBe(false);

  expect(await client.closed()).toBe("local");
  expect(await server.served[0]!.closed()).toBe("remote");
  expect(server.served[0]!.frames.map(numberOf)).toEqual(
    Array.from({ length: 100 }, (_, at) => at),
  );
  client.connection.close("discard");
  await new Promise<void>((resolve) => void setTimeout(resolve, 20));
  expect([client.reasons, server.served[0]!.reasons]).toEqual([["local"], ["remote"]]);
  expect(client.connection.bufferedBytes).toBe(0);
});

test("after close no frame is delivered any more, though the peer still sends", async () => {
  const server = await loopback({ onFrame: (bytes, from) => void from.send(bytes) });
  const connection = await server.network.connect(server.url);
  const client = new Recorder(connection, () => connection.close());
  for (let at = 0; at < 50; at++) connection.send(frameOf(at));
  expect(await client.closed()).toBe("local");
  expect(client.frames.length).toBe(1);
});

test("a discarded connection resets at the peer", async () => {
  const server = await loopback();
  const client = await connectTo(server);
  await server.served[0]!.until(() => true);
  client.connection.close("discard");
  expect(await client.closed()).toBe("local");
  expect(await server.served[0]!.closed()).toBe("reset");
});

test("a paused connection delivers nothing, then everything, in order", async () => {
  const server = await loopback();
  const client = await connectTo(server);
  client.connection.send(frameOf(0));
  const [served] = server.served;
  await served!.until(({ frames }) => frames.length === 1);
  served!.connection.pause();
  for (let at = 1; at <= 200; at++) client.connection.send(frameOf(at, 1000));
  await new Promise<void>((resolve) => void setTimeout(resolve, 50));
  expect(served!.frames.length).toBe(1);

  served!.connection.resume();
  expect(served!.frames.length).toBe(1);
  await served!.until(({ frames }) => frames.length === 201);
  expect(served!.frames.map(numberOf)).toEqual(Array.from({ length: 201 }, (_, at) => at));
});

test("pausing in the middle of a burst stops the rest of it, closing comes after it", async () => {
  const pausing = async (connection: Connection): Promise<Recorder> => {
    const recorder: Recorder = new Recorder(connection, () => connection.pause());
    return recorder;
  };
  const network = new WsNetwork({ isEnabled: () => false, event: () => undefined });
  const server = await loopback({
    connection: (connection) => {
      for (let at = 0; at < 20; at++) connection.send(frameOf(at));
      connection.start({ frame: () => undefined, closed: () => undefined });
      connection.close();
    },
  });
  const client = await pausing(await network.connect(server.url));
  for (let count = 1; count <= 20; count++) {
    await client.until(({ frames }) => frames.length === count);
    await new Promise<void>((resolve) => void setTimeout(resolve, 1));
    expect(client.frames.length).toBe(count);
    if (count < 20) expect(client.reasons).toEqual([]);
    client.connection.resume();
  }
  expect(await client.closed()).toBe("remote");
  expect(client.frames.map(numberOf)).toEqual(Array.from({ length: 20 }, (_, at) => at));
});

test("closing while paused closes", async () => {
  const server = await loopback();
  const client = await connectTo(server);
  client.connection.pause();
  client.connection.close();
  expect(await client.closed()).toBe("local");
});

test("a peer that stops reading slows the sender, who learns when there is room again", async () => {
  const server = await loopback();
  const client = await connectTo(server);
  client.connection.send(frameOf(0));
  const [served] = server.served;
  await served!.until(({ frames }) => frames.length === 1);
  served!.connection.pause();
  let sent = 1;
  while (client.connection.send(frameOf(sent, 100_000))) {
    sent++;
    await new Promise<void>((resolve) => void setImmediate(resolve));
  }
  expect(client.connection.bufferedBytes).toBeGreaterThan(SEND_BUFFER_BYTES);
  expect(client.drainedCount).toBe(0);

  served!.connection.resume();

  await client.until(({ drainedCount }) => drainedCount === 1);
  expect(client.connection.bufferedBytes).toBeLessThanOrEqual(SEND_BUFFER_BYTES);
  await served!.until(({ frames }) => frames.length === sent + 1);
});

test("a peer that never reads is given up when the buffer passes its limit", async () => {
  const server = await loopback();
  const client = await connectTo(server);
  client.connection.send(frameOf(0));
  await server.served[0]!.until(({ frames }) => frames.length === 1);
  server.served[0]!.connection.pause();
  const frame = new Uint8Array(8 << 20);
  for (let at = 0; at < 30; at++) client.connection.send(frame);
  expect(await client.closed()).toBe("overflow");
  expect(client.connection.send(frame)).toBe(false);
});

test("a frame longer than the limit closes the connection before it is read", async () => {
  const server = await loopback({ maxFrameBytes: 1000 });
  const client = await connectTo(server, { maxFrameBytes: 100 });
  client.connection.send(new Uint8Array(1000));
  await server.served[0]!.until(({ frames }) => frames.length === 1);
  client.connection.send(new Uint8Array(1001));
  expect(await server.served[0]!.closed()).toBe("frame-too-large");
  expect(await client.closed()).toBe("remote");
  expect(server.served[0]!.frames.length).toBe(1);

  const other = await connectTo(server, { maxFrameBytes: 100 });
  server.served[1]!.connection.send(new Uint8Array(101));
  expect(await other.closed()).toBe("frame-too-large");
  expect(await server.served[1]!.closed()).toBe("remote");
});

test.each([
  ["a text message", "text"],
  ["an empty message", new Uint8Array(0)],
])("%s breaks the protocol", async (_name: string, message: string | Uint8Array) => {
  const server = await loopback();
  const peer = new WebSocket(server.url);
  await once(peer, "open");
  peer.send(new Uint8Array([1]));
  peer.send(message);
  peer.send(new Uint8Array([2]));
  await once(peer, "close");
  expect(await server.served[0]!.closed()).toBe("protocol");
  expect(server.served[0]!.frames.length).toBe(1);
});

test("bytes that are no WebSocket frame break the protocol", async () => {
  const server = await loopback();
  const socket = connectTcp(server.listener.port, "127.0.0.1");
  socket.on("error", () => undefined);
  socket.write(
    "GET /v1 HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
  );
  await once(socket, "data");
  socket.write(new Uint8Array([0xff, 0xff, 0xff, 0xff, 0xff, 0xff]));
  expect(await server.served[0]!.closed()).toBe("protocol");
  socket.destroy();
});

test("an ordinary WebSocket client and server speak with it, one message a frame", async () => {
  const server = await loopback({ onFrame: (bytes, from) => void from.send(bytes) });
  const peer = new WebSocket(server.url);
  await once(peer, "open");
  expect(peer.extensions).toBe("");
  peer.send(new Uint8Array([1, 2, 3]));
  const [data, isBinary] = (await once(peer, "message")) as [Buffer, boolean];
  expect([[...data], isBinary]).toEqual([[1, 2, 3], true]);
  peer.close(1000);
  expect(await server.served[0]!.closed()).toBe("remote");

  const plain = new WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate: true });
  await once(plain, "listening");
  plain.on("connection", (webSocket) =>
    webSocket.on("message", (bytes) => webSocket.send(bytes, { binary: true })),
  );
  const { port } = plain.address() as { port: number };
  const client = new Recorder(await server.network.connect(`ws://127.0.0.1:${port}/`));
  client.connection.send(frameOf(7));
  await client.until(({ frames }) => frames.length === 1);
  expect(numberOf(client.frames[0]!)).toBe(7);
  client.connection.close();
  await client.closed();
  plain.close();
});

test("frames of the first packet wait for start", async () => {
  const server = await loopback({
    connection: (connection) => {
      connection.start({ frame: () => undefined, closed: () => undefined });
      for (let at = 0; at < 10; at++) connection.send(frameOf(at));
    },
  });
  for (let round = 0; round < 20; round++) {
    const client = await connectTo(server);
    await client.until(({ frames }) => frames.length === 10);
    expect(client.frames.map(numberOf)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  }
});

test("a connection knows its path and its peer, and has a number of its own", async () => {
  const server = await loopback();
  const first = await connectTo(server);
  const second = await connectTo(server);
  const ends = [first, second, ...server.served].map(({ connection }) => connection);
  expect(new Set(ends.map(({ id }) => id)).size).toBe(4);
  for (const { path, identity } of ends) expect([path, identity]).toEqual(["/v1", undefined]);
  expect(first.connection.remote).toEqual({ host: "127.0.0.1", port: server.listener.port });
  expect(server.served[0]!.connection.remote.host).toBe("127.0.0.1");
});

test("an empty frame and a second start are bugs", async () => {
  const server = await loopback();
  const { connection } = await connectTo(server);
  expect(() => connection.send(new Uint8Array(0))).toThrow(AssertionFailure);
  expect(() => connection.start({ frame: () => undefined, closed: () => undefined })).toThrow(
    AssertionFailure,
  );
});

test("a first frame that grows beyond its own limit is cut off long before it is whole", async () => {
  const server = await loopback({ maxFirstFrameBytes: 16 << 10 });
  const peer = connectTcp(server.listener.port, "127.0.0.1");
  onTestFinished(() => void peer.destroy());
  peer.on("error", () => undefined); // it is cut off
  peer.write(
    "GET /v1 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
  );
  await once(peer, "data");
  const sizeBytes = 60 << 20;
  const header = Buffer.from([0x82, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
  header.writeUInt32BE(sizeBytes, 6);
  peer.write(header);
  peer.write(Buffer.alloc(sizeBytes));

  expect(await server.served[0]!.closed()).toBe("frame-too-large");
  expect(server.served[0]!.frames).toEqual([]);
  await once(peer, "close");
});

test("frames in many fragments count as one first frame", async () => {
  const server = await loopback({ maxFirstFrameBytes: 1000 });
  const peer = new WebSocket(server.url);
  await once(peer, "open");
  for (let at = 0; at < 20; at++) peer.send(new Uint8Array(100), { fin: false });

  expect(await server.served[0]!.closed()).toBe("frame-too-large");
});
