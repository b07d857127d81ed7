import { ByteWriter } from "@kvs/codec";
import { btreeError } from "./btree-error.ts";
import { type BulkLoad } from "./bulk-load.ts";
import { TREE_VALUE_BYTES_MAX, isLongValue, writeOverflow } from "./overflow-value.ts";
import { type OverflowWriter } from "./overflow-writer.ts";
import { type RowValue } from "./row.ts";
import { INFO_OVERFLOW, TREE_KEY_BYTES_MAX } from "./tree-page.ts";

/** A key and its value. */
export interface MapEntry {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

export interface LoadRowsOptions {
  readonly bulk: BulkLoad;
  readonly overflow: OverflowWriter;
  /** Runs a step until no page is missing. */
  readonly run: <Result>(step: () => Result) => Promise<Result>;
  /** Throws what is wrong with an entry besides what is checked here. */
  readonly checkEntry?: (entry: MapEntry) => void;
  /** Runs the last step, which makes the top page the root. Default: `run`. */
  readonly runRoot?: (step: () => void) => Promise<void>;
}

/**
 * Feeds a bulk load with entries in ascending order of their keys, up to its root.
 *
 * @returns How many there were.
 * @throws {KvsError} `BTREE_NOT_SORTED`, `BTREE_KEY_TOO_LARGE`, `BTREE_VALUE_TOO_LARGE`; what `run`
 *   throws, and what `entries` throw. The pages written so far are the caller's to give back.
 */
export async function loadRows(
  entries: Iterable<MapEntry> | AsyncIterable<MapEntry>,
  options: LoadRowsOptions,
): Promise<number> {
  const feed = new RowFeed(options);
  if (Symbol.iterator in entries) {
    for (const entry of entries) {
      if (!feed.take(entry)) await feed.goOn(entry); // no promise for most rows
    }
  } else {
    for await (const entry of entries) {
      if (!feed.take(entry)) await feed.goOn(entry);
    }
  }
  return feed.finish();
}

class RowFeed {
  readonly #options: LoadRowsOptions;
  readonly #lastKey: Uint8Array = new Uint8Array(TREE_KEY_BYTES_MAX);
  readonly #descriptor = new ByteWriter();
  readonly #row: { -readonly [Field in keyof RowValue]: RowValue[Field] } = {
    flags: 0,
    bytes: new Uint8Array(0),
    from: 0,
    to: 0,
  };
  #lastKeyBytes = 0;
  #count = 0;
  #isDue = false;

  constructor(options: LoadRowsOptions) {
    this.#options = options;
  }

  /** Takes an entry. Returns false if `goOn` has to follow. */
  take(entry: MapEntry): boolean {
    const { key, value } = entry;
    this.#options.checkEntry?.(entry);
    this.#noteKey(key);
    if (isLongValue(key.length, value.length)) return false;
    const row = this.#row;
    row.flags = 0;
    row.bytes = value;
    row.to = value.length;
    this.#isDue = this.#options.bulk.add(key, key.length, row);
    return !this.#isDue;
  }

  /** What `take` left over: pages of a long value, pages that are due. */
  async goOn({ key, value }: MapEntry): Promise<void> {
    if (!this.#isDue) await this.#addLong(key, value);
    await this.#writePages();
  }

  async finish(): Promise<number> {
    const { bulk, run, runRoot = run } = this.#options;
    bulk.close();
    await this.#writePages();
    await runRoot(() => bulk.writeRoot());
    return this.#count;
  }

  async #addLong(key: Uint8Array, value: Uint8Array): Promise<void> {
    if (value.length > TREE_VALUE_BYTES_MAX) {
      const message = `a value of ${value.length} bytes; the most is ${TREE_VALUE_BYTES_MAX}`;
      throw btreeError("BTREE_VALUE_TOO_LARGE", message, { bytes: value.length });
    }
    const { bulk, overflow, run } = this.#options;
    overflow.begin(value);
    while (!(await run(() => overflow.step())));
    const descriptor = this.#descriptor;
    descriptor.reset();
    const long = overflow.finish();
    writeOverflow(descriptor, long);
    const row = this.#row;
    row.flags = INFO_OVERFLOW;
    row.bytes = descriptor.toBytes();
    row.to = row.bytes.length;
    bulk.add(key, key.length, row);
  }

  async #writePages(): Promise<void> {
    const { bulk, run } = this.#options;
    this.#isDue = false;
    while (await run(() => bulk.step()));
  }

  /** Rows come in order, so that nothing is ever searched. */
  #noteKey(key: Uint8Array): void {
    const { length } = key;
    if (length > TREE_KEY_BYTES_MAX) {
      const message = `a key of ${length} bytes; the most is ${TREE_KEY_BYTES_MAX}`;
      throw btreeError("BTREE_KEY_TOO_LARGE", message, { bytes: length });
    }
    const last = this.#lastKey;
    if (this.#count > 0 && !isAscending(last, this.#lastKeyBytes, key)) {
      const message =
        `entry ${this.#count + 1} of a load has a key that is not greater than the one before; ` +
        "sort the entries by their keys' bytes, each key once";
      throw btreeError("BTREE_NOT_SORTED", message, { entry: this.#count + 1 });
    }
    for (let at = 0; at < length; at++) last[at] = key[at]!;
    this.#lastKeyBytes = length;
    this.#count++;
  }
}

function isAscending(last: Uint8Array, lastBytes: number, key: Uint8Array): boolean {
  const common = lastBytes < key.length ? lastBytes : key.length;
  for (let at = 0; at < common; at++) {
    const order = last[at]! - key[at]!;
    if (order !== 0) return order < 0;
  }
  return lastBytes < key.length;
}
