import { ByteReader, type ByteWriter, compareBytes } from "@kvs/codec";
import { txnError } from "./txn-error.ts";

/**
 * A batch as bytes: encoded once, where it is made, and read by whoever applies it.
 *
 *   batch      = count (varint) mutation*
 *   mutation   = type (1) tree (varint) keyLength (varint) key [ valueLength (varint) value ]
 *
 * Types: 1 put (with a value), 2 delete (without). At most one mutation a key of a tree; the order
 * is the caller's. Format: docs/formats/batch.md.
 */
const MUTATION_PUT = 1;
export const MUTATION_DELETE = 2;

/** The longest key of a store, in bytes: 1 KB, and a prefix for layers above. */
export const KEY_BYTES_MAX = 1056;
/** The longest value. */
export const VALUE_BYTES_MAX: number = 16 << 20;
/** The longest batch, encoded. */
export const BATCH_BYTES_MAX: number = 64 << 20;

/** More mutations are not sorted, for that takes several milliseconds. */
const SORTED_MAX = 4096;

/** One change of one key. */
export type Mutation =
  | {
      readonly type: "put";
      /** Which tree; default: `MAIN_TREE`. */
      readonly tree?: number;
      readonly key: Uint8Array;
      readonly value: Uint8Array;
    }
  | { readonly type: "delete"; readonly tree?: number; readonly key: Uint8Array };

/** The tree that a store has from the start. */
export const MAIN_TREE = 2;

/**
 * Encodes mutations into `writer`, which is reset first, in whatever order. Of several mutations of
 * one key the last one counts.
 *
 * @throws {KvsError} `TXN_KEY_TOO_LARGE`, `TXN_VALUE_TOO_LARGE`, `TXN_BATCH_TOO_LARGE`.
 */
export function encodeBatch(writer: ByteWriter, mutations: readonly Mutation[]): void {
  const chosen = isAscending(mutations) ? mutations : lastOfEachKey(mutations);
  writer.reset();
  writer.varint(chosen.length);
  for (const mutation of chosen) {
    const value = mutation.type === "put" ? mutation.value : undefined;
    checkSizes(mutation.key.length, value?.length ?? 0);
    writeMutation(writer, mutation.tree ?? MAIN_TREE, mutation.key, value);
    if (writer.position > BATCH_BYTES_MAX) throw batchTooLarge();
  }
}

/** Writes one mutation of a batch: a put, or a delete where there is no value. */
// oxlint-disable-next-line eslint/max-params -- the four fields of a mutation
export function writeMutation(
  writer: ByteWriter,
  tree: number,
  key: Uint8Array,
  value: Uint8Array | undefined,
): void {
  writer.u8(value === undefined ? MUTATION_DELETE : MUTATION_PUT);
  writer.varint(tree);
  writer.varBytes(key);
  if (value !== undefined) writer.varBytes(value);
}

/** Reads a batch, mutation by mutation, without copying. */
export class BatchReader {
  readonly #reader = new ByteReader(NO_BYTES);
  bytes: Uint8Array = NO_BYTES;
  /** Mutations not read yet. */
  remaining = 0;
  type = 0;
  tree = 0;
  /** The current key is bytes [keyFrom, keyTo). */
  keyFrom = 0;
  keyTo = 0;
  /** The current value is bytes [valueFrom, valueTo); empty for a delete. */
  valueFrom = 0;
  valueTo = 0;

  /** Starts over, with another batch: one reader serves for many. */
  reset(bytes: Uint8Array): this {
    this.bytes = bytes;
    this.#reader.reset(bytes);
    this.remaining = this.#reader.varint();
    return this;
  }

  /** Where the next mutation begins. */
  get position(): number {
    return this.#reader.position;
  }

  /** Moves to the next mutation; false at the end. */
  next(): boolean {
    if (this.remaining === 0) return false;
    const reader = this.#reader;
    this.remaining--;
    this.type = reader.u8();
    this.tree = reader.varint();
    const keyBytes = reader.varint();
    this.keyFrom = reader.position;
    this.keyTo = this.keyFrom + keyBytes;
    reader.skip(keyBytes);
    const valueBytes = this.type === MUTATION_PUT ? reader.varint() : 0;
    this.valueFrom = reader.position;
    this.valueTo = this.valueFrom + valueBytes;
    reader.skip(valueBytes);
    return true;
  }
}

/**
 * Checks bytes that claim to be a batch.
 *
 * @param isTree Whether there is a tree of this number to write to.
 * @throws {KvsError} `TXN_DAMAGED_BATCH`, `TXN_BATCH_TOO_LARGE`, `TXN_KEY_TOO_LARGE`,
 *   `TXN_VALUE_TOO_LARGE`, `TXN_UNKNOWN_TREE`.
 */
