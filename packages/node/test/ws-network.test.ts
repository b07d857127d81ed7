import { AssertionFailure } from "@kvs/env";
import { once } from "node:events";
import { type AddressInfo, connect as connectTcp, createServer } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { connectTo, frameOf, loopback } from "./loopback.ts";

const refused = { code: "NET_REFUSED", retryable: true, outcome: "none" };

test("nobody listening is NET_REFUSED, an unknown name NET_UNREACHABLE", async () => {
  const { network, listener, url } = await loopback();
  await listener.close();
  await expect(network.connect(url)).rejects.toMatchObject(refused);
  await expect(network.connect("ws://name.invalid/")).rejects.toMatchObject({
    code: "NET_UNREACHABLE",
    retryable: true,
  });
  await expect(network.connect("http://127.0.0.1/")).rejects.toMatchObject({
    code: "NET_UNREACHABLE",
  });
  await expect(network.connect("no url")).rejects.toMatchObject({ code: "NET_UNREACHABLE" });
});

test("a server that never answers is NET_TIMEOUT", async () => {
  const { network } = await loopback();
  const silent = createServer(() => undefined).listen(0, "127.0.0.1");
  await once(silent, "listening");
  onTestFinished(() => void silent.close());
  const { port } = silent.address() as AddressInfo;

  await expect(network.connect(`ws://127.0.0.1:${port}/`, { timeoutMs: 50 })).rejects.toMatchObject(
    { code: "NET_TIMEOUT", retryable: true, outcome: "none" },
  );
});

test("a server that answers otherwise is NET_REJECTED, with its status", async () => {
  const server = await loopback({ acceptsPath: (path) => path === "/v1" });
  const { network, listener } = server;
  await expect(network.connect(`ws://127.0.0.1:${listener.port}/other`)).rejects.toMatchObject({
    code: "NET_REJECTED",
    details: { status: 404 },
  });
  await connectTo(server);
  const noHttp = createServer((socket) => {
    socket.end("220 smtp\r\n");
    socket.on("error", () => undefined);
  }).listen(0, "127.0.0.1");
  await once(noHttp, "listening");
  onTestFinished(() => void noHttp.close());
  const { port } = noHttp.address() as AddressInfo;
  await expect(network.connect(`ws://127.0.0.1:${port}/`)).rejects.toMatchObject({
    code: "NET_REJECTED",
  });
});

test("a connection beyond the limit is refused with status 503 until another closes", async () => {
  const server = await loopback({ connectionsMax: 2 });
  const first = await connectTo(server);
  await connectTo(server);
  await expect(server.network.connect(server.url)).rejects.toMatchObject({
    code: "NET_REJECTED",
    details: { status: 503 },
  });

  first.connection.close();
  await server.served[0]!.closed();

  await connectTo(server);
});

test("the path is asked for without the query", async () => {
  const asked: string[] = [];
  const server = await loopback({
    acceptsPath: (path) => {
      asked.push(path);
      return true;
    },
  });
  const connection = await server.network.connect(`${server.url}?a=1`);
  connection.start({ frame: () => undefined, closed: () => undefined });
  connection.close();
  expect([asked, connection.path]).toEqual([["/v1"], "/v1"]);
});

test("a port in use, and an address that is not ours, are told apart", async () => {
  const { network, listener } = await loopback();
  const options = { host: "127.0.0.1", port: listener.port, connection: () => undefined };
  await expect(network.listen(options)).rejects.toMatchObject({ code: "NET_ADDRESS_IN_USE" });
  await expect(network.listen({ ...options, host: "192.0.2.1" })).rejects.toMatchObject({
    code: "NET_UNREACHABLE",
  });
});

test("closing a listener closes its connections, frees the port, and may be repeated", async () => {
  const server = await loopback({ http: () => ({ status: 200 }) });
  const clients = [await connectTo(server), await connectTo(server)];
  server.served[0]!.connection.send(frameOf(1));
  await server.network.request(`http://127.0.0.1:${server.listener.port}/`);

  await Promise.all([server.listener.close(), server.listener.close()]);

  expect(server.served.map(({ reasons }) => reasons)).toEqual([["local"], ["local"]]);
  for (const client of clients) expect(await client.closed()).toBe("remote");
  expect(clients[0]!.frames.length).toBe(1);
  const again = await server.network.listen({
    host: "127.0.0.1",
    port: server.listener.port,
    connection: () => undefined,
  });
  await again.close();
});

test("closing a listener ends although a peer never answers", async () => {
  const server = await loopback();
  const silent = connectTcp(server.listener.port, "127.0.0.1");
  onTestFinished(() => void silent.destroy());
  silent.write(
    "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
  );
  await once(silent, "data");
  const idle = connectTcp(server.listener.port, "127.0.0.1");
  onTestFinished(() => void idle.destroy());
  await once(idle, "connect");

  await server.listener.close();

  expect(server.served[0]!.reasons).toEqual(["local"]);
});

test("a limit of frames that ws cannot keep is a bug", async () => {
  const { network, url } = await loopback();
  for (const maxFrameBytes of [0, 1.5, 2 ** 31]) {
    await expect(network.connect(url, { maxFrameBytes })).rejects.toThrow(AssertionFailure);
    await expect(loopback({ maxFrameBytes })).rejects.toThrow(AssertionFailure);
  }
});

test("a peer that hides in the middle of a handshake does not hold a connection", async () => {
  const server = await loopback({ connectionsMax: 1 });
  const idle = Array.from({ length: 20 }, () => connectTcp(server.listener.port, "127.0.0.1"));
  await Promise.all(idle.map((socket) => once(socket, "connect")));
  for (const socket of idle) socket.write("GET /v1 HTTP/1.1\r\nUpgrade: websocket\r\n");
  await connectTo(server);
  for (const socket of idle) socket.destroy();
});
