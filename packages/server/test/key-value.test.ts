import { type DocumentValue, decodeDocument, encodeDocument, encodeKey } from "@kvs/codec";
import { BATCH_OPERATIONS_MAX, FrameWriter, RequestCode, TTL_MS_MAX } from "@kvs/protocol";
import { expect, test } from "vitest";
import { keyOf, withServer } from "./world.ts";

const value = encodeDocument({ a: 1 });

test.each([false, true])(
  "keys are put, found and removed (pages to read: %s)",
  async (readsLater) => {
    await withServer({ memory: { readsLater } }, async ({ peer }) => {
      const client = await peer();

      expect(await client.fields(RequestCode.GET, keyOf("a"))).toEqual([null, 0]);
      expect(await client.fields(RequestCode.PUT, keyOf("a"), value)).toEqual([1]);
      expect(await client.fields(RequestCode.GET, keyOf("a"))).toEqual([value, 1]);
      expect(await client.fields(RequestCode.DELETE, keyOf("a"))).toEqual([true]);
      expect(await client.fields(RequestCode.DELETE, keyOf("a"))).toEqual([false]);
      expect(await client.fields(RequestCode.GET, keyOf("a"))).toEqual([null, 0]);
    });
  },
);

test("conditions on versions hold, or nothing happens", async () => {
  await withServer({}, async ({ peer }) => {
    const client = await peer();
    await client.fields(RequestCode.PUT, keyOf("a"), value, 0);

    expect((await client.ask(RequestCode.PUT, keyOf("a"), value, 0)).slice(1, 3)).toEqual([
      1,
      "VERSION_MISMATCH",
    ]);
    expect((await client.ask(RequestCode.DELETE, keyOf("a"), 7))[2]).toBe("VERSION_MISMATCH");
    expect(await client.fields(RequestCode.PUT, keyOf("a"), value, 1)).toEqual([4]);
    expect(await client.fields(RequestCode.DELETE, keyOf("a"), 4)).toEqual([true]);
  });
});

test("a value with a time to live goes when that is over", async () => {
  await withServer({}, async ({ peer, sleep }) => {
    const client = await peer();
    await client.fields(RequestCode.PUT, keyOf("a"), value, null, 5000);

    expect((await client.fields(RequestCode.GET, keyOf("a")))[0]).toEqual(value);
    await sleep(5001);
    expect((await client.fields(RequestCode.GET, keyOf("a")))[0]).toBeNull();
  });
});

test("a batch is all or nothing, and its last operation on a key counts", async () => {
  await withServer({}, async ({ peer }) => {
    const client = await peer();
    const good: DocumentValue[] = [
      [0, keyOf("a"), value],
      [0, keyOf("b"), value, 5000, "later field"],
      [1, keyOf("a"), "later field"],
    ];

    expect(await client.fields(RequestCode.BATCH, good)).toEqual([1]);
    expect((await client.fields(RequestCode.GET, keyOf("a")))[0]).toBeNull();
    expect((await client.fields(RequestCode.GET, keyOf("b")))[0]).toEqual(value);

    const bad = [...good, [0, keyOf("c")]];
    expect((await client.ask(RequestCode.BATCH, bad))[2]).toBe("PROTOCOL_BAD_REQUEST");
    expect((await client.fields(RequestCode.GET, keyOf("a")))[0]).toBeNull();
  });
});

test.each<[string, number, DocumentValue[], string]>([
  ["a key without bytes", RequestCode.GET, [new Uint8Array(0)], "PROTOCOL_BAD_REQUEST"],
  ["a key that is too long", RequestCode.GET, [new Uint8Array(1025)], "PROTOCOL_BAD_REQUEST"],
  ["a key that is a text", RequestCode.GET, ["a"], "PROTOCOL_BAD_REQUEST"],
  ["no key", RequestCode.GET, [], "PROTOCOL_BAD_REQUEST"],
  [
    "bytes to store that are no key",
    RequestCode.PUT,
    [new Uint8Array([0xff]), value],
    "CODEC_MALFORMED",
  ],
  ["no value", RequestCode.PUT, [keyOf("a")], "PROTOCOL_BAD_REQUEST"],
  [
    "a value that is no document",
    RequestCode.PUT,
    [keyOf("a"), new Uint8Array([0xc1])],
    "CODEC_MALFORMED",
  ],
  ["a value that is cut", RequestCode.PUT, [keyOf("a"), value.slice(0, 2)], "CODEC_TRUNCATED"],
  [
    "a value that is too deep",
    RequestCode.PUT,
    [keyOf("a"), new Uint8Array(200).fill(0x91)],
    "CODEC_TOO_DEEP",
  ],
  [
    "a value that is too long",
    RequestCode.PUT,
    [keyOf("a"), new Uint8Array((16 << 20) + 1)],
    "CODEC_TOO_LARGE",
  ],
  [
    "a name twice",
    RequestCode.PUT,
    [keyOf("a"), new Uint8Array([0x82, 0xa1, 97, 1, 0xa1, 97, 2])],
    "CODEC_DUPLICATE_NAME",
  ],
  ["a time to live of 0", RequestCode.PUT, [keyOf("a"), value, null, 0], "BAD_OPTION"],
  ["a version that is negative", RequestCode.PUT, [keyOf("a"), value, -1], "PROTOCOL_BAD_REQUEST"],
  ["a batch that is no array", RequestCode.BATCH, [value], "PROTOCOL_BAD_REQUEST"],
  ["an operation that is unknown", RequestCode.BATCH, [[[2, keyOf("a")]]], "PROTOCOL_BAD_REQUEST"],
  ["an operation without fields", RequestCode.BATCH, [[[]]], "PROTOCOL_BAD_REQUEST"],
  ["an operation that is no array", RequestCode.BATCH, [[7]], "PROTOCOL_BAD_REQUEST"],
  ["a scan without flags", RequestCode.SCAN, [null, null], "PROTOCOL_BAD_REQUEST"],
])("%s is refused, and nothing happens", async (_what, code, fields, expected) => {
  await withServer({}, async ({ peer, storage }) => {
    const client = await peer();

    const answer = await client.ask(code, ...fields);

    expect(answer.slice(1, 3)).toEqual([1, expected]);
    expect(answer[5]).toBe(0); // the outcome is none
    expect(storage.commitCount).toBe(0);
    expect(await client.fields(RequestCode.PING)).toEqual([]);
  });
});

