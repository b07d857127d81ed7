import { type DocumentValue, decodeDocument, encodeDocument } from "@kvs/codec";
import { BATCH_OPERATIONS_MAX, RequestCode } from "@kvs/protocol";
import { expect, test } from "vitest";
import { type Peer } from "./peer.ts";
import { type MemoryDatabase } from "../src/testing/memory-database.ts";
import { withServer } from "./world.ts";

const doc = (value: DocumentValue): Uint8Array => encodeDocument(value);

async function fetch(peer: Peer, id: string): Promise<unknown> {
  const [found] = await peer.fields(RequestCode.FETCH, "c", id);
  return found === null ? undefined : decodeDocument(found as Uint8Array);
}

test("documents are inserted, fetched, replaced and removed", async () => {
  await withServer({}, async ({ peer }) => {
    const client = await peer();

    expect(await client.fields(RequestCode.INSERT, "c", [doc({ _id: "x", n: 1 })])).toEqual([
      ["x"],
    ]);
    const [ids] = await client.fields(RequestCode.INSERT, "c", [doc({ n: 2 }), doc({ _id: "y" })]);
    expect(ids).toEqual(["id-1", "y"]);
    expect(await fetch(client, "x")).toEqual({ _id: "x", n: 1 });
    expect(await client.fields(RequestCode.UPDATE, "c", "x", doc({ n: 3 }))).toEqual([true]);
    expect(await client.fields(RequestCode.UPDATE, "c", "z", doc({ n: 3 }), null)).toEqual([false]);
    expect(await client.fields(RequestCode.UPDATE, "c", "z", doc({}), null, true)).toEqual([true]);
    expect(await fetch(client, "x")).toEqual({ _id: "x", n: 3 });
    const [envelope] = await client.fields(RequestCode.FETCH_ENVELOPE, "c", "x");
    expect(decodeDocument(envelope as Uint8Array)).toMatchObject({
      _id: "x",
      _version: 2,
      data: { n: 3 },
    });
    expect((await client.ask(RequestCode.REMOVE, "c", "x", 1))[2]).toBe("VERSION_MISMATCH");
    expect(await client.fields(RequestCode.REMOVE, "c", "x", 2)).toEqual([true]);
    expect(await fetch(client, "x")).toBeUndefined();
    expect(await client.fields(RequestCode.FETCH_ENVELOPE, "c", "x")).toEqual([null]);
  });
});

test("documents are found, step by step, and counted", async () => {
  await withServer({}, async ({ peer }) => {
    const client = await peer();
    const documents = Array.from({ length: 7 }, (_, n) => doc({ _id: `d${n}`, n }));
    await client.fields(RequestCode.INSERT, "c", documents);
    const query = doc({ filter: { n: { $gte: 2 } }, sort: { n: -1 }, later: 1 });

    const [cursor, first] = await client.fields(RequestCode.FIND, "c", query, 3);
    const [end, second] = await client.fields(RequestCode.CURSOR_NEXT, cursor!, 3);

    const found = [...(first as Uint8Array[]), ...(second as Uint8Array[])].map((each) =>
      decodeDocument(each),
    );
    expect(found.map((each) => (each as { n: number }).n)).toEqual([6, 5, 4, 3, 2]);
    expect(end).toBe(0);
    expect(await client.fields(RequestCode.COUNT, "c", doc({ filter: { n: 1 } }))).toEqual([1]);
    expect(await client.fields(RequestCode.COUNT, "c", doc({ skip: 2, limit: 3 }))).toEqual([3]);
    expect(await client.fields(RequestCode.COUNT, "c", doc({}))).toEqual([7]);
  });
});

