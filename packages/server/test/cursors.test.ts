import { type DocumentValue, decodeDocument, encodeDocument } from "@kvs/codec";
import { RequestCode } from "@kvs/protocol";
import { expect, test } from "vitest";
import { type Peer } from "./peer.ts";
import { type World, type WorldOptions, keyOf, withServer } from "./world.ts";

async function fill(peer: Peer, count: number, valueBytes = 1): Promise<void> {
  const value = encodeDocument(new Uint8Array(valueBytes));
  for (let at = 0; at < count; at++) {
    await peer.fields(RequestCode.PUT, keyOf(String(at).padStart(3, "0")), value);
  }
}

/** Opens a cursor over all keys and returns its id and how many entries came at once. */
async function openScan(peer: Peer, itemsMax: number): Promise<[number, number]> {
  const [cursor, items] = await peer.fields(RequestCode.SCAN, null, null, 0, null, itemsMax);
  return [cursor as number, (items as DocumentValue[]).length / 3];
}

async function next(peer: Peer, cursor: number, itemsMax: number): Promise<[number, number]> {
  const [following, items] = await peer.fields(RequestCode.CURSOR_NEXT, cursor, itemsMax);
  return [following as number, (items as DocumentValue[]).length / 3];
}

test("a cursor gives as many items as the client asks for, and ends", async () => {
  await withServer({}, async ({ peer }) => {
    const client = await peer();
    await fill(client, 10);

    const [cursor, first] = await openScan(client, 4);
    expect(first).toBe(4);
    expect(await next(client, cursor, 5)).toEqual([cursor, 5]);
    expect(await next(client, cursor, 5)).toEqual([0, 1]);
    expect((await client.ask(RequestCode.CURSOR_NEXT, cursor, 5))[2]).toBe("CURSOR_EXPIRED");
  });
});

test("a step ends with the item that reaches a mebibyte", async () => {
  await withServer({}, async ({ peer }) => {
    const client = await peer();
    await fill(client, 6, 500_000);

    const [cursor, first] = await openScan(client, 100);
    expect(first).toBe(3);
    expect(await next(client, cursor, 100)).toEqual([0, 3]);
  });
});

/** A cursor that nobody steps for `ms`, and what a step then comes to. */
async function stepAfter(ms: number, options: WorldOptions): Promise<DocumentValue | undefined> {
  let code: DocumentValue | undefined;
  await withServer(options, async ({ peer, sleep, metric }) => {
    const client = await peer();
    await fill(client, 10);
    const [cursor] = await openScan(client, 1);
    expect(metric("kvs_cursors")).toBe(1);
    for (let waited = 0; waited < ms; waited += 20_000) {
      await sleep(20_000);
      await client.fields(RequestCode.PING);
    }
    const answer = await client.ask(RequestCode.CURSOR_NEXT, cursor, 1);
    code = answer[1] === 0 ? undefined : answer[2];
  });
  return code;
}

test("a cursor that is not stepped for a minute expires", async () => {
  expect(await stepAfter(40_000, {})).toBeUndefined();
  expect(await stepAfter(80_000, {})).toBe("CURSOR_EXPIRED");
});

test("without expiry a forgotten cursor lives on (server.no-cursor-expiry)", async () => {
  const sabotaged = { mutants: ["server.no-cursor-expiry"] };

  expect(await stepAfter(80_000, sabotaged)).toBeUndefined();
});

test("a connection has a bounded number of cursors, and may close them", async () => {
  await withServer({}, async ({ peer, databases, metric }) => {
    const client = await peer();
    await fill(client, 10);
    const cursors: number[] = [];
    for (let count = 0; count < 100; count++) cursors.push((await openScan(client, 1))[0]);

    const refused = await client.ask(RequestCode.SCAN, null, null, 0, null, 1);
    expect(refused[2]).toBe("TOO_MANY_CURSORS");
    expect(refused[4]).toBe(true); // retryable
    expect(await client.fields(RequestCode.CURSOR_CLOSE, cursors[0]!)).toEqual([]);
    expect(await client.fields(RequestCode.CURSOR_CLOSE, cursors[0]!)).toEqual([]);
    expect((await openScan(client, 1))[0]).toBe(101);
    expect(metric("kvs_cursors")).toBe(100);
    expect(databases.storage.tables.get("app")!.count).toBe(10);
  });
});

test("two steps of one cursor at once are refused, and the first goes on", async () => {
  await withServer({}, async ({ peer }) => {
    const client = await peer();
    await fill(client, 10);
    const [cursor] = await openScan(client, 1);

    client.send(
      [1, RequestCode.CURSOR_NEXT, 1000, cursor, 1],
      [2, RequestCode.CURSOR_NEXT, 1000, cursor, 1],
    );

    expect((await client.answerTo(2))[2]).toBe("PROTOCOL_BAD_REQUEST");
    expect((await client.answerTo(1)).slice(1, 3)).toEqual([0, cursor]);
    expect(await next(client, cursor, 20)).toEqual([0, 8]);
  });
});

async function openCursors({ peer }: World): Promise<number> {
  const witness = await peer();
  const [stats] = await witness.fields(RequestCode.STATS);
  return (decodeDocument(stats as Uint8Array) as { openCursors: number }).openCursors;
}

test("a connection that closes takes its cursors along", async () => {
  await withServer({}, async (world) => {
    const client = await world.peer();
    await fill(client, 10);
    await openScan(client, 1);
    expect(await openCursors(world)).toBe(1);

    client.connection.close("discard");
    await world.sleep(10);

    expect(await openCursors(world)).toBe(0);
    expect(world.metric("kvs_cursors")).toBe(0);
  });
});

test("a step that fails closes its cursor", async () => {
  await withServer({}, async ({ peer, metric }) => {
    const client = await peer();
    await client.fields(RequestCode.INSERT, "c", [encodeDocument({ a: 1 })]);

    const bad = encodeDocument({ filter: { a: { $no: 1 } } });
    expect((await client.ask(RequestCode.FIND, "c", bad, 1))[2]).toBe("BAD_OPTION");
    expect(metric("kvs_cursors")).toBe(0);
  });
});