test("a time to live of centuries is refused", async () => {
  await withServer({}, async ({ peer }) => {
    const client = await peer();
    const writer = new FrameWriter();
    writer.beginRequest(4, 1, RequestCode.PUT, 1000);
    writer.bytes(keyOf("a"));
    writer.bytes(value);
    writer.nil();
    writer.uint(TTL_MS_MAX + 1);
    writer.end();

    client.connection.send(writer.take());

    expect((await client.answerTo(1))[2]).toBe("BAD_OPTION");
  });
});

test("a batch with too many operations is refused before they are read", async () => {
  await withServer({}, async ({ peer, storage }) => {
    const client = await peer();
    const operations = Array.from({ length: BATCH_OPERATIONS_MAX + 1 }, () => 0);

    const answer = await client.ask(RequestCode.BATCH, operations);

    expect(answer[2]).toBe("BATCH_TOO_LARGE");
    expect(storage.commitCount).toBe(0);
  });
});

test("a scan walks in either direction, within bounds, up to a limit, with or without values", async () => {
  await withServer({}, async ({ peer }) => {
    const client = await peer();
    for (const name of ["a", "b", "c", "d"]) {
      await client.fields(RequestCode.PUT, keyOf(name), encodeDocument(name));
    }
    const scan = async (...fields: DocumentValue[]): Promise<unknown[]> => {
      const [cursor, items] = await client.fields(RequestCode.SCAN, ...fields);
      expect(cursor).toBe(0);
      const list = items as DocumentValue[];
      return list
        .filter((_, at) => at % 3 === 1)
        .map((each) => each && decodeDocument(each as Uint8Array));
    };

    expect(await scan(null, null, 0, null, 10)).toEqual(["a", "b", "c", "d"]);
    expect(await scan(encodeKey("b"), encodeKey("d"), 0, null, 10)).toEqual(["b", "c"]);
    expect(await scan(null, null, 1, 3, 10)).toEqual(["d", "c", "b"]);
    expect(await scan(null, null, 2, null, 10)).toEqual([null, null, null, null]);
  });
});

test("a long batch is checked in slices: whole or refused, and before what follows it", async () => {
  await withServer({}, async ({ peer }) => {
    const client = await peer();
    const puts = Array.from({ length: 3000 }, (_, at) => [0, keyOf(`k${at}`), value]);
    const bad: readonly (readonly [string, DocumentValue[]])[] = [
      ["CODEC_MALFORMED", [0, keyOf("z"), new Uint8Array([0xc1])]],
      ["CODEC_MALFORMED", [0, new Uint8Array([0xff]), value]],
      ["PROTOCOL_BAD_REQUEST", [0, new Uint8Array(2000), value]],
      ["BAD_OPTION", [0, keyOf("z"), value, 0]],
    ];
    for (const [code, operation] of bad) {
      const refused = await client.ask(RequestCode.BATCH, [...puts, operation]);
      expect([refused[1], refused[2], refused[5]]).toEqual([1, code, 0]);
    }
    expect((await client.fields(RequestCode.GET, keyOf("k0")))[0]).toBeNull();

    client.send(
      [1, RequestCode.BATCH, 60_000, puts],
      [2, RequestCode.DELETE, 60_000, keyOf("k2999")],
      [3, RequestCode.PUT, 60_000, keyOf("k0"), value, 0],
    );
    expect((await client.answerTo(1))[1]).toBe(0);
    expect(await client.answerTo(2)).toEqual([2, 0, true]);
    expect((await client.answerTo(3))[2]).toBe("VERSION_MISMATCH");
  });
});
