import { type Environment } from "@kvs/env";
import { type ValuePacking } from "@kvs/btree";
import { BatchApplication } from "./batch-application.ts";
import { BatchQueue } from "./batch-queue.ts";
import { BatchSpace } from "./batch-space.ts";
import { CheckpointSchedule } from "./checkpoint-schedule.ts";
import { Checkpointer } from "./checkpoint.ts";
import { Compactor } from "./compactor.ts";
import { Janitor } from "./janitor.ts";
import { LeafPrefetch } from "./leaf-prefetch.ts";
import { LiveUndo } from "./live-undo.ts";
import { LogSync } from "./log-sync.ts";
import { type OpenedEngine } from "./open-store.ts";
import { Publisher } from "./publisher.ts";
import { StoreCustody } from "./store-custody.ts";
import { ReplicatedWrites } from "./replicated-writes.ts";
import { type ResolvedStoreOptions } from "./store-options.ts";
import { StoreReads } from "./store-reads.ts";
import { CountingClock, HybridClock, type Timestamp } from "./timestamp.ts";
import { TreeLoader } from "./tree-loader.ts";
import { TreeMaker } from "./tree-maker.ts";

/** What a store consists of. */
export interface StoreParts {
  readonly environment: Environment;
  readonly engine: OpenedEngine;
  readonly publisher: Publisher;
  readonly reads: StoreReads;
  readonly logSync: LogSync;
  readonly liveUndo: LiveUndo;
  readonly queue: BatchQueue;
  readonly replicated: ReplicatedWrites;
  readonly checkpointer: Checkpointer;
  readonly schedule: CheckpointSchedule;
  readonly janitor: Janitor;
  readonly treeMaker: TreeMaker;
  readonly treeLoader: TreeLoader;
  readonly compactor: Compactor;
  readonly custody: StoreCustody;
}

/**
 * Puts a store together around an engine that has recovered.
 *
 * @param requireOpen Throws `TXN_CLOSED` once the store is closed.
 */
export function assembleStore(
  environment: Environment,
  engine: OpenedEngine,
  options: ResolvedStoreOptions,
  requireOpen: () => void,
): StoreParts {
  const { wal, pager, guard, mini, forest, header, analysis, holds } = engine;
  const { hooks, clock } = environment;
  const publishesEarly = hooks.hasMutant("txn.publish-early");
  const acknowledgesEarly = hooks.hasMutant("txn.ack-before-durable");
  const committedTs = Math.max(analysis.committedTs, options.startTimestamp);
  const { isReplicated } = options;
  const publishing = { publishesEarly, acknowledgesEarly, isReplicated };
  const publisher = new Publisher(committedTs, publishing);
  // A replicated batch that recovery took back comes again, under the timestamp that it had.
  const time = isReplicated
    ? new CountingClock(committedTs)
    : new HybridClock(clock, Math.max(analysis.newestTs, options.startTimestamp));
  const unpacking = packingOf(environment);
  const reads = new StoreReads({ pager, forest, publisher, packing: unpacking, requireOpen });
  forest.watchReaders((from, below) => reads.isSeen(from, below));
  const freesEarly = hooks.hasMutant("txn.free-before-commit");
  const horizon = (): Timestamp => (freesEarly ? time.last : reads.horizon);
  const logSync = new LogSync({ environment, wal, guard, publisher, isReplicated });
  const base = { environment, wal, pager, guard, mini, forest, publisher };
  const onRowUndone = (tree: number, key: Uint8Array): void => janitor.noteUndone(tree, key);
  const liveUndo = new LiveUndo({ ...base, onRowUndone });
  const commitsFirst = hooks.hasMutant("txn.commit-before-mini");
  const packing = options.compression?.values === true ? unpacking : undefined;
  const application = new BatchApplication({ ...base, horizon, packing, commitsFirst });
  const checkpointer = new Checkpointer({ ...base, header, holds });
  const schedule = new CheckpointSchedule({
    environment,
    checkpointer,
    logBytes: options.checkpointLogBytes,
    intervalMs: options.checkpointIntervalMs,
  });
  const space = new BatchSpace({ pager, wal, onLogFull: () => schedule.noteFullLog() });
  const delayMs = (): number => schedule.delayMs;
  const prefetch = new LeafPrefetch({ pager, forest });
  const applying = { application, logSync, liveUndo, space, prefetch, delayMs };
  const queue = new BatchQueue({ ...base, clock, time, ...applying });
  const janitor: Janitor = new Janitor({ ...base, queue, horizon });
  const makerParts = { ...base, clock, queue, time, logSync, liveUndo };
  const treeMaker = new TreeMaker(makerParts);
  const treeLoader = new TreeLoader({ ...makerParts, space, packing });
  const compactor = new Compactor({ ...base, clock, queue, checkpointer, horizon });
  const { path } = options;
  const writing = { queue, janitor, schedule, isReplicated, requireOpen };
  const replicated = new ReplicatedWrites({ ...base, ...writing });
  const custody = new StoreCustody({ ...base, engine, path, queue, checkpointer, requireOpen });
  const upkeep = { checkpointer, schedule, janitor, treeMaker, treeLoader, compactor, custody };
  return { environment, engine, publisher, reads, logSync, liveUndo, queue, replicated, ...upkeep };
}

/** How long values are compressed: dense, for they are read more often than written. */
function packingOf({ compressors, hooks }: Environment): ValuePacking {
  return {
    compressor: compressors.zstd,
    trustsPlainLength: hooks.hasMutant("btree.trust-plain-length"),
  };
}

/**
 * Ends a store: what was called for is applied, a last checkpoint made, the files closed.
 *
 * @throws {KvsError} if the checkpoint failed; the files are closed all the same.
 */
export async function endStore(parts: StoreParts): Promise<void> {
  const { schedule, liveUndo, janitor, compactor, custody, queue, checkpointer } = parts;
  const { publisher, logSync } = parts;
  const { guard } = parts.engine;
  schedule.stop();
  liveUndo.stop();
  await janitor.stop();
  await compactor.stop();
  await custody.stop();
  await queue.drain();
  try {
    if (!guard.isPoisoned) await checkpointer.run(true);
  } finally {
    logSync.stop();
    await closeFiles(parts);
    publisher.fail(guard.error("unknown")); // whom a full disk kept waiting
  }
}

/** Closes the files, whatever state they are in. */
export async function closeFiles({ environment, engine }: StoreParts): Promise<void> {
  for (const close of [
    () => engine.pager.close(),
    () => engine.wal.close(),
    () => engine.lock.release(),
  ]) {
    try {
      await close();
    } catch (error) {
      const message = "a file of the store could not be closed";
      environment.trace.event("warn", "txn.store", message, { error: String(error) });
    }
  }
}
