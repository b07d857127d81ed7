import { PAGE_BYTES, type Pager } from "@kvs/pager";
import { type Wal } from "@kvs/wal";
import { type Checkpointer } from "./checkpoint.ts";
import { type Forest } from "./forest.ts";
import { type Publisher } from "./publisher.ts";
import { type SnapshotRegistry } from "./snapshots.ts";
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

export function collectStats(parts: {
  readonly wal: Wal;
  readonly pager: Pager;
  readonly publisher: Publisher;
  readonly snapshots: SnapshotRegistry;
  readonly checkpointer: Checkpointer;
  readonly forest: Forest;
}): StoreStats {
  return {
    publishedTs: parts.publisher.publishedTs,
    pendingBatches: parts.publisher.pendingCount,
    openSnapshots: parts.snapshots.openCount,
    oldestSnapshot: parts.snapshots.oldest,
    memoryBytes: (parts.pager.frameCount - parts.pager.stats().freeFrames) * PAGE_BYTES,
    pageCount: parts.pager.pageCount,
    freePages: parts.pager.space.freePages,
    treeCount: parts.forest.names().size,
    checkpointCount: parts.checkpointer.count,
    logBytes: parts.checkpointer.logBytes,
    wal: parts.wal.stats(),
    pager: parts.pager.stats(),
  };
}
