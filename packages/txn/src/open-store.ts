import { type Environment, type FileLock, KvsError, type Random } from "@kvs/env";
import { PageEditor } from "@kvs/btree";
import {
  NO_PAGE,
  type PageFileHeader,
  PageView,
  Pager,
  createPageFile,
  toPageLsn,
} from "@kvs/pager";
import { Wal } from "@kvs/wal";
import { MAIN_TREE } from "./batch-format.ts";
import { keptLogBytes } from "./batch-space.ts";
import { CATALOG_TREE, Forest, MAIN_TREE_NAME, type TreeEntry } from "./forest.ts";
import { KeyRing, keyRingPath } from "./key-ring.ts";
import { LogHolds } from "./log-hold.ts";
import { MiniTransaction } from "./mini-transaction.ts";
import { MutationGuard } from "./mutation-guard.ts";
import { type Analysis, analyzeAndRedo } from "./recovery.ts";
import { isRestoring, restoreIncomplete } from "./restore-copy.ts";
import { type ResolvedStoreOptions } from "./store-options.ts";
import { parentOf, storePaths } from "./store-paths.ts";
import { txnError } from "./txn-error.ts";
import { undoBatch } from "./undo.ts";

/** An engine that has recovered, before it takes writes. */
export interface OpenedEngine {
  readonly lock: FileLock;
  /** `undefined` if the store is plain. */
  readonly keys: KeyRing | undefined;
  /** Who still reads the log. */
  readonly holds: LogHolds;
  readonly wal: Wal;
  readonly pager: Pager;
  readonly guard: MutationGuard;
  readonly mini: MiniTransaction;
  readonly forest: Forest;
  readonly header: PageFileHeader;
  readonly analysis: Analysis;
  /** Whether the store is new: its trees are to be made. */
  readonly isNew: boolean;
  /** Rows that undo removed, the first few thousand: their leaves may be left empty. */
  readonly undoneRows: readonly UndoneRow[];
}

/** A row that is gone. */
export interface UndoneRow {
  readonly tree: number;
  readonly key: Uint8Array;
}

/** Rows remembered for the janitor. */
const UNDONE_ROWS_MAX = 8192;

/**
 * Opens log and page file, and recovers: analysis, redo, undo. What follows is a checkpoint.
 *
 * A new store is complete once its header names a catalog; a crash before that leaves a page file
 * without one, and the next open starts over. So nothing can be lost: nothing was acknowledged.
 *
 * @throws {KvsError} `DISK_LOCKED`; `TXN_DAMAGED_STORE`; errors of the log, the pages and the disk.
 */
export async function openEngine(
  environment: Environment,
  options: ResolvedStoreOptions,
): Promise<OpenedEngine> {
  const { disk } = environment;
  const paths = storePaths(options.path);
  await disk.makeDirectory(options.path);
  const lock = await disk.lock(paths.lock);
  const closers: (() => Promise<void>)[] = [() => lock.release()];
  try {
    const found = await Pager.readHeader(environment, paths.pages);
    const isNew = found === undefined || found.catalogRoot === NO_PAGE;
    if (found === undefined && (await isRestoring(environment, options.path))) {
      throw restoreIncomplete(options.path);
    }
    const header = isNew ? await createFiles(environment, options, found) : found;
    const keys = await openKeys(environment, options, header.storeId, isNew);
    const wal = await Wal.open(environment, {
      path: paths.log,
      segmentBytes: options.segmentBytes,
      startPosition: options.startPosition,
      reserveBytes: keptLogBytes(options.segmentBytes),
      ...(keys === undefined ? {} : { keys }),
      ...(options.compression?.log === true ? { compression: { compressor: "fast" } } : {}),
      ...(isNew ? {} : { readFrom: header.checkpointLsn }),
    });
    closers.push(() => wal.close());
    return await openParts({ environment, options, lock, keys, wal, isNew, closers }, header);
  } catch (error) {
    for (const close of closers.toReversed()) await close().catch(() => undefined);
    throw error;
  }
}

