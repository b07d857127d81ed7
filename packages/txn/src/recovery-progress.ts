/**
 * How far recovery is, for people who wait.
 *
 * - `analysis`: log read so far.
 * - `redo`: log whose changes the pages have.
 * - `undo`: log of the batches that are taken back.
 *
 * The checkpoint that ends recovery is made while the store is in use already.
 */
export interface RecoveryProgress {
  readonly phase: "analysis" | "redo" | "undo";
  readonly doneBytes: number;
  readonly totalBytes: number;
}

/** What a recovery did. */
export interface RecoveryReport {
  /** Whether the store had been closed, so that there was nothing to do. */
  readonly wasClean: boolean;
  /** Records and bytes of log that were read. */
  readonly records: number;
  readonly bytes: number;
  /** Changes that pages lacked, and changes that they had. */
  readonly opsRedone: number;
  readonly opsSkipped: number;
  /** Pages brought up to date; more than once if the log was long. */
  readonly pages: number;
  /** Batches that had not been decided, and were taken back. */
  readonly undoneBatches: number;
  /** The newest batch that readers see. */
  readonly publishedTimestamp: number;
  readonly durationMs: number;
}
