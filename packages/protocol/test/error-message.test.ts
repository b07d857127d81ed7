import { AssertionFailure, KvsError } from "@kvs/env";
import { expect, test } from "vitest";
import { readError, toKvsError, writeError, writeGoodbye } from "../src/error-message.ts";
import { FrameReader } from "../src/frame-reader.ts";
import { FrameWriter } from "../src/frame-writer.ts";
import { protocolError } from "../src/protocol-error.ts";

/** The error as the other side gets it. */
function across(error: KvsError): KvsError {
  const writer = new FrameWriter();
  writeError(writer, 3, error);
  const reader = new FrameReader(writer.take());
  reader.next();
  expect([reader.id, reader.code]).toEqual([3, 1]);
  return readError(reader);
}

test.each(["none", "applied", "unknown"] as const)(
  "an error with outcome %s crosses",
  (outcome) => {
    const details = { text: "x", count: 2, isSo: true };
    const error = new KvsError("TXN_CONFLICT", "two met; try again", {
      outcome,
      retryable: true,
      details,
      cause: new Error("secret"),
    });

    const received = across(error);

    expect(received).toBeInstanceOf(KvsError);
    expect(received.message).toBe(error.message);
    expect(received).toMatchObject({ code: "TXN_CONFLICT", retryable: true, outcome, details });
    expect(received.cause).toBeUndefined();
  },
);

test("texts and details that could not be sent are cut and repaired", () => {
  const details: Record<string, string> = { ["\ud800name"]: `\udfff${"x".repeat(10_000)}` };
  for (let at = 0; at < 100; at++) details[`d${at}`] = "y";
  const message = `\ud800${"m".repeat(100_000)}`;

  const received = across(new KvsError("X", message, { outcome: "none", details }));

  expect(received.message.length).toBeLessThan(5000);
  expect(Object.keys(received.details)).toHaveLength(32);
});

test("details with dangerous names are plain data", () => {
  const details = JSON.parse('{"__proto__": "x", "constructor": 1}') as Record<string, string>;

  const received = across(new KvsError("X", "m", { outcome: "none", details }));

  expect(Object.entries(received.details)).toEqual([
    ["__proto__", "x"],
    ["constructor", 1],
  ]);
});

test("a goodbye answers no request", () => {
  const writer = new FrameWriter();
  writeGoodbye(writer, protocolError("SHUTTING_DOWN", "bye"));
  const reader = new FrameReader(writer.take());

  reader.next();
  expect(reader.id).toBe(0);
  expect(readError(reader)).toMatchObject({ code: "SHUTTING_DOWN", retryable: true });
});

test.each([
  ["a code in small letters", "bad", 0],
  ["a code without end", "A".repeat(65), 0],
  ["an outcome that does not exist", "GOOD", 3],
])("%s is refused", (_what, code, outcome) => {
  const writer = new FrameWriter();
  writer.beginResponse(5, 1, 1);
  writer.text(code);
  writer.text("text");
  writer.bool(false);
  writer.uint(outcome);
  writer.document({});
  writer.end();
  const reader = new FrameReader(writer.take());
  reader.next();

  expect(() => readError(reader)).toThrow("PROTOCOL_BAD_REQUEST");
});

test("details that are no object, or hold more than texts, numbers and booleans, lose it", () => {
  for (const [document, wanted] of [
    [null, {}],
    [7, {}],
    [{ a: 1, b: null, c: new Uint8Array(1) }, { a: 1 }],
  ] as const) {
    const writer = new FrameWriter();
    writer.beginResponse(5, 1, 1);
    writer.text("CODE");
    writer.text("text");
    writer.bool(false);
    writer.uint(0);
    writer.document(document);
    writer.end();
    const reader = new FrameReader(writer.take());
    reader.next();
    expect(readError(reader).details).toEqual(wanted);
  }
});

test("what is no KvsError becomes INTERNAL and tells nothing", () => {
  const known = protocolError("OVERLOADED", "m");

  expect(toKvsError(known, "unknown")).toBe(known);
  const internal = toKvsError(new AssertionFailure("a secret"), "unknown");
  expect(internal).toMatchObject({ code: "INTERNAL", outcome: "unknown", retryable: false });
  expect(internal.message).not.toContain("secret");
});
