import { KvsError } from "@kvs/env";
import { expect, test } from "vitest";
import { connectWith } from "../src/connect-with.ts";
import { idOf, message, welcome } from "./script.ts";
import { SERVER_URL, failureOf, withScript, withServer } from "./world.ts";

/** What a put and a get come to when the server answers them like this, and never again. */
async function answeredWith(
  answer: (id: number) => Uint8Array,
  options: { readonly timeoutMs: number },
): Promise<unknown[]> {
  const failures: unknown[] = [];
  let connections = 0;
  await withScript(
    (connection, frame, count) => {
      if (count === 0) connections++;
      if (count === 0) connection.send(welcome(frame));
      else if (connections === 1) connection.send(answer(idOf(frame)));
    },
    async (environment) => {
      const db = await connectWith(environment, SERVER_URL, options);
      failures.push(
        ...(await Promise.all([failureOf(db.kv.put("a", 1)), failureOf(db.kv.get("a"))])),
      );
    },
  );
  return failures;
}

test("an answer that is garbage breaks the connection: a write is unknown, a read is repeated", async () => {
  const [put, get] = await answeredWith(() => new Uint8Array([0xc1]), { timeoutMs: 3000 });

  expect(put).toMatchObject({ code: "CONNECTION_LOST", outcome: "unknown", retryable: false });
  expect(get).toMatchObject({ code: "DEADLINE_EXCEEDED", outcome: "none" });
});

test("an answer with other fields than its kind has: the write was applied", async () => {
  const answer = (id: number): Uint8Array =>
    message((writer) => {
      writer.beginResponse(1, id);
      writer.text("no version");
      writer.end();
    });

  const [put, get] = await answeredWith(answer, { timeoutMs: 3000 });

  expect(put).toMatchObject({ code: "PROTOCOL_MALFORMED", outcome: "applied" });
  expect(get).toMatchObject({ code: "DEADLINE_EXCEEDED", outcome: "none" });
});

test("answers to what nobody asked are ignored", async () => {
  const answer = (): Uint8Array =>
    message((writer) => {
      writer.beginResponse(0, 77_777);
      writer.end();
    });

  const [put, get] = await answeredWith(answer, { timeoutMs: 2000 });

  expect(put).toMatchObject({
    code: "DEADLINE_EXCEEDED",
    outcome: "unknown",
    message:
      'DEADLINE_EXCEEDED: no answer to the request "put" within 2000 ms; whether it happened is not known: read before you repeat it',
  });
  expect(get).toMatchObject({ code: "DEADLINE_EXCEEDED", outcome: "none" });
});

test("an answer after the deadline goes nowhere, and no other request gets it", async () => {
  await withServer({ memory: { commitMs: 700 } }, async ({ connect, storage, sleep }) => {
    const db = await connect({ timeoutMs: 500 });
    const late = await failureOf(db.kv.put("a", 1));
    const next = db.kv.get("b");

    expect(late).toMatchObject({ code: "DEADLINE_EXCEEDED", outcome: "unknown" });
    expect(await next).toBeUndefined();
    await sleep(1000);
    expect(storage.commitCount).toBe(1);
    expect(await db.kv.get("a")).toBe(1);
    await db.close();
  });
});

test("an error that asks for patience is met with patience, within bounds", async () => {
  let refusals = 0;
  let isPatient = true;
  await withServer(
    {
      change: (database) => {
        const put = database.putRaw.bind(database);
        database.putRaw = (...parameters) => {
          refusals++;
          if (isPatient && refusals > 3) return put(...parameters);
          return Promise.reject(
            new KvsError("DISK_FULL", "no space", { outcome: "none", retryable: true }),
          );
        };
      },
    },
    async ({ connect }) => {
      const db = await connect();
      expect(await db.kv.put("a", 1)).toMatchObject({ version: 1 });
      expect(refusals).toBe(4);

      isPatient = false;
      refusals = 0;
      expect(await failureOf(db.kv.put("a", 1))).toMatchObject({ code: "DISK_FULL" });
      expect(refusals).toBe(7);
      await db.close();
    },
  );
});

test("an error whose outcome is unknown is not repeated", async () => {
  let calls = 0;
  await withServer(
    {
      change: (database) => {
        database.putRaw = () => {
          calls++;
          return Promise.reject(
            new KvsError("WAL_SYNC_FAILED", "x", { outcome: "unknown", retryable: true }),
          );
        };
      },
    },
    async ({ connect }) => {
      const db = await connect();
      expect(await failureOf(db.kv.put("a", 1))).toMatchObject({
        code: "WAL_SYNC_FAILED",
        outcome: "unknown",
      });
      expect(calls).toBe(1);
      await db.close();
    },
  );
});

