import { PAGE_BYTES, type Pager } from "@kvs/pager";
import { type Wal } from "@kvs/wal";
import { type StoreParts } from "./store-parts.ts";
import { type Timestamp } from "./timestamp.ts";

/** What a store is doing. Counters begin when it is opened. */
export interface StoreStats {
  readonly publishedTs: Timestamp;
  /** Batches applied and not yet durable. */
  readonly pendingBatches: number;
  readonly openSnapshots: number;
  /** The oldest timestamp that a snapshot keeps, if any. */
  readonly oldestSnapshot: Timestamp | undefined;
  /** Bytes of the page cache in use. */
  readonly memoryBytes: number;
  /** Pages of the page file, and those of them that nobody uses. */
  readonly pageCount: number;
  readonly freePages: number;
  readonly treeCount: number;
  readonly checkpointCount: number;
  /** Bytes of log since the latest checkpoint began: what recovery would read. */
  readonly logBytes: number;
  readonly wal: ReturnType<Wal["stats"]>;
  readonly pager: ReturnType<Pager["stats"]>;
}

export function collectStats(parts: StoreParts): StoreStats {
  const { publisher, checkpointer, reads, engine } = parts;
  const { pager, wal, forest } = engine;
  return {
    publishedTs: publisher.publishedTs,
    pendingBatches: publisher.pendingCount,
    openSnapshots: reads.snapshots.openCount,
    oldestSnapshot: reads.snapshots.oldest,
    memoryBytes: (pager.frameCount - pager.stats().freeFrames) * PAGE_BYTES,
    pageCount: pager.pageCount,
    freePages: pager.space.freePages,
    treeCount: forest.names().size,
    checkpointCount: checkpointer.count,
    logBytes: checkpointer.logBytes,
    wal: wal.stats(),
    pager: pager.stats(),
  };
}
