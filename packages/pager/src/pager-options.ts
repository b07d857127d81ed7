import { type LogGate } from "./log-gate.ts";

export interface PagerOptions {
  /** The page file, which exists; see `createPageFile`. */
  readonly path: string;
  /**
   * Memory for frames. Besides: one spare frame, 512 KiB of I/O buffers, some 50 bytes a frame, and
   * 4 KiB for each 126 MiB of the file. Default: 64 MiB; at least four frames, at most 16 GiB.
   */
  readonly memoryBytes?: number;
  readonly gate: LogGate;
  /** The file's id, which every page names: a page of another file is never taken for one of this. */
  readonly fileId: number;
  /** The present life of the store, written into every page. */
  readonly epoch: number;
  /** Refuses changes. Default: false. */
  readonly readOnly?: boolean;
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
}
