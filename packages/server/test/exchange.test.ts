import { encodeDocument } from "@kvs/codec";
import { AssertionFailure, KvsError } from "@kvs/env";
import { type HostedDatabase, RequestCode } from "@kvs/protocol";
import { expect, test } from "vitest";
import { type Message } from "./peer.ts";
import { type WorldOptions, keyOf, withServer } from "./world.ts";

const value = encodeDocument({ a: 1 });

function puts(count: number, remainingMs = 60_000): Message[] {
  return Array.from({ length: count }, (_, at) => [
    at + 1,
    RequestCode.PUT,
    remainingMs,
    keyOf(`k${at}`),
    value,
  ]);
}

test("what one frame asks for is answered in one frame", async () => {
  await withServer({ knobs: { buggify: false } }, async ({ peer }) => {
    const client = await peer();
    const before = client.frameCount;

    client.send(
      ...Array.from({ length: 50 }, (_, at): Message => [
        at + 1,
        RequestCode.GET,
        1000,
        keyOf("a"),
      ]),
    );
    await client.answerTo(50);

    expect(client.frameCount - before).toBe(1);
  });
});

test("a long frame is handled over several turns, and others come between", async () => {
  await withServer({ knobs: { buggify: false } }, async ({ peer, simulation }) => {
    simulation.network.configure({ delayMeanMs: 0 });
    const [client, other] = [await peer(), await peer()];
    const before = client.frameCount;

    client.send(
      ...Array.from({ length: 4000 }, (_, at): Message => [
        at + 1,
        RequestCode.GET,
        60_000,
        keyOf("a"),
      ]),
    );
    expect(await other.fields(RequestCode.PING)).toEqual([]);
    await client.answerTo(4000);

    expect(client.frameCount - before).toBe(4);
    expect(new Set(client.answers.map(([id]) => id)).size).toBe(4000); // that of the HELLO among them
  });
});

test("a connection beyond its limit is not read until there is room; nothing is refused", async () => {
  const limits = { connectionRequestsMax: 4 };
  await withServer({ server: { limits }, memory: { commitMs: 20 } }, async (world) => {
    const client = await world.peer();
    const other = await world.peer();

    client.send(...puts(40));
    await world.sleep(5);
    expect(world.metric("kvs_requests_waiting")).toBe(4);
    expect(await other.fields(RequestCode.PING)).toEqual([]);
    await client.answerTo(40);

    expect(client.answers.filter(([id, status]) => Number(id) <= 40 && status === 0)).toHaveLength(
      41 - 1,
    );
    expect(world.metric("kvs_pauses_total")).toBeGreaterThan(0);
    expect(world.metric("kvs_requests_waiting")).toBe(0);
  });
});

test("many frames at once wait for one another; each request is answered once", async () => {
  const limits = { connectionRequestsMax: 4 };
  await withServer({ server: { limits }, memory: { commitMs: 2 } }, async (world) => {
    const client = await world.peer();
    const before = client.answers.length;

    for (let frame = 0; frame < 60; frame++) {
      client.send(
        ...puts(10).map(([id, ...rest]): Message => [1000 + frame * 10 + Number(id), ...rest]),
      );
    }
    for (let id = 1001; id <= 1600; id++) await client.answerTo(id);

    expect(client.answers.length - before).toBe(600);
    expect(world.storage.commitCount).toBe(600);
  });
});

test("beyond the bytes of a connection it is not read either", async () => {
  const limits = { connectionBytesMax: 100 };
  await withServer({ server: { limits }, memory: { commitMs: 20 } }, async (world) => {
    const client = await world.peer();

    client.send(...puts(40));
    await world.sleep(5);

    expect(world.metric("kvs_requests_waiting")).toBeLessThan(10);
    await client.answerTo(40);
  });
});

