import { ByteReader, ByteWriter, decodeUtf8, encodeUtf8 } from "@kvs/codec";
import { Cursor, Probe, type TreeState, TreeWriter, newTreeState } from "@kvs/btree";
import { type PageId, type Pager } from "@kvs/pager";
import { MAIN_TREE } from "./batch-format.ts";
import { type MiniTransaction } from "./mini-transaction.ts";
import { type Timestamp } from "./timestamp.ts";
import { txnError } from "./txn-error.ts";

/** The tree that lists all others. */
export const CATALOG_TREE = 1;
/** Name of the tree that a store has from the start. */
export const MAIN_TREE_NAME = "main";

/** A row of the catalog: the tree's number and root, under its name. */
export interface TreeEntry {
  readonly name: string;
  readonly treeId: number;
  readonly rootId: PageId;
}

/** One tree and what changes it. */
export interface TreeHandle {
  readonly state: TreeState;
  readonly writer: TreeWriter;
}

export interface ForestParts {
  readonly pager: Pager;
  readonly mini: MiniTransaction;
  readonly prunesTombstonesEarly: boolean;
}

/**
 * The trees of a store, by number. The catalog is itself a tree, of rows
 *
 *   key = name (UTF-8), value = treeId (varint) rootId (varint)
 *
 * whose root the page file's header names.
 */
export class Forest {
  readonly #pager: Pager;
  readonly #mini: MiniTransaction;
  readonly #prunesTombstonesEarly: boolean;
  #isSeen: (from: Timestamp, below: Timestamp) => boolean = () => true;
  readonly #trees = new Map<number, TreeHandle>();
  readonly #names = new Map<string, number>();
  #nextTreeId = MAIN_TREE;

  constructor(parts: ForestParts) {
    this.#pager = parts.pager;
    this.#mini = parts.mini;
    this.#prunesTombstonesEarly = parts.prunesTombstonesEarly;
  }

  /**
   * Says who reads, so that versions between a long snapshot and the present are pruned.
   *
   * @param isSeen Whether a reader, now or later, may read at a timestamp in [from, below).
   */
  watchReaders(isSeen: (from: Timestamp, below: Timestamp) => boolean): void {
    this.#isSeen = isSeen;
  }

  /** The number that the next new tree gets. */
  get nextTreeId(): number {
    return this.#nextTreeId;
  }

  /** Every tree, by number. */
  all(): readonly TreeHandle[] {
    return [...this.#trees.values()];
  }

  /** The names and numbers of the trees, but for the catalog. */
  names(): ReadonlyMap<string, number> {
    return this.#names;
  }

  /** @throws {KvsError} `TXN_UNKNOWN_TREE`. */
  tree(treeId: number): TreeHandle {
    const handle = this.#trees.get(treeId);
    if (handle !== undefined) return handle;
    throw txnError("TXN_UNKNOWN_TREE", `there is no tree ${treeId}; open it by name first`);
  }

  /** A tree that is not the engine's own. @throws {KvsError} `TXN_UNKNOWN_TREE`. */
  treeOfUsers(treeId: number): TreeHandle {
    if (treeId !== CATALOG_TREE) return this.tree(treeId);
    throw txnError("TXN_UNKNOWN_TREE", "tree 1 is the store's own list of trees");
  }

  has(treeId: number): boolean {
    return this.#trees.has(treeId);
  }

  /** Takes up a tree that exists on disk. */
  add(treeId: number, rootId: PageId): TreeHandle {
    const state = newTreeState(treeId, rootId);
    const options = {
      prunesTombstonesEarly: this.#prunesTombstonesEarly,
      isSeen: (from: Timestamp, below: Timestamp) => this.#isSeen(from, below),
    };
    const writer = new TreeWriter(state, this.#pager, this.#mini, options);
    const handle = { state, writer };
    this.#trees.set(treeId, handle);
    this.#nextTreeId = Math.max(this.#nextTreeId, treeId + 1);
    return handle;
  }

  /** Takes up a tree of the catalog, with its name. */
  addNamed(entry: TreeEntry): TreeHandle {
    this.#names.set(entry.name, entry.treeId);
    return this.#trees.get(entry.treeId) ?? this.add(entry.treeId, entry.rootId);
  }

  /**
   * Takes up every tree that the catalog lists, in whatever version.
   *
   * @throws {KvsError} `TXN_DAMAGED_CATALOG`.
   */
  async load(): Promise<void> {
    for (const entry of await readCatalog(this.#pager, this.tree(CATALOG_TREE).state)) {
      this.addNamed(entry);
    }
  }
}

/** The catalog's row for a tree. */
export function encodeTreeEntry(entry: TreeEntry): { key: Uint8Array; value: Uint8Array } {
  const writer = new ByteWriter();
  writer.varint(entry.treeId);
  writer.varint(entry.rootId);
  return { key: encodeUtf8(entry.name), value: writer.toBytes() };
}

async function readCatalog(pager: Pager, catalog: TreeState): Promise<TreeEntry[]> {
  const cursor = new Cursor(catalog, pager);
  cursor.place(new Probe().set(new Uint8Array(0), 0, Number.MAX_SAFE_INTEGER));
  const entries: TreeEntry[] = [];
  // What a row says is read in the turn in which the cursor reached it: later its page may be gone.
  const readNext = (): TreeEntry | undefined =>
    cursor.next() ? decodeTreeEntry(cursor) : undefined;
  for (;;) {
    const entry = await pager.attempt(readNext);
    if (entry === undefined) return entries;
    entries.push(entry);
  }
}

function decodeTreeEntry(cursor: Cursor): TreeEntry {
  if (cursor.isTombstone || cursor.isLong) {
    throw txnError("TXN_DAMAGED_CATALOG", "the list of trees has a strange row");
  }
  try {
    const reader = new ByteReader(cursor.valueView());
    const treeId = reader.varint();
    const rootId = reader.varint() as PageId;
    reader.expectEnd();
    return { name: decodeUtf8(cursor.key.slice(0, cursor.keyBytes)), treeId, rootId };
  } catch (error) {
    const message = "the list of trees is damaged; restore the store from a copy";
    throw txnError("TXN_DAMAGED_CATALOG", message, { cause: error });
  }
}
