import { ByteWriter, compareBytes } from "@kvs/codec";
import { type Environment, Mutex, assert } from "@kvs/env";
import {
  NO_PAGE,
  type PageId,
  type PageLsn,
  PageView,
  Pager,
  type Run,
  createPageFile,
  noLog,
} from "@kvs/pager";
import { btreeError } from "./btree-error.ts";
import { type TreeReport, checkTree } from "./check.ts";
import { BulkLoad } from "./bulk-load.ts";
import { Cursor } from "./cursor.ts";
import { Descent } from "./descent.ts";
import { type MapEntry, loadRows } from "./load-rows.ts";
import { OverflowReader } from "./overflow-reader.ts";
import {
  type OverflowValue,
  TREE_VALUE_BYTES_MAX,
  isLongValue,
  readOverflow,
  writeOverflow,
} from "./overflow-value.ts";
import { OverflowWriter } from "./overflow-writer.ts";
import { PageEditor } from "./page-editor.ts";
import { PLAIN_LSN, PlainPages } from "./plain-pages.ts";
import { NEWEST_VERSION, Probe } from "./probe.ts";
import { RowFinder } from "./row-finder.ts";
import { type RowValue } from "./row.ts";
import {
  INFO_OVERFLOW,
  TREE_KEY_BYTES_MAX,
  cellValueAt,
  cellValueLength,
  entryInfo,
} from "./tree-page.ts";
import { type TreeState, newTreeState } from "./tree-state.ts";
import { TreeWriter } from "./tree-writer.ts";

/** A file for one tree holds no other. */
const TREE_ID = 1;
const FILE_ID = 1;
const NO_LSN = 0 as PageLsn;
/** Every row's version: there is one version of a key. */
const VERSION = 0;
const KEEP_ALL = -1;

export interface ScanOptions {
  /** Keys from here on; default: from the first. */
  readonly gte?: Uint8Array;
  /** Keys before this; default: to the last. */
  readonly lt?: Uint8Array;
  /** Descending; default: false. */
  readonly reverse?: boolean;
  /** At most so many entries; default: all. */
  readonly limit?: number;
}

/**
 * An ordered map from byte keys to byte values in a page file of its own.
 *
 * Not safe against crashes by itself: what was changed since the last `flush` may be there in part
 * after one, so that `open` refuses the file (`BTREE_NOT_CLEAN`). `@kvs/txn` puts a log before it.
 *
 * Changes happen one after the other, in the order of the calls. Reads go on meanwhile, and see each
 * entry as it was at some moment of the call. Keys and values that are passed in are copied.
 */
export class BTree {
  readonly #pager: Pager;
  readonly #pages: PlainPages;
  readonly #state: TreeState;
  readonly #writer: TreeWriter;
  readonly #overflow: OverflowWriter;
  /** Held by whoever changes the tree, or reads what a change could pull away. */
  readonly #mutex = new Mutex();
  #isClean: boolean;

  private constructor(pager: Pager, rootId: PageId, isClean: boolean) {
    this.#pager = pager;
    this.#pages = new PlainPages(pager);
    this.#state = newTreeState(TREE_ID, rootId);
    this.#writer = new TreeWriter(this.#state, pager, this.#pages);
    this.#overflow = new OverflowWriter(this.#pages);
    this.#isClean = isClean;
  }

  /**
   * Makes a page file that holds nothing, for `create`.
   *
   * @param path Must not exist.
   * @throws {KvsError} `DISK_EXISTS`, or another of the disk's codes.
   */
  static createFile(environment: Environment, path: string): Promise<void> {
    const { random } = environment;
    return createPageFile(environment, path, {
      storeId: [random.nextUint32(), random.nextUint32()],
      fileId: FILE_ID,
      checkpointLsn: NO_LSN,
      redoLsn: NO_LSN,
      catalogRoot: NO_PAGE,
      regionCount: 0,
      epoch: 1,
      publishedTimestamp: 0,
      nextTreeId: TREE_ID + 1,
      isClean: false,
    });
  }