test("more than may wait is refused: OVERLOADED", async () => {
  await withServer({ memory: { commitMs: 100 } }, async ({ connect }) => {
    const few = await connect({ requestsMax: 10 });
    const puts = Array.from({ length: 12 }, (_, n) => few.kv.put(n, n));
    expect(await failureOf(puts[10]!)).toMatchObject({
      code: "OVERLOADED",
      outcome: "none",
      retryable: true,
    });
    expect(await failureOf(puts[11]!)).toMatchObject({ details: { requests: 10 } });
    expect(await Promise.all(puts.slice(0, 10))).toHaveLength(10);
    expect(await few.kv.get(3)).toBe(3);
    await few.close();

    const little = await connect({ bytesMax: 1000 });
    const large = Array.from({ length: 3 }, (_, n) => little.kv.put(n, "x".repeat(600)));
    expect(await failureOf(large[2]!)).toMatchObject({ code: "OVERLOADED" });
    await Promise.all(large.slice(0, 2));
    expect(await little.kv.put("a", 1)).toMatchObject({});
    await little.close();
  });
});

test("closing waits for what is under way, and takes nothing any more", async () => {
  await withServer({ memory: { commitMs: 300 } }, async ({ connect, server, sleep }) => {
    const db = await connect();
    const put = db.kv.put("a", 1);
    const closed = db.close();
    const late = await failureOf(db.kv.put("b", 1));

    expect(late).toMatchObject({ code: "CLIENT_CLOSED", outcome: "none" });
    expect(await put).toMatchObject({ version: 1 });
    await closed;
    await db.close();
    await sleep(10);
    expect(server().connectionCount).toBe(0);
    expect(await failureOf(db.stats())).toMatchObject({ code: "CLIENT_CLOSED" });
    const scan = db.kv.scan()[Symbol.asyncIterator]();
    expect(await failureOf(scan.next())).toMatchObject({ code: "CLIENT_CLOSED" });
  });
});

test("a server that restarts is found again; what waited is answered", async () => {
  await withServer({ knobs: { buggify: false } }, async ({ connect, simulation, sleep }) => {
    const db = await connect();
    await db.kv.put("a", 1);

    simulation.host("server").kill();
    const got = db.kv.get("a");
    // It may be sent before the client hears of the death: then it is unknown, and told so.
    const put = db.kv.put("b", 2).then(
      () => "applied",
      (error: KvsError) => error.outcome,
    );
    await sleep(2000);
    simulation.host("server").restart();

    expect(await got).toBe(1);
    expect(["applied", "unknown"]).toContain(await put);
    await db.kv.put("c", 3);
    await db.close();
  });
});

test("without a server requests wait until their deadline, and tell why", async () => {
  await withServer({}, async (world) => {
    const db = await world.connect({ timeoutMs: 2000 });
    world.simulation.host("server").kill();
    await world.sleep(500);

    const [put, get] = await Promise.all([failureOf(db.kv.put("a", 1)), failureOf(db.kv.get("a"))]);

    expect(put).toMatchObject({
      code: "DEADLINE_EXCEEDED",
      outcome: "none",
      cause: { code: "CONNECTION_FAILED" },
    });
    expect(String(put)).toContain("no server answers at server:5000");
    expect(get).toMatchObject({ code: "DEADLINE_EXCEEDED", outcome: "none" });
    await db.close();
  });
});

test("a server that refuses for good while requests wait fails them at once", async () => {
  let openings = 0;
  const change = (): void => {
    openings++;
    if (openings > 1) throw new KvsError("DISK_LOCKED", "in use", { outcome: "none" });
  };
  await withServer({ change }, async ({ connect, simulation, sleep }) => {
    const db = await connect();
    simulation.host("server").kill();
    await sleep(100);
    const waiting = failureOf(db.kv.put("a", 1));
    simulation.host("server").restart();

    expect(await waiting).toMatchObject({ code: "DISK_LOCKED", outcome: "none" });
  });
});

test("a cursor ends with its connection, and says so", async () => {
  await withServer({}, async ({ connect, simulation, sleep }) => {
    const db = await connect();
    await db.kv.batch(Array.from({ length: 2000 }, (_, n) => ({ type: "put", key: n, value: n })));
    const early = db.kv.scan()[Symbol.asyncIterator]();
    const during = db.kv.scan()[Symbol.asyncIterator]();
    await Promise.all([early.next(), during.next()]);
    for (let left = 499; left > 0; left--) await Promise.all([early.next(), during.next()]);

    const waiting = failureOf(during.next());
    simulation.network.resetConnections("client", "server");
    expect(await waiting).toMatchObject({ code: "CONNECTION_LOST", outcome: "none" });
    await sleep(100);
    expect(await failureOf(early.next())).toMatchObject({
      code: "CONNECTION_LOST",
      outcome: "none",
    });
    expect(await db.kv.get(7)).toBe(7);
    await db.close();
  });
});
