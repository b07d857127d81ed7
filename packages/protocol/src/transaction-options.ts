import { type DocumentObject, type DocumentValue } from "@kvs/codec";
import { TRANSACTION_TIMEOUT_MS_MAX } from "./limits.ts";
import { protocolError } from "./protocol-error.ts";
import { type Isolation, type RetryOptions, type TransactionOptions } from "./transaction.ts";

const ISOLATIONS: readonly unknown[] = ["read-committed", "snapshot", "serializable"];
const MODES: readonly unknown[] = ["pessimistic", "optimistic"];

/**
 * Checks what a transaction is begun with.
 *
 * @returns The options that were given, and no others.
 * @throws {KvsError} `BAD_OPTION`.
 */
export function checkTransactionOptions(
  options: Isolation | TransactionOptions = {},
): TransactionOptions {
  const { isolation, mode, readOnly, timeoutMs } =
    typeof options === "string" ? { isolation: options } : options;
  requireOneOf("isolation", isolation, ISOLATIONS);
  requireOneOf("mode", mode, MODES);
  requireOneOf("readOnly", readOnly, [true, false]);
  checkCount("timeoutMs", timeoutMs, TRANSACTION_TIMEOUT_MS_MAX);
  return {
    ...(isolation === undefined ? {} : { isolation }),
    ...(mode === undefined ? {} : { mode }),
    ...(readOnly === undefined ? {} : { readOnly }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  };
}

/** @throws {KvsError} `BAD_OPTION`. */
export function checkRetryOptions({ deadlineMs, attempts }: RetryOptions): void {
  checkCount("deadlineMs", deadlineMs, Number.MAX_SAFE_INTEGER);
  checkCount("attempts", attempts, Number.MAX_SAFE_INTEGER);
}

/** The fields of a BEGIN, as a document. @throws {KvsError} `BAD_OPTION`. */
export function transactionOptionsDocument(
  options: Isolation | TransactionOptions | undefined,
): DocumentObject {
  return { ...checkTransactionOptions(options) };
}

/** The counterpart of `transactionOptionsDocument`. @throws {KvsError} `BAD_OPTION`. */
export function readTransactionOptions(document: DocumentValue): TransactionOptions {
  const isObject = typeof document === "object" && document !== null;
  return checkTransactionOptions(isObject ? (document as TransactionOptions) : {});
}

function requireOneOf(name: string, value: unknown, allowed: readonly unknown[]): void {
  if (value === undefined || allowed.includes(value)) return;
  const message = `the option ${name} is one of ${allowed.join(", ")}, not ${JSON.stringify(value)}`;
  throw protocolError("BAD_OPTION", message, { details: { option: name } });
}

function checkCount(name: string, value: number | undefined, max: number): void {
  if (value === undefined) return;
  if (Number.isSafeInteger(value) && value >= 1 && value <= max) return;
  const message = `the option ${name} is an integer from 1 to ${max}, not ${value}`;
  throw protocolError("BAD_OPTION", message, { details: { option: name } });
}
