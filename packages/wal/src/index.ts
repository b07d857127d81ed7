export { type CheckOptions, type SegmentCheck, type WalCheck, checkWal } from "./check.ts";
export { type DumpOptions, dumpWal } from "./inspect.ts";
export { type Lsn, toLsn } from "./lsn.ts";
export { Wal } from "./wal.ts";
export { type FullSegment, type WalArchive } from "./archiver.ts";
export { type WalStats } from "./wal-stats.ts";
export { type RecordBatch } from "./record-batch.ts";
export { type SpaceRequest } from "./log-space.ts";
export { RETENTIONS_MAX, type WalRetention } from "./retention.ts";
export { type WalErrorCode } from "./wal-error.ts";
export {
  BUFFERED_BYTES_MAX,
  COMPRESS_FROM_BYTES_DEFAULT,
  type CompressionMethod,
  RECORD_BYTES_DEFAULT,
  RECORD_BYTES_MAX,
  RESERVE_BYTES_MAX,
  SEGMENT_BYTES_DEFAULT,
  SEGMENT_BYTES_MAX,
  SEGMENT_BYTES_MIN,
  SPARE_SEGMENTS_DEFAULT,
  SPARE_SEGMENTS_MAX,
  type WalCompression,
  type WalOptions,
} from "./wal-options.ts";
export { WalReader, type WalRecord } from "./wal-reader.ts";
