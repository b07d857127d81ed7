import { decodeDocument, encodeDocument, encodeKey } from "@kvs/codec";
import { createRandom } from "@kvs/env";
import { RequestCode } from "@kvs/protocol";
import { expect, test } from "vitest";
import { type Message, Peer } from "./peer.ts";
import { type World, keyOf, withServer } from "./world.ts";

const HELLO = { versions: [1], database: "app", client: "test", credentials: null };

/** Whether the server still serves others, and `storage` holds nothing. */
async function checkUntouched({ peer, storage }: World): Promise<void> {
  expect(storage.commitCount).toBe(0);
  const other = await peer();
  expect(await other.fields(RequestCode.PING)).toEqual([]);
}

test("a HELLO is answered with a version and a node", async () => {
  await withServer({ server: { nodeId: "n7" } }, async ({ peer }) => {
    const fresh = await peer({ hello: false });

    const [, status, welcome] = await fresh.hello();

    expect(status).toBe(0);
    expect(decodeDocument(welcome as Uint8Array)).toEqual({ version: 1, nodeId: "n7" });
  });
});

test.each<[string, Message[], string]>([
  [
    "a request before the HELLO",
    [[1, RequestCode.PUT, 1000, keyOf("a"), encodeDocument(1)]],
    "PROTOCOL_HANDSHAKE",
  ],
  [
    "a HELLO with a version that nobody speaks",
    [[1, 0, 1000, encodeDocument({ ...HELLO, versions: [99] })]],
    "PROTOCOL_VERSION",
  ],
  [
    "a HELLO with a bad database",
    [[1, 0, 1000, encodeDocument({ ...HELLO, database: "a/b" })]],
    "BAD_DATABASE_NAME",
  ],
  ["a HELLO without a document", [[1, 0, 1000]], "PROTOCOL_BAD_REQUEST"],
  ["a HELLO whose document is none", [[1, 0, 1000, new Uint8Array([0xc1])]], "CODEC_MALFORMED"],
  [
    "a HELLO that is too long",
    [[1, 0, 1000, encodeDocument({ ...HELLO, x: "x".repeat(20_000) })]],
    "PROTOCOL_HANDSHAKE",
  ],
])("%s ends the connection, and says why", async (_what, messages, code) => {
  await withServer({}, async (world) => {
    const peer = await world.peer({ hello: false });

    peer.send(...messages);

    expect(await peer.ending()).toBe(code);
    await checkUntouched(world);
  });
});

test("a second HELLO is refused, and the connection goes on", async () => {
  await withServer({}, async ({ peer }) => {
    const known = await peer();

    expect((await known.hello())[2]).toBe("PROTOCOL_BAD_REQUEST");
    expect(await known.fields(RequestCode.PING)).toEqual([]);
  });
});

test("requests may follow a HELLO at once", async () => {
  await withServer({}, async ({ peer }) => {
    const eager = await peer({ hello: false });

    eager.send([1, 0, 1000, encodeDocument(HELLO)], [2, RequestCode.PING, 1000]);
    eager.send([3, RequestCode.PING, 1000]);

    expect(await eager.answerTo(2)).toEqual([2, 0]);
    expect(await eager.answerTo(3)).toEqual([3, 0]);
  });
});

test("a connection without a HELLO is closed after ten seconds", async () => {
  await withServer({}, async ({ peer, sleep }) => {
    const silent = await peer({ hello: false });

    await sleep(9500);
    expect(silent.closed).toBeUndefined();
    await sleep(1500);
    expect(await silent.ending()).toBe("DEADLINE_EXCEEDED");
  });
});

test("a connection without any frame is closed after a minute; a heartbeat keeps it", async () => {
  await withServer({}, async ({ peer, sleep }) => {
    const silent = await peer();
    const alive = await peer();

    for (let minute = 0; minute < 8; minute++) {
      await sleep(30_000);
      await alive.fields(RequestCode.PING);
      if (minute === 0) expect(silent.closed).toBeUndefined();
    }

    expect(await silent.ending()).toBe("DEADLINE_EXCEEDED");
    expect(alive.closed).toBeUndefined();
  });
});

test("bytes that are no frame end the connection, before and after the HELLO", async () => {
  await withServer({}, async (world) => {
    for (const hello of [false, true]) {
      for (const bytes of [[0xc1], [0x93], [0x90, 0x00], [0x91, 0x01], [0x81, 0xa1, 0x61, 0x01]]) {
        const peer = await world.peer({ hello });
        peer.connection.send(new Uint8Array(bytes));
        expect([bytes, await peer.ending()]).toEqual([bytes, "PROTOCOL_MALFORMED"]);
      }
    }
    await checkUntouched(world);
  });
});

