import { type Lsn } from "./lsn.ts";

/** What a log is doing. Counters begin when it is opened. */
export interface WalStats {
  readonly segmentBytes: number;
  /** Segment files, spare ones included. */
  readonly segmentCount: number;
  /** Position of the oldest segment's first byte. */
  readonly headPosition: number;
  readonly endLsn: Lsn;
  readonly durableLsn: Lsn;
  readonly epoch: number;
  readonly bufferedBytes: number;
  /** Bytes that can be appended before another segment is needed, reserve included. */
  readonly preparedBytes: number;
  readonly recordCount: number;
  /** Groups written: durable writes, but for groups that span segments. */
  readonly groupCount: number;
  readonly writtenBytes: number;
  /** Segments before this position have been handed to the archive; the head where there is none. */
  readonly archivedTo: number;
  /** Why the archive did not take the last segment that was handed to it; `undefined` if it did. */
  readonly archiveError: unknown;
}
