import { decodeUtf8, encodeDocument } from "@kvs/codec";
import { type HttpResponse } from "@kvs/env";
import { RequestCode } from "@kvs/protocol";
import { expect, test } from "vitest";
import { type HealthProbe } from "../src/observe/health.ts";
import { Server } from "../src/server.ts";
import { isLoopback, resolveOptions } from "../src/server-options.ts";
import { type World, keyOf, withServer } from "./world.ts";

const value = encodeDocument({ a: 1 });

function get({ environment }: World, path: string, method = "GET"): Promise<HttpResponse> {
  return environment.network.request(`http://server:5000${path}`, { method });
}

function textOf({ body }: HttpResponse): string {
  return decodeUtf8(body ?? new Uint8Array(0));
}

test("GET /health tells how the node is", async () => {
  const ok: HealthProbe = () => "ok";
  const probes = { storage: ok, memory: () => Promise.resolve("ok" as const), diskSpace: ok };
  await withServer({ server: { nodeId: "n1", probes } }, async (world) => {
    const response = await get(world, "/health");

    expect(response.status).toBe(200);
    expect(response.headers?.get("content-type")).toBe("application/json");
    expect(JSON.parse(textOf(response))).toEqual({
      status: "healthy",
      node_id: "n1",
      role: "leader",
      cluster_size: 1,
      replication_status: "single",
      checks: { storage: "ok", memory: "ok", disk_space: "ok", network: "ok" },
    });
  });
});

test.each([
  ["warn", 200, "degraded"],
  ["fail", 503, "unhealthy"],
] as const)("a check that says %s makes the node %i %s", async (check, status, summary) => {
  await withServer({ server: { probes: { diskSpace: () => check } } }, async (world) => {
    const response = await get(world, "/health");

    expect(response.status).toBe(status);
    expect(JSON.parse(textOf(response))).toMatchObject({
      status: summary,
      checks: { storage: "unknown", memory: "unknown", disk_space: check },
    });
  });
});

test("a check that throws has failed", async () => {
  const probes = { storage: () => Promise.reject(new Error("a secret")) };
  await withServer({ server: { probes } }, async (world) => {
    const response = await get(world, "/health");

    expect(response.status).toBe(503);
    expect(textOf(response)).not.toContain("secret");
  });
});

