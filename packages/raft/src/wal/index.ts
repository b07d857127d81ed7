export { type RaftLogErrorCode } from "./log-error.ts";
export { LOG_MUTANTS, type LogMutant } from "./sabotage.ts";
export { WalGroupLog } from "./wal-group-log.ts";
export { WalLogStore, type WalLogStoreOptions } from "./wal-log-store.ts";
