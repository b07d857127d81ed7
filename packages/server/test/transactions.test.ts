import {
  type DocumentObject,
  type DocumentValue,
  decodeDocument,
  encodeDocument,
} from "@kvs/codec";
import { RequestCode } from "@kvs/protocol";
import { expect, test } from "vitest";
import { type Message, type Peer } from "./peer.ts";
import { type World, type WorldOptions, keyOf, withServer } from "./world.ts";

const { BEGIN, WITHIN, GET, PUT, SCAN, INSERT, FETCH, FIND, COUNT, COMMIT, ROLLBACK, STATS } =
  RequestCode;

function withEngine(body: (world: World) => Promise<void>, options: WorldOptions = {}) {
  return withServer({ isReal: true, ...options }, body);
}

/** Begins a transaction. Returns its number. */
async function begin(peer: Peer, options: DocumentObject = {}): Promise<number> {
  const [number, id] = await peer.fields(BEGIN, encodeDocument(options));
  expect(id).toMatch(/^t-/);
  return number as number;
}

function put(peer: Peer, transaction: number, key: string, value: DocumentValue): Promise<Message> {
  return peer.ask(WITHIN, transaction, PUT, keyOf(key), encodeDocument(value));
}

async function read(peer: Peer, key: string): Promise<DocumentValue | undefined> {
  const [value] = await peer.fields(GET, keyOf(key));
  return value === null ? undefined : decodeDocument(value as Uint8Array);
}

/** The code of an error answer; 0 for none. */
function codeOf(answer: Message): DocumentValue | undefined {
  return answer[1] === 0 ? 0 : answer[2];
}

test("what a transaction writes shows to itself at once, and to others when it is committed", () =>
  withEngine(async ({ peer }) => {
    const client = await peer();
    const number = await begin(client);
    expect(await put(client, number, "a", 1)).toEqual([expect.anything(), 0, 0]);
    const [own] = await client.fields(WITHIN, number, GET, keyOf("a"));
    expect(decodeDocument(own as Uint8Array)).toBe(1);
    expect(await read(client, "a")).toBeUndefined();
    const document = encodeDocument({ _id: "one" });
    expect(await client.fields(WITHIN, number, INSERT, "c", [document])).toEqual([["one"]]);
    expect(await client.fields(FETCH, "c", "one")).toEqual([null]);

    const [version] = await client.fields(COMMIT, number);

    expect(version).toBeGreaterThan(0);
    expect(await client.fields(GET, keyOf("a"))).toEqual([encodeDocument(1), version]);
    expect(await client.fields(FETCH, "c", "one")).toEqual([document]);
  }));

test("requests of a transaction are executed in order, those of another do not wait for them", () =>
  withEngine(async ({ peer }) => {
    const client = await peer();
    const first = await begin(client);
    const second = await begin(client);
    await put(client, first, "a", "first");
    // The second waits for the lock; what it asks for next waits behind that.
    const waiting = put(client, second, "a", "second");
    const behind = client.ask(WITHIN, second, GET, keyOf("a"));
    expect((await put(client, first, "b", 1)).slice(1)).toEqual([0, 0]);
    await client.fields(COMMIT, first);

    expect((await waiting).slice(1)).toEqual([0, 0]);
    expect((await behind).slice(1)).toEqual([0, encodeDocument("second"), 0]);
    const pipelined = [client.ask(COMMIT, second), client.ask(ROLLBACK, second)];
    expect((await Promise.all(pipelined)).map(codeOf)).toEqual([0, 0]);
    expect(await read(client, "a")).toBe("second");
  }));

test("walks, counts and queries go through the transaction, step by step", () =>
  withEngine(async ({ peer }) => {
    const client = await peer();
    const number = await begin(client);
    for (const key of ["a", "b", "c"]) await put(client, number, key, key);
    const documents = ["x", "y", "z"].map((_id) => encodeDocument({ _id }));
    await client.fields(WITHIN, number, INSERT, "c", documents);

    const [cursor, some] = await client.fields(WITHIN, number, SCAN, null, null, 0, null, 2);
    expect((some as DocumentValue[]).length).toBe(6);
    const [end, rest] = await client.fields(RequestCode.CURSOR_NEXT, cursor!, 2);
    expect([end, (rest as DocumentValue[]).length]).toEqual([0, 3]);
    const query = encodeDocument({});
    expect(await client.fields(WITHIN, number, COUNT, "c", query)).toEqual([3]);
    const [, found] = await client.fields(WITHIN, number, FIND, "c", query, 2);
    expect(found).toEqual(documents.slice(0, 2));
    await client.fields(ROLLBACK, number);
    expect(await client.fields(COUNT, "c", query)).toEqual([0]);
  }));

