export { AssertionFailure, assert, unreachable } from "./assert.ts";
export { BoundedQueue } from "./bounded-queue.ts";
export { type CancelSignal, CancelSource, throwIfCanceled } from "./cancel-signal.ts";
export {
  type Cipher,
  type CipherMessage,
  type Ciphers,
  KEY_BYTES,
  NONCE_BYTES,
  TAG_BYTES,
} from "./ciphers.ts";
export { type Clock, type Timer, sleep, yieldTurn } from "./clock.ts";
export { closestName } from "./closest-name.ts";
export { type Compressor, type Compressors } from "./compressors.ts";
export { type DataKeys } from "./data-keys.ts";
export {
  type Disk,
  type DiskErrorCode,
  type DiskSpace,
  type File,
  type FileLock,
  type FileStat,
  type OpenOptions,
  readFullyAt,
  readFullyAtSync,
  writeFullyAt,
} from "./disk.ts";
export { type Environment } from "./environment.ts";
export { type KeyProvider, type KeyProviderErrorCode, type WrappedKey } from "./key-provider.ts";
export {
  type ErrorDetails,
  KvsError,
  type KvsErrorOptions,
  type Outcome,
  isKvsError,
} from "./kvs-error.ts";
export { MemoryDisk } from "./memory-disk.ts";
export { Mutex } from "./mutex.ts";
export {
  type ClientTls,
  type CloseReason,
  type ConnectOptions,
  type Connection,
  type ConnectionHandlers,
  FRAME_MAX_BYTES,
  HTTP_BODY_MAX_BYTES,
  type HttpHandler,
  type HttpRequest,
  type HttpRequestOptions,
  type HttpResponse,
  type ListenOptions,
  type Listener,
  type Network,
  type NetworkErrorCode,
  type PeerIdentity,
  SEND_BUFFER_BYTES,
  SEND_BUFFER_MAX_BYTES,
  type ServerTls,
} from "./network.ts";
export { NonceSequence } from "./nonce-sequence.ts";
export { type Random, type Seed, createRandom, pick, shuffle } from "./random.ts";
export { type TestHooks, noTestHooks } from "./test-hooks.ts";
export { TURN_BUDGET_MS, TurnBudget } from "./turn-budget.ts";
export { type Trace, type TraceFields, type TraceLevel, noTrace } from "./trace.ts";