test("a frame that is cut at any byte changes nothing", async () => {
  await withServer({}, async (world) => {
    const frame = encodeDocument([
      [1, RequestCode.PUT, 1000, keyOf("a"), encodeDocument({ a: 1 })],
      [
        2,
        RequestCode.BATCH,
        1000,
        [
          [0, keyOf("b"), encodeDocument(2)],
          [1, keyOf("c")],
        ],
      ],
    ]);
    for (let length = 1; length < frame.length; length++) {
      const peer = await world.peer();
      peer.connection.send(frame.slice(0, length));
      expect([length, await peer.ending()]).toEqual([length, "PROTOCOL_MALFORMED"]);
    }
    await checkUntouched(world);
  });
});

test("frames with flipped bits are answered, refused, or end their connection; others go on", async () => {
  await withServer({}, async ({ peer, storage, sleep }) => {
    const random = createRandom(5);
    const frame = encodeDocument([
      [1, RequestCode.PUT, 1000, keyOf("abc"), encodeDocument({ a: "x".repeat(40) })],
      [2, RequestCode.SCAN, 1000, null, null, 0, null, 10],
      [3, RequestCode.FIND, 1000, "people", encodeDocument({ filter: { a: 1 } }), 10],
    ]);
    const witness = await peer();
    for (let round = 0; round < 400; round++) {
      const flipped = frame.slice();
      const bit = random.below(frame.length * 8);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      const evil = await peer();
      evil.connection.send(flipped);
      await sleep(2);
      evil.connection.close();
    }
    expect(await witness.fields(RequestCode.PING)).toEqual([]);
    // Whatever was stored can be read again: it was checked before.
    for (const row of storage.tables.get("app")!.slice(undefined, undefined)) {
      decodeDocument(row.value);
    }
  });
});

test("nesting beyond the limit, and false counts, end the connection", async () => {
  await withServer({}, async (world) => {
    const nested = [0x91, 0x93, 1, 10, ...Array.from({ length: 50_000 }, () => 0x91), 0xc0];
    for (const bytes of [nested, [0x91, 0x93, 1, 10, 0xdd, 0xff, 0xff, 0xff, 0xff]]) {
      const peer = await world.peer();
      peer.connection.send(new Uint8Array(bytes));
      expect(await peer.ending()).toBe("PROTOCOL_MALFORMED");
    }
    await checkUntouched(world);
  });
});

test("an id that no answer could have ends the connection", async () => {
  await withServer({}, async (world) => {
    for (const id of [0, 2 ** 32]) {
      const peer = await world.peer();
      peer.send([id, RequestCode.PING, 1000]);
      expect(await peer.ending()).toBe("PROTOCOL_MALFORMED");
    }
  });
});

test("a frame longer than the limit ends the connection before it is read", async () => {
  await withServer({ server: { limits: { frameBytesMax: 10_000 } } }, async (world) => {
    const peer = await world.peer();
    peer.connection.send(new Uint8Array(10_001));
    await peer.ending();
    await checkUntouched(world);
  });
});

test("an unknown code and unknown fields leave the connection as it is", async () => {
  await withServer({}, async ({ peer }) => {
    const known = await peer();

    expect((await known.ask(99))[2]).toBe("PROTOCOL_UNKNOWN_CODE");
    expect((await known.ask(2 ** 31))[2]).toBe("PROTOCOL_UNKNOWN_CODE");
    expect(await known.fields(RequestCode.PING, "later", { field: [1, 2, 3] })).toEqual([]);
    expect(await known.fields(RequestCode.GET, encodeKey("a"), 5, [6])).toEqual([null, 0]);
  });
});

test("a database that cannot be opened is the answer to the HELLO", async () => {
  const databases = { open: () => Promise.reject(new Error("a secret")) };
  await withServer({ server: { databases } }, async ({ peer }) => {
    const fresh = await peer({ hello: false });

    const [, status, code, text] = await fresh.hello();

    expect([status, code]).toEqual([1, "INTERNAL"]);
    expect(text).not.toContain("secret");
    expect(await fresh.ending()).toBe("INTERNAL");
  });
});

test("a client that goes while its database is opened leaves nothing behind", async () => {
  await withServer({}, async ({ peer, server, sleep }) => {
    const hasty = await peer({ hello: false });
    hasty.send([1, 0, 1000, encodeDocument(HELLO)]);
    hasty.connection.close("discard");
    await sleep(100);

    expect(server.connectionCount).toBe(0);
  });
});

test("ten thousand idle connections cost little, and others are served", async () => {
  await withServer({}, async ({ environment, peer, server }) => {
    const idle: Peer[] = [];
    for (let count = 0; count < 9_999; count += 101) {
      const opened = Array.from({ length: 101 }, () => Peer.open(environment, { hello: false }));
      idle.push(...(await Promise.all(opened)));
    }
    expect(server.connectionCount).toBe(9_999);

    const active = await peer();
    expect(await active.fields(RequestCode.PING)).toEqual([]);
    const refused = await peer().catch((error: unknown) => String(error));
    expect(refused).toContain("NET_REJECTED");
    expect((await server.health()).checks.network).toBe("warn");
  });
});
