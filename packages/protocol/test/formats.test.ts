import { type DocumentObject, decodeDocument, decodeKey, encodeDocument } from "@kvs/codec";
import { type ErrorDetails, KvsError, type Outcome } from "@kvs/env";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readError, writeError } from "../src/error-message.ts";
import { FrameReader } from "../src/frame-reader.ts";
import { FrameWriter } from "../src/frame-writer.ts";
import { helloDocument, readHello } from "../src/handshake.ts";
import { REQUEST_KINDS, RequestCode } from "../src/wire-code.ts";
import { fromHex, toHex } from "./hex.ts";

const page = await readFile(join(import.meta.dirname, "../../../docs/formats/wire.md"), "utf8");

/** The JSON and the bytes of the example that begins with `name`. */
function exampleOf(name: string): { readonly json: unknown; readonly bytes: string } {
  const block = new RegExp(`^\`\`\`example\\n${name}: (.*)\\nbytes: (.*)\\n\`\`\`$`, "m").exec(
    page,
  );
  expect(block, `wire.md has an example of ${name}`).not.toBeNull();
  return { json: JSON.parse(block![1]!), bytes: block![2]! };
}

test("the HELLO of wire.md is what the code writes and reads", () => {
  const { json, bytes } = exampleOf("hello");
  const { id, remainingMs, database, client } = json as Record<"database" | "client", string> &
    Record<"id" | "remainingMs", number>;

  const writer = new FrameWriter();
  writer.beginRequest(1, id, RequestCode.HELLO, remainingMs);
  writer.document(helloDocument({ versions: [1], database, client }));
  writer.end();
  expect(toHex(writer.take())).toBe(bytes);

  const reader = new FrameReader(fromHex(bytes));
  expect(reader.next()).toBe(true);
  expect([reader.id, reader.code, reader.uint()]).toEqual([id, RequestCode.HELLO, remainingMs]);
  expect(readHello(reader.bytes())).toEqual({ versions: [1], database, client });
});

test("the write within a transaction of wire.md is what the code writes and reads", () => {
  const { json, bytes } = exampleOf("within");
  const { id, transaction, key, value } = json as {
    readonly id: number;
    readonly transaction: number;
    readonly key: string;
    readonly value: DocumentObject;
  };

  const writer = new FrameWriter();
  writer.beginRequest(4, id, RequestCode.WITHIN, 10_000);
  writer.uint(transaction);
  writer.uint(RequestCode.PUT);
  writer.key(key);
  writer.document(value);
  writer.end();
  expect(toHex(writer.take())).toBe(bytes);

  const reader = new FrameReader(fromHex(bytes));
  expect(reader.next()).toBe(true);
  expect([reader.id, reader.code, reader.uint()]).toEqual([id, RequestCode.WITHIN, 10_000]);
  expect([reader.uint(), reader.uint()]).toEqual([transaction, RequestCode.PUT]);
  expect([decodeKey(reader.bytes()), decodeDocument(reader.bytes())]).toEqual([key, value]);
});

test("the GETs of wire.md are what the code writes and reads", () => {
  const { json, bytes } = exampleOf("gets");
  const gets = json as { id: number; key: string }[];

  const writer = new FrameWriter();
  for (const { id, key } of gets) {
    writer.beginRequest(1, id, RequestCode.GET, 10_000);
    writer.key(key);
    writer.end();
  }
  expect(toHex(writer.take())).toBe(bytes);

  const reader = new FrameReader(fromHex(bytes));
  for (const { id, key } of gets) {
    expect(reader.next()).toBe(true);
    expect([reader.id, reader.code, reader.uint()]).toEqual([id, RequestCode.GET, 10_000]);
    expect(decodeKey(reader.bytes())).toBe(key);
  }
  expect(reader.next()).toBe(false);
});

test("the entries of wire.md are what the code writes and reads", () => {
  const { json, bytes } = exampleOf("entries");
  const entries = json as { id: number; value?: DocumentObject; version?: number }[];

  const writer = new FrameWriter();
  for (const { id, value, version } of entries) {
    writer.beginResponse(2, id);
    writer.bytesIfAny(value === undefined ? undefined : encodeDocument(value));
    writer.uint(version ?? 0);
    writer.end();
  }
  expect(toHex(writer.take())).toBe(bytes);

  const reader = new FrameReader(fromHex(bytes));
  for (const { id, value, version } of entries) {
    expect(reader.next()).toBe(true);
    expect([reader.id, reader.code]).toEqual([id, 0]);
    const found = reader.bytesIfAny();
    expect(found === undefined ? undefined : decodeDocument(found)).toEqual(value);
    expect(reader.uint()).toBe(version ?? 0);
  }
});

test("the error of wire.md is what the code writes and reads", () => {
  const { json, bytes } = exampleOf("error");
  const { id, code, text, outcome, details } = json as Record<"code" | "text", string> & {
    readonly id: number;
    readonly outcome: Outcome;
    readonly details: ErrorDetails;
  };
  const error = new KvsError(code, text, { outcome, details });

  const writer = new FrameWriter();
  writeError(writer, id, error);
  expect(toHex(writer.take())).toBe(bytes);

  const reader = new FrameReader(fromHex(bytes));
  reader.next();
  expect([reader.id, reader.code]).toEqual([id, 1]);
  expect(readError(reader)).toEqual(error);
});

test("wire.md lists every kind of request with its code", () => {
  const rows = Array.from(page.matchAll(/^\| (\d+) \| ([A-Z_]+) \|/gm), ([, code, name]) => ({
    code: Number(code),
    name: name!.toLowerCase().replaceAll("_", "-"),
  }));

  expect(rows).toEqual(REQUEST_KINDS.map(({ code, name }) => ({ code, name })));
});
