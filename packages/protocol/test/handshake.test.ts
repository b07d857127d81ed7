import { type DocumentValue, encodeDocument } from "@kvs/codec";
import { expect, test } from "vitest";
import {
  chooseVersion,
  helloDocument,
  readHello,
  readWelcome,
  welcomeDocument,
} from "../src/handshake.ts";

const hello = { versions: [1, 2], database: "app", client: "test" };

test("a HELLO comes back as it was made; unknown members are ignored", () => {
  const document = { ...helloDocument(hello), later: { anything: [1] } };

  expect(readHello(encodeDocument(document))).toEqual(hello);
});

test.each<[string, DocumentValue, string]>([
  ["no object", 7, "a handshake holds an object"],
  ["an array", [], "a handshake holds an object"],
  ["null", null, "a handshake holds an object"],
  ["nothing in it", {}, "a HELLO names versions, a database and a client"],
  ["versions that are no array", { ...hello, versions: 1 }, "PROTOCOL_HANDSHAKE"],
  ["a database that is no text", { ...hello, database: 1 }, "PROTOCOL_HANDSHAKE"],
  ["a client that is no text", { ...hello, client: null }, "PROTOCOL_HANDSHAKE"],
  ["a bad name of a database", { ...hello, database: "../x" }, "BAD_DATABASE_NAME"],
  ["too many bytes", { ...hello, more: "x".repeat(20_000) }, "CODEC_TOO_LARGE"],
])("a HELLO with %s is refused", (_what, document, message) => {
  expect(() => readHello(encodeDocument(document))).toThrow(message);
});

test("a name of a client is cut", () => {
  const long = encodeDocument({ ...helloDocument({ ...hello, client: "x".repeat(1000) }) });

  expect(readHello(long).client).toHaveLength(128);
});

test("the version is one that both speak", () => {
  expect(chooseVersion(hello)).toBe(1);
  expect(() => chooseVersion({ ...hello, versions: [2, 3] })).toThrow(
    "this side speaks version 1 of the protocol, the other 2, 3; bring the older of the two up to date",
  );
  expect(readHello(encodeDocument({ ...hello, versions: ["x", 3] })).versions).toEqual([3]);
});

test("a WELCOME comes back as it was made", () => {
  const welcome = { version: 1, nodeId: "n1" };

  expect(readWelcome(encodeDocument(welcomeDocument(welcome)))).toEqual(welcome);
  expect(() => readWelcome(encodeDocument({ version: 2, nodeId: "n1" }))).toThrow(
    "PROTOCOL_VERSION",
  );
  expect(() => readWelcome(encodeDocument({ version: "1" }))).toThrow("PROTOCOL_HANDSHAKE");
});