test("GET /ready and /metrics answer, others do not", async () => {
  await withServer({}, async (world) => {
    expect(await get(world, "/ready")).toMatchObject({ status: 200 });
    expect((await get(world, "/nothing")).status).toBe(404);
    const refused = await get(world, "/health", "POST");
    expect([refused.status, refused.headers?.get("allow")]).toEqual([405, "GET"]);
    const metrics = await get(world, "/metrics");
    expect(metrics.headers?.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
    expect(textOf(metrics)).toContain("# TYPE kvs_connections gauge\nkvs_connections 0\n");
  });
});

test("a connection at another path is refused", async () => {
  await withServer({}, async ({ environment }) => {
    const refused = environment.network.connect("ws://server:5000/v2");

    await expect(refused).rejects.toMatchObject({ code: "NET_REJECTED" });
  });
});

test("requests, frames and errors are counted", async () => {
  await withServer({}, async (world) => {
    const client = await world.peer();
    await client.fields(RequestCode.PUT, keyOf("a"), value);
    await client.fields(RequestCode.GET, keyOf("a"));
    await client.ask(RequestCode.DELETE, keyOf("a"), 99);

    expect(world.metric('kvs_requests_total{request="get"}')).toBe(1);
    expect(world.metric('kvs_request_duration_seconds_count{request="get"}')).toBe(1);
    expect(world.metric('kvs_request_duration_seconds_count{request="put"}')).toBe(1);
    expect(world.metric('kvs_errors_total{code="VERSION_MISMATCH"}')).toBe(1);
    expect(world.metric("kvs_connections_total")).toBe(1);
    expect(world.metric("kvs_databases")).toBe(1);
    expect(world.metric("kvs_frames_received_total")).toBe(4);
    expect(world.metric("kvs_bytes_received_total")).toBeGreaterThan(100);
    expect(world.metric("kvs_requests_waiting_bytes")).toBe(0);
  });
});

test("several databases live side by side", async () => {
  await withServer({}, async ({ peer, databases }) => {
    const [one, two] = [await peer({ database: "one" }), await peer({ database: "two" })];
    await one.fields(RequestCode.PUT, keyOf("a"), value);

    expect((await two.fields(RequestCode.GET, keyOf("a")))[0]).toBeNull();
    expect([...databases.openNames]).toEqual(["one", "two"]);
  });
});

test("at the limit of databases one that nobody uses makes room", async () => {
  await withServer({ server: { limits: { databasesMax: 2 } } }, async (world) => {
    const one = await world.peer({ database: "one" });
    await one.fields(RequestCode.PUT, keyOf("a"), value);
    await world.peer({ database: "two" });

    const refused = await world.peer({ hello: false });
    const answer = await refused.hello("three");
    expect([answer[2], answer[4]]).toEqual(["TOO_MANY_DATABASES", true]);
    expect(await refused.ending()).toBe("TOO_MANY_DATABASES");

    one.connection.close();
    await world.sleep(10);
    await world.peer({ database: "three" });
    expect([...world.databases.openNames].toSorted()).toEqual(["three", "two"]);

    const full = await world.peer({ hello: false });
    expect((await full.hello("one"))[2]).toBe("TOO_MANY_DATABASES");
  });
});

test("a database that failed to open is tried again", async () => {
  let tries = 0;
  await withServer(
    {
      change: () => {
        tries++;
        if (tries === 1) throw new TypeError("not now");
      },
    },
    async ({ peer }) => {
      const unlucky = await peer({ hello: false });
      expect((await unlucky.hello())[2]).toBe("INTERNAL");
      const client = await peer();
      expect(await client.fields(RequestCode.PING)).toEqual([]);
    },
  );
});

test("closing finishes what is under way, refuses what comes after, and closes everything", async () => {
  await withServer({ memory: { commitMs: 100 } }, async (world) => {
    const client = await world.peer();
    const silent = await world.peer({ hello: false });
    const reader = await world.peer();
    await client.fields(RequestCode.PUT, keyOf("a"), value);
    await client.fields(RequestCode.PUT, keyOf("b"), value);
    const [cursor] = await reader.fields(RequestCode.SCAN, null, null, 0, null, 1);
    expect(cursor).toBe(1);

    client.send([1, RequestCode.PUT, 5000, keyOf("under-way"), value]);
    await world.sleep(5);
    const closed = world.server.close();
    await world.sleep(5);
    client.send([2, RequestCode.PUT, 5000, keyOf("late"), value]);
    const [late, done] = [await client.answerTo(2), await client.answerTo(1)];
    expect((await world.server.health()).status).toBe("degraded");
    expect((await get(world, "/ready")).status).toBe(503);
    await closed;

    expect([late[2], late[4], late[5]]).toEqual(["SHUTTING_DOWN", true, 0]);
    expect(done[1]).toBe(0);
    expect([await client.ending(), await silent.ending()]).toEqual([
      "SHUTTING_DOWN",
      "SHUTTING_DOWN",
    ]);
    expect([...world.databases.openNames]).toEqual([]);
    expect(world.server.connectionCount).toBe(0);
    expect(world.metric("kvs_cursors")).toBe(0);
    await expect(world.peer()).rejects.toThrow("NET_REFUSED");
    await world.server.close(); // a second time it does nothing
  });
});

test("closing does not wait for ever for a request that hangs", async () => {
  const never = new Promise<number>(() => undefined);
  await withServer(
    {
      server: { limits: { closeGraceMs: 2000 } },
      change: (database) => {
        database.putRaw = () => never;
      },
    },
    async (world) => {
      const client = await world.peer();
      client.send([1, RequestCode.PUT, 60_000, keyOf("a"), value]);
      await world.sleep(5);

      const startMs = world.environment.clock.monotonicMs();
      await world.server.close();

      expect(world.environment.clock.monotonicMs() - startMs).toBeLessThan(4000);
      expect(await client.ending()).toBe("SHUTTING_DOWN");
    },
  );
});

test("a server that stood still does not blame its clients", async () => {
  await withServer({}, async ({ peer, simulation, sleep }) => {
    const client = await peer();
    simulation.host("server").pause(70_000, { first: "timers" });
    for (let beat = 0; beat < 8; beat++) {
      client.send([beat + 1, RequestCode.PING, 120_000]);
      await sleep(10_000);
    }

    expect(client.closed).toBeUndefined();
    expect(await client.answerTo(8)).toEqual([8, 0]);
  });
});

test("a HELLO while the server closes is refused", async () => {
  await withServer({ memory: { commitMs: 300 } }, async (world) => {
    const client = await world.peer();
    client.send([1, RequestCode.PUT, 5000, keyOf("a"), value]);
    await world.sleep(5);
    const closed = world.server[Symbol.asyncDispose]();
    await world.sleep(1);

    const late = await world.peer().catch((error: unknown) => String(error));
    expect(late).toContain("NET_REJECTED");
    await closed;
  });
});

test("beyond loopback a server listens only if told that the network is trusted", async () => {
  const databases = { open: () => Promise.reject(new Error("unused")) };

  for (const host of ["0.0.0.0", "::", "10.0.0.1", "db.example.com", "127.example.com"]) {
    expect(isLoopback(host), host).toBe(false);
    expect(() => resolveOptions({ databases, host })).toThrow("SERVER_INSECURE");
    expect(resolveOptions({ databases, host, insecure: true }).host).toBe(host);
  }
  for (const host of ["127.0.0.1", "127.8.8.8", "localhost", "::1"]) {
    expect(resolveOptions({ databases, host }).host).toBe(host);
  }
  await withServer({}, async ({ environment }) => {
    await expect(Server.start(environment, { databases, host: "0.0.0.0" })).rejects.toMatchObject({
      code: "SERVER_INSECURE",
      outcome: "none",
      details: { host: "0.0.0.0" },
    });
  });
});

test("limits are positive integers", () => {
  const databases = { open: () => Promise.reject(new Error("unused")) };

  for (const cursorsMax of [0, -1, 1.5, Number.NaN]) {
    expect(() => resolveOptions({ databases, limits: { cursorsMax } })).toThrow(
      "every limit is a positive integer",
    );
  }
});
