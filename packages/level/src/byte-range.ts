import { KEY_BYTES_MAX, type ScanRange } from "@kvs/txn";
import { compareBytes } from "@kvs/codec";

/** Bounds as `abstract-level` hands them over, encoded. */
export interface ByteBounds {
  readonly gt?: Uint8Array | undefined;
  readonly gte?: Uint8Array | undefined;
  readonly lt?: Uint8Array | undefined;
  readonly lte?: Uint8Array | undefined;
  readonly reverse?: boolean | undefined;
}

/** A range with at most one bound on each side. */
export type ByteRange = Omit<ScanRange, "limit">;

/**
 * The range that bounds mean. Of an inclusive and an exclusive one on the same side the inclusive one
 * counts, as in `level`. Bounds may be longer than any key: what such a bound begins with is below it,
 * and every key above that is above the bound.
 */
export function toByteRange(bounds: ByteBounds): ByteRange {
  const { gt, gte, lt, lte, reverse = false } = bounds;
  const lower = gte ?? gt;
  const upper = lte ?? lt;
  return {
    reverse,
    ...(lower === undefined ? {} : lowerBound(lower, gte !== undefined)),
    ...(upper === undefined ? {} : upperBound(upper, lte !== undefined)),
  };
}

/**
 * What is left of a range from `target` on, in its direction; `undefined` if the target is outside.
 */
export function fromTarget(range: ByteRange, target: Uint8Array): ByteRange | undefined {
  if (!isWithin(range, target)) return undefined;
  const { gt, gte, lt, lte, reverse } = range;
  if (reverse === true) {
    const lower = { ...(gt && { gt }), ...(gte && { gte }) };
    return { reverse, ...lower, ...upperBound(target, true) };
  }
  const upper = { ...(lt && { lt }), ...(lte && { lte }) };
  return { reverse: false, ...upper, ...lowerBound(target, true) };
}

function isWithin({ gt, gte, lt, lte }: ByteRange, key: Uint8Array): boolean {
  if (gt !== undefined && compareBytes(key, gt) <= 0) return false;
  if (gte !== undefined && compareBytes(key, gte) < 0) return false;
  if (lt !== undefined && compareBytes(key, lt) >= 0) return false;
  return lte === undefined || compareBytes(key, lte) <= 0;
}

function lowerBound(bound: Uint8Array, isInclusive: boolean): Pick<ByteRange, "gt" | "gte"> {
  if (bound.length > KEY_BYTES_MAX) return { gt: bound.slice(0, KEY_BYTES_MAX) };
  return isInclusive ? { gte: bound.slice() } : { gt: bound.slice() };
}

function upperBound(bound: Uint8Array, isInclusive: boolean): Pick<ByteRange, "lt" | "lte"> {
  if (bound.length > KEY_BYTES_MAX) return { lte: bound.slice(0, KEY_BYTES_MAX) };
  return isInclusive ? { lte: bound.slice() } : { lt: bound.slice() };
}