  /** Opens the pages of a file that `createFile` made, with so many bytes of memory for them. */
  static openPager(environment: Environment, path: string, memoryBytes?: number): Promise<Pager> {
    const memory = memoryBytes === undefined ? {} : { memoryBytes };
    return Pager.open(environment, { path, gate: noLog, fileId: FILE_ID, epoch: 1, ...memory });
  }

  /**
   * Makes an empty tree, the only one of this page file, durably.
   *
   * @param pager Of a page file that was just created; the tree's alone, closed by the caller.
   * @throws {KvsError} `DISK_FULL`, `PAGER_WRITE_FAILED`.
   */
  static async create(pager: Pager): Promise<BTree> {
    assert(pager.header.catalogRoot === NO_PAGE, "a page file holds one tree");
    const pages = new PlainPages(pager);
    const rootId = await pages.run(() => makeRoot(pages));
    const tree = new BTree(pager, rootId, false);
    await tree.flush();
    return tree;
  }

  /**
   * Opens the tree of a page file.
   *
   * @param pager The tree's alone, closed by the caller.
   * @throws {KvsError} `BTREE_NO_TREE`, `BTREE_NOT_CLEAN`, `PAGER_CORRUPT_PAGE`, `DISK_IO`.
   */
  static async open(pager: Pager): Promise<BTree> {
    const { catalogRoot, isClean, regionCount } = pager.header;
    if (catalogRoot === NO_PAGE) {
      throw btreeError("BTREE_NO_TREE", "the page file holds no tree; create one first");
    }
    if (!isClean) {
      const message = "a process ended while it changed the tree; restore the file from a copy";
      throw btreeError("BTREE_NOT_CLEAN", message);
    }
    await pager.space.load(regionCount);
    return new BTree(pager, catalogRoot, true);
  }

