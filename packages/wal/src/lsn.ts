import { assert } from "@kvs/env";

declare const lsnBrand: unique symbol;

/**
 * A position in the endless log: the count of bytes before it, segment headers included. The LSN
 * *of a record* is the position just past its last byte, so that "durable up to this LSN" says that
 * the record is durable.
 *
 * A safe integer: at 1 GB a second a log reaches 2^53 after a hundred days of nothing but writing.
 */
export type Lsn = number & { readonly [lsnBrand]: true };

/** Checks that `value` is a position, and brands it. */
export function toLsn(value: number): Lsn {
  assert(Number.isSafeInteger(value) && value >= 0, "an LSN is an integer in [0, 2^53)");
  return value as Lsn;
}