test("beyond what the server holds in all, requests are refused: OVERLOADED, nothing happened", async () => {
  const limits = { requestsMax: 3 };
  await withServer({ server: { limits }, memory: { commitMs: 20 } }, async (world) => {
    const [client, other] = [await world.peer(), await world.peer()];

    client.send(...puts(5));
    await world.sleep(5);
    const refused = await other.ask(RequestCode.GET, keyOf("a"));
    expect(await other.fields(RequestCode.PING)).toEqual([]);
    expect((await world.server.health()).checks.network).toBe("warn");
    await client.answerTo(3);

    expect(
      client.answers.filter(([, status]) => status === 1).map(([id, , code]) => [id, code]),
    ).toEqual([
      [4, "OVERLOADED"],
      [5, "OVERLOADED"],
    ]);
    expect([refused[2], refused[4], refused[5]]).toEqual(["OVERLOADED", true, 0]);
    expect(world.storage.commitCount).toBe(3);
    expect(await other.fields(RequestCode.GET, keyOf("k3"))).toEqual([null, 0]);
  });
});

test("a write at its deadline is answered with outcome unknown, a read with none", async () => {
  await withServer({ memory: { commitMs: 5000 } }, async (world) => {
    const client = await world.peer();

    client.send(...puts(1, 300), [2, RequestCode.CHECKPOINT, 300]);
    const write = await client.answerTo(1);
    const read = await client.answerTo(2);
    expect([write[2], write[5]]).toEqual(["DEADLINE_EXCEEDED", 2]);
    expect([read[2], read[5]]).toEqual(["DEADLINE_EXCEEDED", 0]);

    await world.sleep(6000);
    expect(world.storage.commitCount).toBe(2); // it happened all the same
    expect(client.answers.filter(([id]) => id === 1)).toHaveLength(1);
  });
});

test("a request that had to wait past its deadline does not begin", async () => {
  const limits = { connectionRequestsMax: 1 };
  await withServer({ server: { limits }, memory: { commitMs: 500 } }, async (world) => {
    const client = await world.peer();

    client.send(...puts(1), [2, RequestCode.PUT, 100, keyOf("late"), value]);
    const late = await client.answerTo(2);

    expect([late[2], late[5]]).toEqual(["DEADLINE_EXCEEDED", 0]);
    await world.sleep(2000);
    expect(world.storage.commitCount).toBe(1);
  });
});

test("a client that does not read is paused, then hung up on; others are served", async () => {
  const big = encodeDocument(new Uint8Array(1 << 20));
  await withServer({}, async (world) => {
    const [slow, other] = [await world.peer(), await world.peer()];
    await other.fields(RequestCode.PUT, keyOf("big"), big);

    slow.connection.pause();
    slow.send(
      ...Array.from({ length: 1000 }, (_, at): Message => [
        at + 1,
        RequestCode.GET,
        60_000,
        keyOf("big"),
      ]),
    );
    await world.sleep(5000);
    // A few answers wait, not a thousand.
    expect(world.metric("kvs_bytes_sent_total")).toBeLessThan(5 << 20);
    expect((await other.fields(RequestCode.GET, keyOf("big")))[1]).toBe(1);
    await world.sleep(40_000);

    expect(world.server.connectionCount).toBe(1);
    expect(await slow.ending()).toBeUndefined(); // there was no room for a goodbye
  });
});

test("a client that reads slowly gets everything", async () => {
  const big = encodeDocument(new Uint8Array(1 << 20));
  await withServer({}, async (world) => {
    const slow = await world.peer();
    await slow.fields(RequestCode.PUT, keyOf("big"), big);
    world.simulation.network.override("server", "client", { bandwidthBytesPerSecond: 200_000 });

    slow.send(
      ...Array.from({ length: 12 }, (_, at): Message => [
        at + 1,
        RequestCode.GET,
        600_000,
        keyOf("big"),
      ]),
    );

    expect((await slow.answerTo(12))[1]).toBe(0); // a minute, each step within the patience
  });
});

/** A server whose database is changed. */
function withDatabase(change: (database: HostedDatabase) => void): WorldOptions {
  return { change };
}