/**
 * Makes sure that there is a store, complete or not.
 *
 * @throws {KvsError} `TXN_NO_STORE`.
 */
export async function requireStore(environment: Environment, path: string): Promise<void> {
  const { pages } = storePaths(path);
  if ((await environment.disk.stat(pages)) !== undefined) return;
  if (await isRestoring(environment, path)) return;
  const message = `${path} holds no store; name the directory of one`;
  throw txnError("TXN_NO_STORE", message, { details: { path } });
}

interface Opening {
  readonly environment: Environment;
  readonly options: ResolvedStoreOptions;
  readonly lock: FileLock;
  readonly keys: KeyRing | undefined;
  readonly wal: Wal;
  readonly isNew: boolean;
  readonly closers: (() => Promise<void>)[];
}

async function openParts(opening: Opening, before: PageFileHeader): Promise<OpenedEngine> {
  const { environment, options, lock, keys, wal, isNew, closers } = opening;
  const header = { ...before, epoch: before.epoch + 1 };
  const { onProgress } = options;
  const guard = new MutationGuard();
  const pager = await Pager.open(environment, {
    path: storePaths(options.path).pages,
    memoryBytes: options.memoryBytes,
    fileId: header.fileId,
    epoch: header.epoch,
    gate: {
      get durableLsn() {
        return wal.durableLsn;
      },
      makeDurable: (lsn) => wal.sync(lsn),
    },
    ...(keys === undefined ? {} : { keys, onlySealed: keys.isAllSealed }),
    onFailure: (error) => guard.poison(error),
  });
  closers.push(() => pager.close());
  guard.onPoisoned((cause) => pager.poison(poisonOf(cause)));
  const { hooks } = environment;
  const skipsImages = hooks.hasMutant("txn.skip-page-images");
  const skipsCompensation = hooks.hasMutant("txn.skip-compensation");
  const mini = new MiniTransaction({ pager, wal, guard, skipsImages, skipsCompensation });
  mini.checkpointLsn = header.checkpointLsn;
  const analysis = isNew
    ? NOTHING
    : await analyzeAndRedo({ environment, wal, pager, header, onProgress });
  await pager.space.load(analysis.regionCount);
  const forest = newForest(environment, pager, mini);
  const undoneRows: UndoneRow[] = [];
  if (!isNew) {
    forest.add(CATALOG_TREE, header.catalogRoot);
    await forest.load();
    if (!hooks.hasMutant("txn.skip-undo")) {
      const onRowUndone = (tree: number, key: Uint8Array): void => {
        if (undoneRows.length < UNDONE_ROWS_MAX) undoneRows.push({ tree, key });
      };
      const parts = { environment, wal, pager, mini, guard, forest, onRowUndone };
      for (const batch of analysis.losers) {
        const totalBytes = batch.lastStart - batch.firstStart;
        const onStep = (start: number): void => {
          onProgress({ phase: "undo", doneBytes: batch.lastStart - start, totalBytes });
        };
        await undoBatch({ ...parts, onStep }, batch);
      }
    }
  }
  const holds = new LogHolds(hooks.hasMutant("txn.copy-without-hold"));
  const opened = {
    lock,
    keys,
    holds,
    wal,
    pager,
    guard,
    mini,
    header,
    analysis,
    isNew,
    undoneRows,
  };
  return { ...opened, forest: isNew ? forest : await reload(environment, opened) };
}

const NOTHING: Analysis = {
  losers: [],
  committedTs: 0,
  newestTs: 0,
  recordCount: 0,
  logBytes: 0,
  redone: { applied: 0, skipped: 0, pages: 0 },
  regionCount: 0,
};

/** The forest as undo left it: without trees whose making was taken back. */
async function reload(
  environment: Environment,
  parts: { pager: Pager; mini: MiniTransaction; header: PageFileHeader },
): Promise<Forest> {
  const forest = newForest(environment, parts.pager, parts.mini);
  forest.add(CATALOG_TREE, parts.header.catalogRoot);
  await forest.load();
  return forest;
}

