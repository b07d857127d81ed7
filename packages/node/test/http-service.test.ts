import {
  HTTP_BODY_MAX_BYTES,
  type HttpHandler,
  type HttpRequest,
  type TraceFields,
} from "@kvs/env";
import { once } from "node:events";
import { type AddressInfo, connect as connectTcp, createServer } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { WsNetwork } from "../src/ws-network.ts";
import { connectTo, loopback } from "./loopback.ts";

const text = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString();

interface Service {
  readonly network: WsNetwork;
  readonly url: string;
  readonly port: number;
  readonly events: TraceFields[];
}

async function serve(http: HttpHandler): Promise<Service> {
  const events: TraceFields[] = [];
  const network = new WsNetwork({
    isEnabled: () => true,
    event: (_level, _component, _message, fields) => events.push(fields ?? {}),
  });
  const listener = await network.listen({
    host: "127.0.0.1",
    port: 0,
    connection: (connection) =>
      connection.start({ frame: () => undefined, closed: () => undefined }),
    http,
  });
  onTestFinished(() => listener.close());
  return { network, url: `http://127.0.0.1:${listener.port}`, port: listener.port, events };
}

/** Sends raw bytes and returns all that comes back until the server hangs up. */
async function exchange(port: number, bytes: string): Promise<string> {
  const socket = connectTcp(port, "127.0.0.1");
  let answer = "";
  socket.on("data", (piece) => (answer += String(piece)));
  socket.on("error", () => undefined);
  socket.write(bytes);
  await new Promise<void>((resolve) => void socket.on("close", () => resolve()));
  return answer;
}

test("a request reaches the handler with all its parts, and the answer comes back", async () => {
  const seen: HttpRequest[] = [];
  const { network, url } = await serve((request) => {
    seen.push(request);
    return {
      status: 201,
      headers: new Map([["x-answer", "yes"]]),
      body: new Uint8Array([...request.body].toReversed()),
    };
  });

  const response = await network.request(`${url}/a/b?c=%20d&e`, {
    method: "PUT",
    headers: new Map([["X-Asked", "1"]]),
    body: new Uint8Array([1, 2, 3]),
  });

  expect(response.status).toBe(201);
  expect(response.headers?.get("x-answer")).toBe("yes");
  expect([...response.body!]).toEqual([3, 2, 1]);
  const [request] = seen;
  expect(request).toMatchObject({ method: "PUT", path: "/a/b", query: "c=%20d&e" });
  expect(request!.headers.get("x-asked")).toBe("1");
  expect([...request!.body]).toEqual([1, 2, 3]);
  expect(request!.remote.host).toBe("127.0.0.1");
  expect(request!.identity).toBe(undefined);
});

test("without a handler every request is answered with status 404", async () => {
  const { network, listener } = await loopback();
  const response = await network.request(`http://127.0.0.1:${listener.port}/health`);
  expect(response.status).toBe(404);
});

test("a handler may be asynchronous, and many requests run at once", async () => {
  const { network, url } = await serve(async ({ path }) => {
    await new Promise<void>((resolve) => void setTimeout(resolve, path.length % 7));
    return { status: 200, body: Buffer.from(path) };
  });
  const paths = Array.from({ length: 100 }, (_, at) => `/${"x".repeat(at)}`);
  const answers = await Promise.all(paths.map((path) => network.request(url + path)));
  expect(answers.map(({ body }) => text(body))).toEqual(paths);
});

test("what a handler throws is status 500 and an event without users' values", async () => {
  const { network, url, events } = await serve(({ path }) => {
    if (path === "/status") return { status: 9999 };
    throw new Error("secret");
  });
  expect((await network.request(`${url}/x`)).status).toBe(500);
  expect((await network.request(`${url}/status`)).status).toBe(500);
  expect(events).toEqual([
    { method: "GET", path: "/x", error: "Error" },
    { method: "GET", path: "/status", error: "RangeError" },
  ]);
});

