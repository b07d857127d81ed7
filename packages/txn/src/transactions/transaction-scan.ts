import { type EntryBatch } from "../entry-batch.ts";
import { MAIN_TREE } from "../batch-format.ts";
import { type Entry, type ScanRange } from "../scan.ts";
import { type NameRange, keyName, keyOfName } from "./key-name.ts";
import { type OpenRange, type ReadSet } from "./read-set.ts";
import { type WriteSet } from "./write-set.ts";

/** A scan of a transaction. */
export interface TransactionScan extends ScanRange {
  readonly tree?: number;
}

export interface ScanSource {
  readonly writes: WriteSet;
  /** Where to note what was read; `undefined` if nobody asks. */
  readonly reads: ReadSet | undefined;
  readonly committed: (range: TransactionScan) => AsyncGenerator<EntryBatch, void, undefined>;
  /** Throws if the transaction has ended. */
  readonly use: () => void;
}

/** A key of the range, and what is there: nothing if the transaction deleted it. */
interface Item {
  readonly name: string;
  readonly entry: Entry | undefined;
}

/**
 * Merges what is committed in a range with a transaction's own writes. What the reader was told of the
 * range, and no more, is noted as read: who stops early can be in conflict only with what was seen.
 */
export async function* scanTransaction(
  source: ScanSource,
  range: TransactionScan,
): AsyncGenerator<Entry, void, undefined> {
  const { limit = Number.POSITIVE_INFINITY } = range;
  const merge = new ScanMerge(source, range);
  try {
    for (let count = 0; count < limit;) {
      const item = await merge.next();
      source.use();
      merge.noteSeen(item);
      if (item === undefined) return;
      if (item.entry === undefined) continue;
      count++;
      yield item.entry;
    }
  } finally {
    await merge.close();
  }
}

class ScanMerge {
  readonly #source: ScanSource;
  readonly #isReverse: boolean;
  readonly #bounds: NameRange;
  readonly #seen: OpenRange | undefined;
  /** Names that the transaction wrote when the scan began, the next one last. */
  readonly #own: string[];
  readonly #committed: AsyncGenerator<Item, void, undefined>;
  #next: Item | undefined;
  #hasNext = false;

  constructor(source: ScanSource, range: TransactionScan) {
    const { tree = MAIN_TREE, reverse = false } = range;
    this.#source = source;
    this.#isReverse = reverse;
    this.#bounds = boundsOf(range, tree);
    this.#seen = source.reads?.openRange(startOf(this.#bounds, reverse));
    const own = source.writes.namesIn(this.#bounds);
    this.#own = reverse ? own : own.toReversed();
    this.#committed = committedItems(source, range, tree);
  }

  async next(): Promise<Item | undefined> {
    const committed = await this.#peek();
    const own = this.#own.at(-1);
    if (own === undefined || (committed !== undefined && this.#isBefore(committed.name, own))) {
      this.#hasNext = false;
      return committed;
    }
    this.#own.pop();
    if (committed?.name === own) this.#hasNext = false; // the transaction's write stands for it
    return { name: own, entry: ownEntry(this.#source.writes, own) };
  }

  /** Everything up to this item was seen; everything, if it is the end. */
  noteSeen(item: Item | undefined): void {
    const seen = this.#seen;
    if (seen === undefined) return;
    const { from, to } = this.#bounds;
    if (this.#isReverse) seen.from = item?.name ?? from;
    else seen.to = item === undefined ? to : behind(item.name);
  }

  async close(): Promise<void> {
    await this.#committed.return();
    if (this.#seen !== undefined) this.#source.reads!.closeRange(this.#seen);
  }

  async #peek(): Promise<Item | undefined> {
    if (!this.#hasNext) {
      const result = await this.#committed.next();
      this.#next = result.done === true ? undefined : result.value;
      this.#hasNext = true;
    }
    return this.#next;
  }

  #isBefore(a: string, b: string): boolean {
    return this.#isReverse ? a > b : a < b;
  }
}

async function* committedItems(
  source: ScanSource,
  range: TransactionScan,
  tree: number,
): AsyncGenerator<Item, void, undefined> {
  const { limit: _limit, ...all } = range;
  for await (const batch of source.committed({ ...all, tree })) {
    for (let index = 0; index < batch.count; index++) {
      const key = batch.key(index).slice();
      const entry = { key, value: batch.value(index).slice(), version: batch.version(index) };
      yield { name: keyName(tree, key), entry };
    }
  }
}

function ownEntry(writes: WriteSet, name: string): Entry | undefined {
  const value = writes.get(name)?.value;
  return value === undefined
    ? undefined
    : { key: keyOfName(name), value: value.slice(), version: 0 };
}

/** The range as names, from its first key to before its end. */
function boundsOf({ gt, gte, lt, lte }: TransactionScan, tree: number): NameRange {
  const lows = [
    gte === undefined ? "" : keyName(tree, gte),
    gt === undefined ? "" : behind(keyName(tree, gt)),
  ];
  const highs = [
    ...(lt === undefined ? [] : [keyName(tree, lt)]),
    ...(lte === undefined ? [] : [behind(keyName(tree, lte))]),
  ];
  const first = keyName(tree, NO_KEY);
  const from = [first, ...lows].reduce((a, b) => (b > a ? b : a));
  const to = highs.length === 0 ? undefined : highs.reduce((a, b) => (b < a ? b : a));
  return { tree, from, to };
}

/** Nothing of the range: its first end. */
function startOf({ tree, from, to }: NameRange, reverse: boolean): OpenRange {
  if (!reverse) return { tree, from, to: from };
  return { tree, from: to ?? lastNameOf(tree), to };
}

/** The first name behind this one. */
function behind(name: string): string {
  return `${name}\0`;
}

function lastNameOf(tree: number): string {
  return `${keyName(tree, NO_KEY)}\u{ffff}`;
}

const NO_KEY = new Uint8Array(0);