  /**
   * The value of a key, in bytes of the caller's own; `undefined` if there is none.
   *
   * @throws {KvsError} `BTREE_KEY_TOO_LARGE`, `BTREE_DAMAGED_VALUE`; what reading a page throws.
   */
  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    const own = copyOfKey(key);
    const found = await this.#find(own);
    if (found === undefined || found.long === undefined) return found?.bytes;
    return this.#mutex.run(() => this.#getStill(own));
  }

  /**
   * Sets the value of a key.
   *
   * @throws {KvsError} `BTREE_KEY_TOO_LARGE`, `BTREE_VALUE_TOO_LARGE`, `DISK_FULL`: nothing changed.
   */
  async put(key: Uint8Array, value: Uint8Array): Promise<void> {
    const own = copyOfKey(key);
    if (value.length > TREE_VALUE_BYTES_MAX) {
      const message = `a value of ${value.length} bytes; the most is ${TREE_VALUE_BYTES_MAX}`;
      throw btreeError("BTREE_VALUE_TOO_LARGE", message, { bytes: value.length });
    }
    const ownValue = value.slice();
    await this.#change(async () => {
      if (!isLongValue(own.length, ownValue.length)) {
        return this.#insert(own, { flags: 0, bytes: ownValue, from: 0, to: ownValue.length });
      }
      this.#overflow.begin(ownValue);
      try {
        await this.#untilDone(() => this.#overflow.step());
        await this.#insert(own, longRow(this.#overflow.finish()));
      } catch (error) {
        for (const run of this.#overflow.runs) await this.#giveBack(run);
        throw error;
      }
    });
  }

  /** Removes a key. Returns whether it was there. @throws {KvsError} as `put`. */
  async delete(key: Uint8Array): Promise<boolean> {
    const own = copyOfKey(key);
    return this.#change(async () => {
      if ((await this.#find(own)) === undefined) return false;
      this.#writer.begin(new Probe().set(own, own.length, VERSION));
      await this.#untilDone(() => this.#writer.remove(true));
      return true;
    });
  }

  /**
   * Fills the map, which must be empty, from entries in ascending order of their keys: several times
   * faster than one `put` after the other, and pages are nearly full. Other changes wait meanwhile, and
   * readers find nothing before all is there.
   *
   * @returns How many entries there were.
   * @throws {KvsError} `BTREE_NOT_EMPTY`, `BTREE_NOT_SORTED`; as `put`. The map is empty then.
   */
  load(entries: Iterable<MapEntry> | AsyncIterable<MapEntry>): Promise<number> {
    return this.#change(async () => {
      await this.#requireEmpty();
      const pages = this.#pages;
      const bulk = new BulkLoad(this.#state, pages, VERSION);
      const run = <Result>(step: () => Result): Promise<Result> => pages.run(step);
      const taken: Run<PageId>[] = (pages.taken = []);
      try {
        return await loadRows(entries, { bulk, overflow: this.#overflow, run });
      } catch (error) {
        for (const pagesTaken of taken) await this.#giveBack(pagesTaken);
        throw error;
      } finally {
        pages.taken = undefined;
      }
    });
  }

  /**
   * The entries of a range, in order. An entry that is there all the time is met exactly once, one
   * that comes or goes meanwhile is met or not.
   *
   * @throws {KvsError} as `get`.
   */
  async *scan(options: ScanOptions = {}): AsyncGenerator<MapEntry, void, undefined> {
    const { reverse = false, limit = Number.POSITIVE_INFINITY } = options;
    const cursor = this.#cursorAt(options);
    const end = reverse ? options.gte?.slice() : options.lt?.slice();
    const step = (): boolean => (reverse ? cursor.previous() : cursor.next());
    for (let count = 0; count < limit;) {
      const found = await this.#pager.attempt(() => (step() ? readCursor(cursor) : undefined));
      if (found === undefined || !isBefore(found.key, end, reverse)) return;
      const { key, long } = found;
      const value = long === undefined ? found.bytes : await this.#getLocked(key);
      if (value === undefined) continue; // it went in between
      count++;
      yield { key, value };
    }
  }

  /** A cursor at the end of the range where the scan begins. */
  #cursorAt(options: ScanOptions): Cursor {
    const cursor = new Cursor(this.#state, this.#pager);
    const { reverse = false, gte = NOTHING, lt } = options;
    const from = reverse ? lt : gte;
    if (from === undefined) cursor.placeAtEnd();
    else cursor.place(new Probe().set(copyOfKey(from), from.length, NEWEST_VERSION));
    return cursor;
  }

  /** Reads every page and value, and reports what is wrong. Changes wait meanwhile. */
  check(): Promise<TreeReport> {
    return this.#mutex.run(() =>
      checkTree(this.#state, this.#pager, (body) => this.#pager.attempt(body)),
    );
  }

  /**
   * Makes everything durable that was changed before the call.
   *
   * @throws {KvsError} `DISK_FULL`: call again. `PAGER_WRITE_FAILED`: the pager is poisoned.
   */
  flush(): Promise<void> {
    return this.#mutex.run(async () => {
      if (this.#isClean) return;
      await this.#pager.flushBefore(PLAIN_LSN);
      await this.#pager.datasync();
      await this.#writeHeader(true);
    });
  }

  /** Runs a change, after the header says that the file is not whole. */
  #change<Result>(body: () => Promise<Result>): Promise<Result> {
    return this.#mutex.run(async () => {
      if (this.#isClean) await this.#writeHeader(false);
      return body();
    });
  }

  async #writeHeader(isClean: boolean): Promise<void> {
    const { regionCount } = this.#pager.space;
    const { rootId: catalogRoot } = this.#state;
    await this.#pager.writeHeader({ ...this.#pager.header, catalogRoot, regionCount, isClean });
    this.#isClean = isClean;
  }

  async #requireEmpty(): Promise<void> {
    const cursor = this.#cursorAt({});
    if (!(await this.#pager.attempt(() => cursor.next()))) return;
    throw btreeError("BTREE_NOT_EMPTY", "only an empty map is loaded; put the entries instead");
  }

  async #insert(key: Uint8Array, row: RowValue): Promise<void> {
    this.#writer.begin(new Probe().set(key, key.length, VERSION));
    await this.#untilDone(() => this.#writer.insert(row, KEEP_ALL));
  }

  async #giveBack(run: Run<PageId>): Promise<void> {
    await this.#pages.run(() => {
      this.#pages.needBits(run);
      this.#pages.begin();
      this.#pages.free(run);
      this.#pages.end();
    });
  }

  /** Every step is at most one change; a tree is high enough for a few dozen. */
  async #untilDone(step: () => boolean): Promise<void> {
    while (!(await this.#pages.run(step)));
  }

  #find(key: Uint8Array): Promise<FoundBytes | undefined> {
    const finder = new RowFinder(this.#pager);
    const descent = new Descent(this.#state, this.#pager);
    descent.probe.set(key, key.length, VERSION);
    return this.#pager.attempt(() => {
      if (!finder.findBy(descent)) return undefined;
      const { view, slot } = finder;
      const from = cellValueAt(view, slot);
      const bytes = view.u8.slice(from, from + cellValueLength(view, slot));
      return foundBytes(bytes, (entryInfo(view, slot) & INFO_OVERFLOW) !== 0);
    });
  }

  #getLocked(key: Uint8Array): Promise<Uint8Array | undefined> {
    return this.#mutex.run(() => this.#getStill(key));
  }

  /** The value of a key that nobody changes meanwhile. */
  async #getStill(key: Uint8Array): Promise<Uint8Array | undefined> {
    const found = await this.#find(key);
    if (found?.long === undefined) return found?.bytes;
    const reader = new OverflowReader(this.#pager, found.long, undefined);
    return this.#pager.attempt(() => reader.read());
  }
}