test("a savepoint is gone back to, and a key that is read for update is locked", () =>
  withEngine(async ({ peer }) => {
    const client = await peer();
    const number = await begin(client);
    await put(client, number, "a", 1);
    const [mark] = await client.fields(RequestCode.SAVEPOINT, number);
    await put(client, number, "a", 2);
    await client.fields(RequestCode.ROLLBACK_TO, number, mark!);
    const [value, version] = await client.fields(RequestCode.GET_FOR_UPDATE, number, keyOf("a"));
    expect([value, version]).toEqual([encodeDocument(1), 0]);
    await client.fields(RequestCode.GET_FOR_UPDATE, number, keyOf("b"));
    const other = client.ask(PUT, keyOf("b"), encodeDocument("other"));
    await client.fields(COMMIT, number);
    expect(codeOf(await other)).toBe(0);
    const unknown = await client.ask(RequestCode.ROLLBACK_TO, await begin(client), 7);
    expect(codeOf(unknown)).toBe("TXN_ENDED");
  }));

test("a transaction that has ended, or never was, is TXN_ENDED; rolling it back is no error", () =>
  withEngine(async ({ peer }) => {
    const client = await peer();
    const number = await begin(client);
    await client.fields(COMMIT, number);
    for (const each of [number, 77]) {
      expect(codeOf(await put(client, each, "a", 1))).toBe("TXN_ENDED");
      expect(codeOf(await client.ask(COMMIT, each))).toBe("TXN_ENDED");
      expect(codeOf(await client.ask(ROLLBACK, each))).toBe(0);
    }
    expect(await read(client, "a")).toBeUndefined();
  }));

test("fields that are none are refused, and no other request suffers", () =>
  withEngine(async ({ peer }) => {
    const client = await peer();
    const number = await begin(client);
    const answers = [
      client.ask(BEGIN, encodeDocument({ isolation: "chaos" })),
      client.ask(BEGIN, encodeDocument({ timeoutMs: 0 })),
      client.ask(BEGIN),
      client.ask(WITHIN, number),
      client.ask(WITHIN, number, COMMIT, number),
      client.ask(WITHIN, number, WITHIN, number, GET, keyOf("a")),
      client.ask(WITHIN, number, 126),
      put(client, number, "a", 1),
    ];
    expect((await Promise.all(answers)).map(codeOf)).toEqual([
      "BAD_OPTION",
      "BAD_OPTION",
      ...Array.from({ length: 5 }, () => "PROTOCOL_BAD_REQUEST"),
      0,
    ]);
    await client.fields(COMMIT, number);
    expect(await read(client, "a")).toBe(1);
  }));

test("a connection that is lost rolls its transactions back at once", () =>
  withEngine(async ({ peer, metric, sleep }) => {
    const lost = await peer();
    for (const key of ["a", "b"]) await put(lost, await begin(lost), key, "lost");
    const waiting = await begin(lost);
    void put(lost, waiting, "a", "waits").catch(() => undefined);
    const other = await peer();
    const write = other.ask(PUT, keyOf("a"), encodeDocument("other"));
    expect([metric("kvs_client_transactions"), metric("kvs_transactions")]).toEqual([3, 3]);

    lost.connection.close("discard");
    await sleep(10);

    expect(codeOf(await write)).toBe(0);
    const left = ["kvs_client_transactions", "kvs_transactions", "kvs_locks", "kvs_lock_waits"];
    expect(left.map(metric)).toEqual([0, 0, 0, 0]);
    expect(await read(other, "b")).toBeUndefined();
    expect(metric("kvs_transactions_rolled_back_total")).toBe(3);
  }));

test("transactions that outlive their connection are noticed (server.transactions-survive)", () =>
  withEngine(
    async ({ peer, metric, sleep }) => {
      const lost = await peer();
      await put(lost, await begin(lost), "a", "lost");
      lost.connection.close("discard");
      await sleep(10);
      expect(metric("kvs_locks")).toBe(1);
    },
    { mutants: ["server.transactions-survive"] },
  ));

