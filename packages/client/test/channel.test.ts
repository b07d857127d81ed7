import { encodeDocument } from "@kvs/codec";
import { KvsError } from "@kvs/env";
import { FrameReader, RequestCode, writeError, writeGoodbye } from "@kvs/protocol";
import { expect, test } from "vitest";
import { connectWith } from "../src/connect-with.ts";
import { idOf, message, welcome } from "./script.ts";
import { SERVER_URL, failureOf, withScript, withServer } from "./world.ts";

test("without a server the first connection fails, and says what to do", async () => {
  await withServer({ server: { port: 6000 } }, async ({ connect, simulation }) => {
    expect(await failureOf(connect())).toMatchObject({
      code: "CONNECTION_FAILED",
      outcome: "none",
      retryable: true,
      message:
        "CONNECTION_FAILED: no server answers at server:5000; start one with `npm start`, or check host and port",
      cause: { code: "NET_REFUSED" },
    });
    expect(await failureOf(connect({}, "kvs://nowhere/app"))).toMatchObject({
      message:
        "CONNECTION_FAILED: no way leads to nowhere:5000; check the name of the host, and the network",
    });
    simulation.network.clogHost("server");
    expect(await failureOf(connect({ connectTimeoutMs: 300 }))).toMatchObject({
      message:
        "CONNECTION_FAILED: server:5000 did not answer in time; check host and port, and firewalls between",
    });
  });
});

test("hosts are tried in their order", async () => {
  await withServer({}, async ({ connect }) => {
    const db = await connect({}, "kvs://nowhere,server:1,server:5000/app");

    expect(await db.kv.get("a")).toBeUndefined();
    await db.close();
    expect(await failureOf(connect({}, "kvs://nowhere,server:1"))).toMatchObject({
      details: { address: "server:1" },
    });
  });
});

test("a server that is full, or is none of ours, is named as such", async () => {
  await withServer({ server: { limits: { connectionsMax: 1 } } }, async ({ connect }) => {
    const db = await connect();
    expect(await failureOf(connect())).toMatchObject({
      message:
        "CONNECTION_FAILED: the server at server:5000 has as many connections as it takes; try again later",
    });
    await db.close();
  });
});

test("what a server refuses in the handshake is what connect fails with", async () => {
  const databases = {
    open: () => Promise.reject(new KvsError("DISK_LOCKED", "in use", { outcome: "none" })),
  };
  await withServer({ server: { databases } }, async ({ connect }) => {
    expect(await failureOf(connect())).toMatchObject({
      code: "DISK_LOCKED",
      message: "DISK_LOCKED: in use",
    });
  });
});

test.each<[string, (frame: Uint8Array) => Uint8Array | undefined, string]>([
  ["never answers", () => undefined, "CONNECTION_FAILED"],
  ["answers with garbage", () => new Uint8Array([0xc1, 1, 2]), "PROTOCOL_MALFORMED"],
  ["answers with nothing", () => new Uint8Array([0x90]), "PROTOCOL_HANDSHAKE"],
  [
    "answers something else",
    () =>
      message((writer) => {
        writer.beginResponse(0, 5);
        writer.end();
      }),
    "PROTOCOL_HANDSHAKE",
  ],
  ["speaks another version", (frame) => welcome(frame, 2), "PROTOCOL_VERSION"],
  [
    "is closing",
    () =>
      message((writer) =>
        writeGoodbye(
          writer,
          new KvsError("SHUTTING_DOWN", "bye", { outcome: "none", retryable: true }),
        ),
      ),
    "SHUTTING_DOWN",
  ],
])("a server that %s fails the first connection", async (_what, answer, code) => {
  await withScript(
    (connection, frame) => {
      const bytes = answer(frame);
      if (bytes !== undefined) connection.send(bytes);
    },
    async (environment) => {
      const failure = await failureOf(
        connectWith(environment, SERVER_URL, { connectTimeoutMs: 500 }),
      );
      expect(failure).toMatchObject({ code, outcome: "none" });
    },
  );
});

test("a server that hangs up in the handshake fails the first connection", async () => {
  await withScript(
    (connection) => connection.close("discard"),
    async (environment) => {
      expect(await failureOf(connectWith(environment, SERVER_URL))).toMatchObject({
        code: "CONNECTION_FAILED",
        outcome: "none",
      });
    },
  );
});