export function checkBatch(bytes: Uint8Array, isTree: (tree: number) => boolean): void {
  if (bytes.length > BATCH_BYTES_MAX) throw batchTooLarge();
  const reader = openBatch(bytes);
  const seen = reader.remaining > 1 ? new Set<string>() : undefined;
  while (stepBatch(reader)) {
    checkSizes(reader.keyTo - reader.keyFrom, reader.valueTo - reader.valueFrom);
    if (!isTree(reader.tree)) {
      throw txnError("TXN_UNKNOWN_TREE", `there is no tree ${reader.tree} to write to`);
    }
    const isKnown = reader.type === MUTATION_PUT || reader.type === MUTATION_DELETE;
    if (!isKnown) throw damagedBatch(`mutation type ${reader.type}`);
    if (seen !== undefined) noteOnce(seen, reader);
  }
  if (reader.position !== bytes.length) throw damagedBatch("bytes behind its end");
}

/** Undo of a batch relies on it that no key comes twice. */
function noteOnce(seen: Set<string>, reader: BatchReader): void {
  const name = nameOf(reader.tree, reader.bytes.subarray(reader.keyFrom, reader.keyTo));
  if (seen.has(name)) throw damagedBatch("two mutations of one key");
  seen.add(name);
}

function openBatch(bytes: Uint8Array): BatchReader {
  try {
    return new BatchReader().reset(bytes);
  } catch (error) {
    throw damagedBatch("no count", error);
  }
}

function stepBatch(reader: BatchReader): boolean {
  try {
    return reader.next();
  } catch (error) {
    throw damagedBatch("a mutation that does not end", error);
  }
}

function damagedBatch(what: string, cause?: unknown): Error {
  return txnError("TXN_DAMAGED_BATCH", `the batch is damaged: ${what}`, { cause });
}

/** @throws {KvsError} `TXN_KEY_TOO_LARGE`. */
export function checkKeySize(bytes: number): void {
  if (bytes <= KEY_BYTES_MAX) return;
  const message = `a key of ${bytes} bytes; the most is ${KEY_BYTES_MAX}`;
  throw txnError("TXN_KEY_TOO_LARGE", message, { details: { bytes } });
}

export function checkSizes(keyBytes: number, valueBytes: number): void {
  checkKeySize(keyBytes);
  if (valueBytes > VALUE_BYTES_MAX) {
    const message = `a value of ${valueBytes} bytes; the most is ${VALUE_BYTES_MAX}`;
    throw txnError("TXN_VALUE_TOO_LARGE", message, { details: { bytes: valueBytes } });
  }
}

/** Whether the keys of one tree come in order, as a load's do, so that none comes twice. */
function isAscending(mutations: readonly Mutation[]): boolean {
  for (let at = 1; at < mutations.length; at++) {
    const before = mutations[at - 1]!;
    const mutation = mutations[at]!;
    if ((before.tree ?? MAIN_TREE) !== (mutation.tree ?? MAIN_TREE)) return false;
    if (compareBytes(before.key, mutation.key) >= 0) return false;
  }
  return true;
}

/**
 * The mutations without those that a later one of the same key makes void. A few of them come in order:
 * neighbours in the tree are then changed one after the other, which is as fast as sorting is slow.
 */
function lastOfEachKey(mutations: readonly Mutation[]): readonly Mutation[] {
  if (mutations.length > SORTED_MAX) return lastByName(mutations);
  const sorted = mutations.toSorted(compareMutations); // of one key the last stays last
  return sorted.filter((mutation, at) => {
    const next = sorted[at + 1];
    return next === undefined || compareMutations(mutation, next) !== 0;
  });
}

function compareMutations(a: Mutation, b: Mutation): number {
  const order = (a.tree ?? MAIN_TREE) - (b.tree ?? MAIN_TREE);
  return order !== 0 ? order : compareBytes(a.key, b.key);
}

function lastByName(mutations: readonly Mutation[]): readonly Mutation[] {
  const seen = new Set<string>();
  const kept: Mutation[] = [];
  for (let at = mutations.length - 1; at >= 0; at--) {
    const mutation = mutations[at]!;
    const name = nameOf(mutation.tree ?? MAIN_TREE, mutation.key);
    if (seen.has(name)) continue;
    seen.add(name);
    kept.push(mutation);
  }
  return kept.toReversed();
}

/** A key of a tree as a string, for a Set. */
function nameOf(tree: number, key: Uint8Array): string {
  let text = `${tree}/`;
  for (const byte of key) text += String.fromCharCode(byte);
  return text;
}

function batchTooLarge(): Error {
  const message = `a batch of more than ${BATCH_BYTES_MAX} bytes; split it`;
  return txnError("TXN_BATCH_TOO_LARGE", message);
}

const NO_BYTES = new Uint8Array(0);