test("a transaction that nobody uses is rolled back, after the server's time at the latest", () =>
  withEngine(
    async ({ peer, sleep, metric }) => {
      const client = await peer();
      const short = await begin(client, { timeoutMs: 1000 });
      const long = await begin(client, { timeoutMs: 3_600_000 });
      await put(client, short, "a", 1);
      await put(client, long, "b", 1);
      await sleep(3000);
      expect(codeOf(await put(client, short, "a", 2))).toBe("TXN_TIMEOUT");
      expect(codeOf(await put(client, long, "b", 2))).toBe(0);
      await sleep(8000);
      expect(codeOf(await client.ask(COMMIT, long))).toBe("TXN_TIMEOUT");
      expect([metric("kvs_transactions"), metric("kvs_locks")]).toEqual([0, 0]);
    },
    { server: { limits: { transactionTimeoutMsMax: 5000 } } },
  ));

test("a connection has a bounded number of transactions; those that ended make room", () =>
  withEngine(
    async ({ peer, sleep }) => {
      const client = await peer();
      const first = await begin(client, { timeoutMs: 1000 });
      for (let count = 1; count < 5; count++) await begin(client);
      const [, status, code, text, retryable] = await client.ask(BEGIN, encodeDocument({}));
      expect([status, code, retryable]).toEqual([1, "TOO_MANY_TRANSACTIONS", true]);
      expect(text).toContain("5 transactions");
      const another = await peer();
      await begin(another);
      await sleep(3000);
      const late = await begin(client);
      expect(codeOf(await put(client, first, "a", 1))).toBe("TXN_ENDED");
      await client.fields(ROLLBACK, late);
      await begin(client);
    },
    { server: { limits: { transactionsMax: 5 } } },
  ));

test("a request within a transaction that is not answered in time rolls it back", () =>
  withEngine(async ({ peer, sleep }) => {
    const client = await peer();
    const holder = await begin(client);
    const waiter = await begin(client);
    await put(client, holder, "a", 1);
    await put(client, waiter, "b", 1);
    client.send([1, WITHIN, 500, waiter, PUT, keyOf("a"), encodeDocument(2)]);
    expect((await client.answerTo(1)).slice(1, 3)).toEqual([1, "DEADLINE_EXCEEDED"]);
    await sleep(10);
    expect(codeOf(await client.ask(COMMIT, waiter))).toBe("TXN_ENDED");
    expect(codeOf(await client.ask(PUT, keyOf("b"), encodeDocument(3)))).toBe(0);
    await client.fields(COMMIT, holder);
    expect(await read(client, "a")).toBe(1);
  }));

test("a deadlock is told to the youngest, with the circle", () =>
  withEngine(async ({ peer, metric }) => {
    const client = await peer();
    const [one, two] = [await begin(client), await begin(client)];
    await put(client, one, "a", 1);
    await put(client, two, "b", 2);
    const first = put(client, one, "b", 1);
    const answer = await put(client, two, "a", 2);
    expect(answer.slice(1, 3)).toEqual([1, "TXN_DEADLOCK"]);
    expect(answer[3]).toMatch(/t-\S+-2 waits for key "a" of database app, which t-\S+-1/);
    expect(answer[3]).toMatch(/t-\S+-1 waits for key "b" of database app, which t-\S+-2/);
    expect(answer.slice(4, 6)).toEqual([true, 0]);
    expect(codeOf(await first)).toBe(0);
    await client.fields(COMMIT, one);
    expect(metric("kvs_deadlocks_total")).toBe(1);
    const [stats] = await client.fields(STATS);
    const { transactions } = decodeDocument(stats as Uint8Array) as { transactions: object };
    expect(transactions).toMatchObject({ open: 0, locks: 0, deadlocks: 1, committed: 1 });
  }));

test("a server that shuts down rolls back what is open, and does not wait for it", () =>
  withEngine(async ({ peer, server, environment, sleep }) => {
    const client = await peer();
    const [one, two] = [await begin(client), await begin(client)];
    await put(client, one, "a", 1);
    const waiting = put(client, two, "a", 2);
    await sleep(5);
    const beforeMs = environment.clock.monotonicMs();
    await server.close();
    expect(environment.clock.monotonicMs() - beforeMs).toBeLessThan(1000);
    expect(codeOf(await waiting)).toBe("TXN_ENDED");
  }));