test("a server that falls silent is given up after ten seconds, and asked for life before", async () => {
  const codes: number[] = [];
  await withScript(
    (connection, frame, count) => {
      const reader = new FrameReader(frame);
      reader.next();
      codes.push(reader.code);
      if (count === 0) connection.send(welcome(frame));
    },
    async (environment) => {
      const db = await connectWith(environment, SERVER_URL, { timeoutMs: 60_000 });
      const failure = await failureOf(db.kv.put("a", 1));

      expect(failure).toMatchObject({
        code: "CONNECTION_LOST",
        outcome: "unknown",
        cause: { code: "NET_TIMEOUT" },
      });
      expect(environment.clock.monotonicMs()).toBeGreaterThan(10_000);
      expect(codes.slice(0, 3)).toEqual([RequestCode.HELLO, RequestCode.PUT, RequestCode.PING]);
    },
  );
});

test("an idle connection lives on heartbeats", async () => {
  await withServer({}, async ({ connect, server, sleep }) => {
    const db = await connect();
    await sleep(300_000);

    expect(server().metrics()).toContain("\nkvs_connections_total 1\n");
    expect(await db.kv.get("a")).toBeUndefined();
    await db.close();
  });
});

test("a goodbye moves requests elsewhere; what was under way is still answered", async () => {
  let connections = 0;
  await withScript(
    (connection, frame, count) => {
      if (count === 0) {
        connections++;
        connection.send(welcome(frame));
        return;
      }
      const id = idOf(frame);
      const value = message((writer) => {
        writer.beginResponse(2, id);
        writer.bytes(encodeDocument(`connection ${connections}`));
        writer.uint(1);
        writer.end();
      });
      if (connections > 1) {
        connection.send(value);
        return;
      }
      const bye = new KvsError("SHUTTING_DOWN", "bye", { outcome: "none", retryable: true });
      connection.send(message((writer) => writeGoodbye(writer, bye)));
      connection.send(value);
    },
    async (environment) => {
      const db = await connectWith(environment, SERVER_URL);
      const values = [await db.kv.get("a"), await db.kv.get("a")];

      expect(values).toEqual(["connection 1", "connection 2"]);
    },
  );
});

test("a goodbye for a fault is why the connection was lost", async () => {
  await withScript(
    (connection, frame, count) => {
      if (count === 0) connection.send(welcome(frame));
      if (count !== 1) return;
      const fault = new KvsError("PROTOCOL_MALFORMED", "what?", { outcome: "none" });
      connection.send(message((writer) => writeError(writer, 0, fault)));
      connection.close();
    },
    async (environment) => {
      const db = await connectWith(environment, SERVER_URL, { timeoutMs: 500 });

      expect(await failureOf(db.kv.put("a", 1))).toMatchObject({
        code: "CONNECTION_LOST",
        outcome: "unknown",
        cause: { code: "PROTOCOL_MALFORMED" },
      });
    },
  );
});

test("several connections are kept, and share the requests", async () => {
  await withServer(
    { knobs: { buggify: false } },
    async ({ connect, server, sleep, simulation }) => {
      const db = await connect({ connections: 3 });
      await sleep(50);
      expect(server().connectionCount).toBe(3);

      simulation.network.resetConnections("client", "server");
      await sleep(200);
      expect(server().connectionCount).toBe(3);
      await Promise.all(Array.from({ length: 50 }, (_, n) => db.kv.put(n, n)));
      await db.close();
    },
  );
});

test("a client that stood still does not blame the server", async () => {
  await withServer({ memory: { commitMs: 8000 } }, async ({ connect, simulation }) => {
    const db = await connect({ timeoutMs: 60_000 });
    const put = db.kv.put("a", 1);
    simulation.after(3000, () => simulation.host("client").pause(12_000, { first: "timers" }));

    expect(await put).toMatchObject({ version: 1 });
    await db.close();
  });
});

test("a connection that only this side still has is given up", async () => {
  await withServer({}, async ({ connect, simulation, server }) => {
    const db = await connect({ timeoutMs: 30_000 });
    simulation.network.halfOpen("server", "client");

    expect(await db.kv.get("a")).toBeUndefined(); // it is asked again elsewhere
    expect(server().metrics()).toContain("\nkvs_connections_total 2\n");
    await db.close();
  });
});
