import { type DataKeys, type KvsError } from "@kvs/env";
import { type LogGate } from "./log-gate.ts";

export interface PagerOptions {
  /** The page file, which exists; see `createPageFile`. */
  readonly path: string;
  /**
   * Memory for frames. Besides: one spare frame, 512 KiB of I/O buffers, some 150 bytes a frame, and
   * 4 KiB for each 126 MiB of the file. Default: 64 MiB; at least four frames, at most 16 GiB.
   */
  readonly memoryBytes?: number;
  readonly gate: LogGate;
  /** The file's id, which every page names: a page of another file is never taken for one of this. */
  readonly fileId: number;
  /** The present life of the store, written into every page. */
  readonly epoch: number;
  /**
   * Seals the body of every page that is written, under the current key. Pages that are plain or
   * under other known keys are read as well, so that sealing can be switched on later, and keys be
   * changed: see `pagesUnderOldKeys`. Default: pages are plain, and sealed ones cannot be read.
   */
  readonly keys?: DataKeys;
  /**
   * Refuses plain pages (`PAGER_NOT_AUTHENTIC`), so that who can write to the disk, but has no key,
   * cannot put one in the place of a sealed page. Set it once no page is plain. Default: false.
   */
  readonly onlySealed?: boolean;
  /** Refuses changes. Default: false. */
  readonly readOnly?: boolean;
  /** Told, once, why nothing is written any more; not when the pager is closed. Must not throw. */
  readonly onFailure?: (error: KvsError) => void;
}

/** Figures since the pager was opened. */
export interface PagerStats {
  readonly hits: number;
  readonly misses: number;
  readonly reads: number;
  /** Write calls, and the pages in them. */
  readonly writes: number;
  readonly pagesWritten: number;
  readonly evictions: number;
  readonly dirtyFrames: number;
  readonly freeFrames: number;
  /** Times that a page was found damaged, and the pages that are in quarantine now. */
  readonly damagedPages: number;
  readonly quarantinedPages: number;
}
