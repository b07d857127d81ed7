export {
  type Collection,
  type CollectionOptions,
  type Cursor,
  type DocumentCondition,
  type DocumentEnvelope,
  type FindQuery,
  type Stored,
  type UpdateOptions,
} from "./collection.ts";
export { type Database, type DatabaseStats, type TransactionFigures } from "./database.ts";
export { readError, toKvsError, writeError, writeGoodbye } from "./error-message.ts";
export { FrameReader } from "./frame-reader.ts";
export { checkFrame } from "./frame-scan.ts";
export { FrameWriter } from "./frame-writer.ts";
export {
  type Hello,
  type Welcome,
  chooseVersion,
  helloDocument,
  readHello,
  readWelcome,
  welcomeDocument,
} from "./handshake.ts";
export {
  type DatabaseProvider,
  type HostedDatabase,
  type HostedTransaction,
  type RawAccess,
  type RawBatch,
  type RawCondition,
  type RawCursor,
  type RawEntry,
  type RawOperation,
  type RawPutOptions,
  type RawRange,
  type RawScanEntry,
} from "./hosted-database.ts";
export { type KeyBounds, keyBounds } from "./key-bounds.ts";
export {
  type KeyEntry,
  type KeyOperation,
  type KeyRangeOptions,
  type KeyValue,
  type PutOptions,
  type ValueEntry,
  type VersionCondition,
} from "./key-value.ts";
export {
  BATCH_BYTES_MAX,
  BATCH_OPERATIONS_MAX,
  CURSORS_MAX,
  CURSOR_BATCH_BYTES,
  CURSOR_BATCH_DEFAULT,
  CURSOR_BATCH_MAX,
  CURSOR_IDLE_MS,
  DEFAULT_DATABASE,
  DEFAULT_PORT,
  FRAME_BYTES_MAX,
  FRAME_MESSAGES_MAX,
  FRAME_TARGET_BYTES,
  HANDSHAKE_TIMEOUT_MS,
  HEARTBEAT_MS,
  HEARTBEAT_TIMEOUT_MS,
  HELLO_BYTES_MAX,
  IDLE_TIMEOUT_MS,
  PROTOCOL_VERSION,
  REQUEST_TIMEOUT_MS,
  REQUEST_TIMEOUT_MS_MAX,
  TRANSACTIONS_MAX,
  TRANSACTION_TIMEOUT_MS,
  TRANSACTION_TIMEOUT_MS_MAX,
  TTL_MS_MAX,
  WIRE_PATH,
} from "./limits.ts";
export { checkCollectionName, checkDatabaseName } from "./names.ts";
export { type ProtocolErrorCode, protocolError } from "./protocol-error.ts";
export { queryDocument, readQueryDocument } from "./query-document.ts";
export { type TransactionRunner, runTransaction } from "./run-transaction.ts";
export {
  type Isolation,
  type RetryOptions,
  type Savepoint,
  type Transaction,
  type TransactionOptions,
} from "./transaction.ts";
export {
  checkTransactionOptions,
  readTransactionOptions,
  transactionOptionsDocument,
} from "./transaction-options.ts";
export {
  NO_REQUEST,
  OperationCode,
  REQUEST_KINDS,
  RequestCode,
  type RequestKind,
  ResponseStatus,
  ScanFlag,
  requestKind,
} from "./wire-code.ts";