test("a body beyond the limit is status 413, declared or not, and the handler never runs", async () => {
  let calls = 0;
  const { network, url } = await serve(() => {
    calls++;
    return { status: 200 };
  });
  const longest = new Uint8Array(HTTP_BODY_MAX_BYTES);
  const longer = new Uint8Array(HTTP_BODY_MAX_BYTES + 1);
  const timeoutMs = 60_000;
  const accepted = await network.request(url, { method: "POST", body: longest, timeoutMs });
  const refused = await network.request(url, { method: "POST", body: longer, timeoutMs });
  expect([accepted.status, refused.status, calls]).toEqual([200, 413, 1]);
});

test("an answer beyond the client's limit is NET_TOO_LARGE", async () => {
  const { network, url } = await serve(() => ({ status: 200, body: new Uint8Array(101) }));
  expect((await network.request(url, { maxBodyBytes: 101 })).body?.length).toBe(101);
  await expect(network.request(url, { maxBodyBytes: 100 })).rejects.toMatchObject({
    code: "NET_TOO_LARGE",
    outcome: "unknown",
  });
});

test("a request without an answer is NET_TIMEOUT with an unknown outcome", async () => {
  let release: (() => void) | undefined;
  const { network, url } = await serve(
    () =>
      new Promise((resolve) => {
        release = () => resolve({ status: 200 });
      }),
  );
  await expect(network.request(url, { timeoutMs: 200 })).rejects.toMatchObject({
    code: "NET_TIMEOUT",
    outcome: "unknown",
  });
  release?.();
});

test("a request to nobody was certainly not served", async () => {
  const { network, listener } = await loopback();
  await listener.close();
  const url = `http://127.0.0.1:${listener.port}/`;
  await expect(network.request(url)).rejects.toMatchObject({
    code: "NET_REFUSED",
    outcome: "none",
  });
  await expect(network.request("ftp://127.0.0.1/")).rejects.toMatchObject({
    code: "NET_UNREACHABLE",
  });
});

test("a server that hangs up in the middle leaves the outcome unknown", async () => {
  const { network } = await loopback();
  for (const answer of ["", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"]) {
    const broken = createServer((socket) => {
      socket.on("error", () => undefined);
      socket.once("data", () => socket.end(answer, () => socket.destroy()));
    }).listen(0, "127.0.0.1");
    await once(broken, "listening");
    const { port } = broken.address() as AddressInfo;
    await expect(network.request(`http://127.0.0.1:${port}/`)).rejects.toMatchObject({
      code: "NET_REFUSED",
      outcome: "unknown",
    });
    broken.close();
  }
});

test("a client that hangs up in the middle costs nothing", async () => {
  const { network, url } = await serve(() => ({ status: 200 }));
  const { port } = new URL(url);
  const half = connectTcp(Number(port), "127.0.0.1");
  half.write("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nhalf");
  half.destroy();
  expect((await network.request(url)).status).toBe(200);
});

test("requests and connections share the port, and other upgrades are refused", async () => {
  const server = await loopback({ http: () => ({ status: 200, body: Buffer.from("ok") }) });
  await connectTo(server);
  const response = await server.network.request(`http://127.0.0.1:${server.listener.port}/`);
  expect(text(response.body)).toBe("ok");
  const answer = await exchange(
    server.listener.port,
    "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, close\r\nUpgrade: h2c\r\n\r\n",
  );
  expect(answer).toMatch(/^HTTP\/1\.1 (200|400)/);
});

test("bytes that are not HTTP are answered with status 400", async () => {
  const { port } = await serve(() => ({ status: 200 }));
  expect(await exchange(port, "no request at all\r\n\r\n")).toMatch(/^HTTP\/1\.1 400/);
});

test("headers beyond the limit are refused with status 431", async () => {
  const { port } = await serve(() => ({ status: 200 }));
  const answer = await exchange(port, `GET / HTTP/1.1\r\nX: ${"y".repeat(100_000)}\r\n\r\n`);
  expect(answer).toMatch(/^HTTP\/1\.1 431/);
});
