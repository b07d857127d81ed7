export {
  BATCH_BYTES_MAX,
  KEY_BYTES_MAX,
  MAIN_TREE,
  type Mutation,
  VALUE_BYTES_MAX,
  encodeBatch,
} from "./batch-format.ts";
export { type StoreFinding } from "./check.ts";
export { type CommitPipe } from "./commit-pipe.ts";
export { recordKindName } from "./engine-record.ts";
export { HotCopy, type HotCopyOptions } from "./hot-copy.ts";
export { type KeyInfo, dataKeysOf, listKeys } from "./key-ring.ts";
export { type RotatedKeys } from "./key-ring-rotation.ts";
export { type RestoredCopy, restoreCopy } from "./restore-copy.ts";
export { type VersionedValue } from "./row-reader.ts";
export { type CompactionReport } from "./compactor.ts";
export { type EntryBatch } from "./entry-batch.ts";
export { type Entry, type ScanRange } from "./scan.ts";
export { type Snapshot } from "./snapshots.ts";
export { type RecoveryProgress, type RecoveryReport } from "./recovery-progress.ts";
export { type ReplicatedWrites } from "./replicated-writes.ts";
export { Store } from "./store.ts";
export { type ReadOptions, type ScanOptions } from "./store-reads.ts";
export { storePaths } from "./store-paths.ts";
export {
  type CompressionOptions,
  type EncryptionOptions,
  type StoreOptions,
} from "./store-options.ts";
export { type StoreStats } from "./store-stats.ts";
export { HybridClock, type Timestamp, timestampFromMs, timestampToMs } from "./timestamp.ts";
export { type TxnErrorCode } from "./txn-error.ts";
export { type LoadResult } from "./tree-loader.ts";
export { Transaction } from "./transactions/transaction.ts";
export { type TransactionScan } from "./transactions/transaction-scan.ts";
export { type TransactionErrorCode } from "./transactions/transaction-error.ts";
export { type TransactionSource } from "./transactions/transaction-context.ts";
export {
  Transactions,
  type TransactionsOptions,
  type TransactionStats,
  type TreeKey,
} from "./transactions/transactions.ts";
export {
  type Isolation,
  type Savepoint,
  type TransactionMode,
  type TransactionOptions,
} from "./transactions/transaction-options.ts";
export { type DeadlockStep, type LockErrorCode } from "./locks/lock-error.ts";
export {
  type InDoubt,
  type PreparedOutcome,
  type PreparedTransactions,
} from "./transactions/prepared-transactions.ts";
export {
  type Decision,
  type Participant,
  TwoPhaseCommit,
  type TwoPhaseCommitParts,
} from "./transactions/two-phase-commit.ts";