test("an error without a code becomes INTERNAL; the text stays here", async () => {
  const options = withDatabase((database) => {
    database.putRaw = () => Promise.reject(new TypeError("a secret"));
    database.getRaw = () => {
      throw new TypeError("a secret");
    };
  });
  await withServer(options, async ({ peer, metric }) => {
    const client = await peer();

    const write = await client.ask(RequestCode.PUT, keyOf("a"), value);
    const read = await client.ask(RequestCode.GET, keyOf("a"));

    expect([write[2], write[5]]).toEqual(["INTERNAL", 2]);
    expect([read[2], read[5]]).toEqual(["INTERNAL", 0]);
    expect(JSON.stringify([write, read])).not.toContain("secret");
    expect(metric('kvs_errors_total{code="INTERNAL"}')).toBe(2);
  });
});

test("an error of the database crosses with its outcome", async () => {
  const error = new KvsError("DISK_FULL", "no space", {
    outcome: "unknown",
    retryable: true,
    details: { path: "x" },
  });
  const options = withDatabase((database) => {
    database.deleteRaw = () => Promise.reject(error);
  });
  await withServer(options, async ({ peer }) => {
    const client = await peer();

    const [, ...answer] = await client.ask(RequestCode.DELETE, keyOf("a"));

    expect(answer).toEqual([1, "DISK_FULL", "no space", true, 2, encodeDocument({ path: "x" })]);
  });
});

test("an answer that cannot be written is an error, of a write that was applied", async () => {
  const options = withDatabase((database) => {
    database.collection = () => ({ insert: () => Promise.resolve("\ud800") }) as never;
    database.stats = () => Promise.resolve({ name: "\ud800" } as never);
  });
  await withServer(options, async ({ peer }) => {
    const client = await peer();

    const insert = await client.ask(RequestCode.INSERT, "c", [encodeDocument({})]);
    const stats = await client.ask(RequestCode.STATS);

    expect([insert[2], insert[5]]).toEqual(["INTERNAL", 1]);
    expect([stats[2], stats[5]]).toEqual(["INTERNAL", 0]);
    expect(await client.fields(RequestCode.PING)).toEqual([]);
  });
});

test("an answer that breaks an invariant ends the process", async () => {
  const failures: unknown[] = [];
  const options = withDatabase((database) => {
    database.putRaw = () => Promise.resolve(-1);
  });
  const onHostFailure = (_host: unknown, error: unknown): "kill" => {
    failures.push(error);
    return "kill";
  };
  await withServer({ ...options, onHostFailure }, async ({ peer }) => {
    const client = await peer();

    await expect(client.ask(RequestCode.PUT, keyOf("a"), value)).rejects.toThrow("closed");

    expect(failures).toHaveLength(1);
    expect(failures[0]).toBeInstanceOf(AssertionFailure);
  });
});

test.each(["at once", "later"])("a broken invariant ends the process (%s)", async (when) => {
  const failures: unknown[] = [];
  const failure = new AssertionFailure("the state can be trusted");
  const options = withDatabase((database) => {
    database.getRaw = () => {
      if (when === "at once") throw failure;
      return Promise.reject(failure);
    };
  });
  await withServer(
    { ...options, onHostFailure: (_host, error) => (failures.push(error), "kill") },
    async ({ peer }) => {
      const client = await peer();

      await expect(client.ask(RequestCode.GET, keyOf("a"))).rejects.toThrow("closed");

      expect(failures).toEqual([failure]);
    },
  );
});

/** How often a put that was answered is lost when the server dies right then. */
async function lostAfterAnswer(options: WorldOptions): Promise<number> {
  let lost = 0;
  for (let seed = 1; seed <= 10; seed++) {
    await withServer(
      { ...options, seed, memory: { commitMs: 5 } },
      async ({ peer, simulation, storage }) => {
        const client = await peer();
        await client.fields(RequestCode.PUT, keyOf("a"), value);
        simulation.host("server").kill();
        if (storage.tables.get("app")!.count === 0) lost++;
      },
    );
  }
  return lost;
}

test("what is answered has taken effect", async () => {
  expect(await lostAfterAnswer({})).toBe(0);
});

test("an answer before the commit is caught (server.ack-before-commit)", async () => {
  expect(await lostAfterAnswer({ mutants: ["server.ack-before-commit"] })).toBeGreaterThan(0);
});