function newForest(environment: Environment, pager: Pager, mini: MiniTransaction): Forest {
  const prunesTombstonesEarly = environment.hooks.hasMutant("txn.prune-tombstone-early");
  return new Forest({ pager, mini, prunesTombstonesEarly });
}

/**
 * The store's keys: made with the store, or when a plain store is first opened with a provider.
 *
 * @returns `undefined` if the store is plain and is to stay so.
 * @throws {KvsError} `TXN_KEYS_REQUIRED`; as `KeyRing.open` and `KeyRing.create`.
 */
async function openKeys(
  environment: Environment,
  options: ResolvedStoreOptions,
  storeId: PageFileHeader["storeId"],
  isNew: boolean,
): Promise<KeyRing | undefined> {
  const { encryption, path: directory } = options;
  if (encryption === undefined) {
    const path = keyRingPath(directory);
    if ((await environment.disk.stat(path)) === undefined) return undefined;
    throw txnError(
      "TXN_KEYS_REQUIRED",
      `the store in ${directory} is encrypted; open it with the provider of its master key ` +
        "(encryption.provider, or the server's settings of storage.encryption)",
      { details: { path } },
    );
  }
  const ringOptions = { directory, storeId, provider: encryption.provider };
  const ring = isNew ? undefined : await KeyRing.open(environment, ringOptions);
  return ring ?? KeyRing.create(environment, ringOptions);
}

/** Makes an empty page file, after clearing what a creation that crashed left behind. */
async function createFiles(
  environment: Environment,
  options: ResolvedStoreOptions,
  found: PageFileHeader | undefined,
): Promise<PageFileHeader> {
  const { disk, random } = environment;
  const { pages, log } = storePaths(options.path);
  const leftovers = (await disk.stat(log)) === undefined ? [] : await disk.list(log);
  if (found === undefined && leftovers.length > 0) {
    throw txnError(
      "TXN_DAMAGED_STORE",
      `${pages} is missing, but there is a log beside it; restore the store from a copy`,
      { details: { path: pages } },
    );
  }
  // The log goes first: a log without a page file would look like a loss.
  await disk.makeDirectory(log);
  for (const name of leftovers) await disk.unlink(`${log}/${name}`);
  await disk.syncDirectory(log);
  if (found !== undefined) await disk.unlink(pages);
  await disk.syncDirectory(parentOf(options.path));
  const header = newHeader(random);
  await createPageFile(environment, pages, header);
  return header;
}

/** The header of a store that is not complete: it names no catalog. */
function newHeader(random: Random): PageFileHeader {
  return {
    storeId: [random.nextUint32(), random.nextUint32()],
    fileId: random.nextUint32(),
    sequence: 0,
    checkpointLsn: toPageLsn(0),
    redoLsn: toPageLsn(0),
    catalogRoot: NO_PAGE,
    regionCount: 0,
    epoch: 0,
    publishedTimestamp: 0,
    nextTreeId: MAIN_TREE,
    isClean: false,
  };
}

function poisonOf(cause: unknown): KvsError {
  if (cause instanceof KvsError) return cause;
  return txnError("TXN_POISONED", "a change failed half way", { cause });
}

/**
 * Makes the root page of a new tree, as a mini-transaction of its own or of a batch.
 *
 * @throws {PageMiss} before anything changed.
 */
export function makeRoot(
  mini: MiniTransaction,
  treeId: number,
  isUndone: boolean,
): TreeEntry["rootId"] {
  const rootId = mini.allocate();
  const view = new PageView();
  mini.begin(isUndone ? "pages" : "none");
  mini.create(rootId, view);
  const shape = { id: rootId, level: 0, treeId, next: NO_PAGE, firstChild: NO_PAGE };
  new PageEditor().format(view, shape, new Uint8Array(0));
  mini.end();
  return rootId;
}

/** The entry under which the catalog lists the tree that a store has from the start. */
export function mainTreeEntry(rootId: TreeEntry["rootId"]): TreeEntry {
  return { name: MAIN_TREE_NAME, treeId: MAIN_TREE, rootId };
}