const NOTHING = new Uint8Array(0);

/** A value as a cell has it, and if that is a descriptor, what it says. */
interface FoundBytes {
  readonly bytes: Uint8Array;
  readonly long: OverflowValue | undefined;
}

function foundBytes(bytes: Uint8Array, isLong: boolean): FoundBytes {
  return { bytes, long: isLong ? readOverflow(bytes, 0, bytes.length) : undefined };
}

function readCursor(cursor: Cursor): FoundBytes & { readonly key: Uint8Array } {
  const key = cursor.key.slice(0, cursor.keyBytes);
  return { key, ...foundBytes(cursor.valueView().slice(), cursor.isLong) };
}

function longRow(value: OverflowValue): RowValue {
  const writer = new ByteWriter();
  writeOverflow(writer, value);
  const bytes = writer.toBytes();
  return { flags: INFO_OVERFLOW, bytes, from: 0, to: bytes.length };
}

function makeRoot(pages: PlainPages): PageId {
  const id = pages.allocate();
  const view = new PageView();
  pages.begin();
  pages.create(id, view);
  const shape = { id, level: 0, treeId: TREE_ID, next: NO_PAGE, firstChild: NO_PAGE };
  new PageEditor().format(view, shape, NOTHING);
  pages.end();
  return id;
}

/** Whether a scan in this direction has not come to `end` yet. */
function isBefore(key: Uint8Array, end: Uint8Array | undefined, reverse: boolean): boolean {
  if (end === undefined) return true;
  const order = compareBytes(key, end);
  return reverse ? order >= 0 : order < 0;
}

function copyOfKey(key: Uint8Array): Uint8Array {
  if (key.length <= TREE_KEY_BYTES_MAX) return key.slice();
  const message = `a key of ${key.length} bytes; the most is ${TREE_KEY_BYTES_MAX}`;
  throw btreeError("BTREE_KEY_TOO_LARGE", message, { bytes: key.length });
}
