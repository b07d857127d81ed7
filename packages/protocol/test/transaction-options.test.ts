import { decodeDocument, encodeDocument } from "@kvs/codec";
import { expect, test } from "vitest";
import {
  checkRetryOptions,
  checkTransactionOptions,
  readTransactionOptions,
  transactionOptionsDocument,
} from "../src/transaction-options.ts";
import { type TransactionOptions } from "../src/transaction.ts";

test("options are what was given, and nothing else", () => {
  expect(checkTransactionOptions()).toEqual({});
  expect(checkTransactionOptions("snapshot")).toEqual({ isolation: "snapshot" });
  const all = {
    isolation: "serializable",
    mode: "optimistic",
    readOnly: true,
    timeoutMs: 5,
  } as const;
  expect(checkTransactionOptions({ ...all, other: 1 } as TransactionOptions)).toEqual(all);
});

test("a document carries them there and back", () => {
  const all = { isolation: "read-committed", readOnly: false, timeoutMs: 3_600_000 } as const;
  const bytes = encodeDocument(transactionOptionsDocument(all));
  expect(readTransactionOptions(decodeDocument(bytes))).toEqual(all);
  expect(readTransactionOptions(null)).toEqual({});
});

test.each([
  { isolation: "chaos" },
  { mode: 1 },
  { readOnly: "yes" },
  { timeoutMs: 0 },
  { timeoutMs: 1.5 },
  { timeoutMs: 3_600_001 },
  { timeoutMs: "1" },
])("options out of their range are BAD_OPTION, which names them: %j", (options) => {
  const [name] = Object.keys(options);
  const message = new RegExp(`^BAD_OPTION: the option ${name} `);
  expect(() => checkTransactionOptions(options as TransactionOptions)).toThrow(message);
});

test("retries take whole numbers from 1", () => {
  checkRetryOptions({ attempts: 1, deadlineMs: 1 });
  expect(() => checkRetryOptions({ attempts: 0 })).toThrow(/attempts/);
  expect(() => checkRetryOptions({ deadlineMs: Number.NaN })).toThrow(/deadlineMs/);
});