test.each<[string, number, DocumentValue[], string]>([
  ["a document that is no object", RequestCode.INSERT, ["c", [doc([1])]], "BAD_OPTION"],
  ["a document that is null", RequestCode.INSERT, ["c", [doc(null)]], "BAD_OPTION"],
  ["a document that is a date", RequestCode.UPDATE, ["c", "x", doc(new Date(0))], "BAD_OPTION"],
  [
    "bytes that are no document",
    RequestCode.INSERT,
    ["c", [new Uint8Array([0xc1])]],
    "CODEC_MALFORMED",
  ],
  [
    "an _id twice",
    RequestCode.INSERT,
    ["c", [doc({ _id: "x" }), doc({ _id: "x" })]],
    "DUPLICATE_ID",
  ],
  ["an _id that is a number", RequestCode.INSERT, ["c", [doc({ _id: 1 })]], "QUERY_BAD_ID"],
  ["a bad name of a collection", RequestCode.INSERT, ["$c", [doc({})]], "QUERY_BAD_NAME"],
  ["an id that is a document", RequestCode.FETCH, ["c", doc({ $gt: "" })], "PROTOCOL_BAD_REQUEST"],
  ["a query that is no object", RequestCode.FIND, ["c", doc("x"), 1], "PROTOCOL_BAD_REQUEST"],
  ["a filter that is no object", RequestCode.FIND, ["c", doc({ filter: 7 }), 1], "BAD_OPTION"],
  ["a skip that is negative", RequestCode.COUNT, ["c", doc({ skip: -1 })], "BAD_OPTION"],
  ["a limit that is a text", RequestCode.FIND, ["c", doc({ limit: "1" }), 1], "BAD_OPTION"],
])("%s is refused, and nothing is stored", async (_what, code, fields, expected) => {
  await withServer({}, async ({ peer, storage }) => {
    const client = await peer();

    const answer = await client.ask(code, ...fields);

    expect(answer.slice(1, 3)).toEqual([1, expected]);
    expect(storage.commitCount).toBe(0);
  });
});

test("too many documents at once are refused", async () => {
  await withServer({}, async ({ peer }) => {
    const client = await peer();
    const documents = Array.from({ length: BATCH_OPERATIONS_MAX + 1 }, () => null);

    expect((await client.ask(RequestCode.INSERT, "c", documents))[2]).toBe("BATCH_TOO_LARGE");
  });
});

test("names that are dangerous elsewhere are plain data", async () => {
  await withServer({}, async ({ peer }) => {
    const client = await peer();
    const hostile = JSON.parse(
      '{"_id":"p","__proto__":{"polluted":1},"constructor":{"prototype":2}}',
    ) as DocumentValue;

    await client.fields(RequestCode.INSERT, "c", [doc(hostile)]);

    expect(await fetch(client, "p")).toEqual(hostile);
    expect("polluted" in {}).toBe(false);
    const query = doc(JSON.parse('{"__proto__":{"limit":0}}') as DocumentValue);
    const [, found] = await client.fields(RequestCode.FIND, "c", query, 10);
    expect(found).toHaveLength(1);
  });
});

test("what follows a long insertion begins once that cannot be overtaken, and others meanwhile", async () => {
  let ordered: (() => void) | undefined;
  const change = (database: MemoryDatabase): void => {
    const insert = database.insertRaw.bind(database);
    database.insertRaw = async (collection, documents, done) => {
      await new Promise<void>((resolve) => (ordered = resolve));
      return insert(collection, documents, done);
    };
  };
  await withServer({ change }, async ({ peer, sleep }) => {
    const [client, other] = [await peer(), await peer()];
    const documents = Array.from({ length: 600 }, (_, n) => doc({ _id: `d${n}`, n }));
    client.send(
      [1, RequestCode.INSERT, 60_000, "c", documents],
      [2, RequestCode.UPDATE, 60_000, "c", "d7", doc({ n: "new" })],
    );
    client.send([3, RequestCode.PING, 60_000]);
    await sleep(1000);

    expect(await other.fields(RequestCode.PING)).toEqual([]);
    expect(client.answers.filter(([id]) => (id as number) <= 3)).toEqual([]);
    ordered!();
    expect(await client.answerTo(2)).toEqual([2, 0, true]);
    expect((await client.answerTo(1))[2]).toHaveLength(600);
    expect(await client.answerTo(3)).toEqual([3, 0]);
    expect(await fetch(client, "d7")).toEqual({ _id: "d7", n: "new" });
  });
});

test("a long insertion with a bad document is refused whole, and the connection goes on", async () => {
  await withServer({}, async ({ peer }) => {
    const client = await peer();
    const documents = Array.from({ length: 600 }, (_, n) => doc({ _id: `d${n}` }));
    const bad = [...documents.slice(1), new Uint8Array([0xc1])];

    const [, status, code, , , outcome] = await client.ask(RequestCode.INSERT, "c", bad);
    expect([status, code, outcome]).toEqual([1, "CODEC_MALFORMED", 0]);
    expect(await client.fields(RequestCode.COUNT, "c", doc({}))).toEqual([0]);
    expect((await client.fields(RequestCode.INSERT, "c", documents))[0]).toHaveLength(600);
  });
});
