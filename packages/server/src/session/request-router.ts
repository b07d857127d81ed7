import { RequestCode } from "@kvs/protocol";
import { handleCursorClose, handleCursorNext } from "../handlers/cursors.ts";
import { handleCheckpoint, handlePing, handleStats } from "../handlers/diagnostics.ts";
import {
  handleCount,
  handleFetch,
  handleFetchEnvelope,
  handleFind,
  handleInsert,
  handleRemove,
  handleUpdate,
} from "../handlers/documents.ts";
import { type Handler } from "../handlers/handler.ts";
import {
  handleBatch,
  handleDelete,
  handleGet,
  handlePut,
  handleScan,
} from "../handlers/key-value.ts";
import {
  handleBegin,
  handleCommit,
  handleGetForUpdate,
  handleRollback,
  handleRollbackTo,
  handleSavepoint,
} from "../handlers/transactions.ts";

/** Requests that mean the same for a database and within a transaction. */
const DATA_ROUTES: ReadonlyMap<number, Handler> = new Map([
  [RequestCode.GET, handleGet],
  [RequestCode.PUT, handlePut],
  [RequestCode.DELETE, handleDelete],
  [RequestCode.BATCH, handleBatch],
  [RequestCode.SCAN, handleScan],
  [RequestCode.INSERT, handleInsert],
  [RequestCode.FETCH, handleFetch],
  [RequestCode.FETCH_ENVELOPE, handleFetchEnvelope],
  [RequestCode.UPDATE, handleUpdate],
  [RequestCode.REMOVE, handleRemove],
  [RequestCode.FIND, handleFind],
  [RequestCode.COUNT, handleCount],
]);

/** WITHIN transaction, code, fields … → as the request with this code. */
const handleWithin: Handler = (context, reader) => {
  context.enter(reader.uint());
  const code = reader.uint();
  const handler = DATA_ROUTES.get(code);
  if (handler === undefined) {
    throw reader.badField(`a request with code ${code} is not made within a transaction`);
  }
  handler(context, reader);
};

const ROUTES: ReadonlyMap<number, Handler> = new Map([
  [RequestCode.PING, handlePing],
  [RequestCode.STATS, handleStats],
  [RequestCode.CHECKPOINT, handleCheckpoint],
  ...DATA_ROUTES,
  [RequestCode.CURSOR_NEXT, handleCursorNext],
  [RequestCode.CURSOR_CLOSE, handleCursorClose],
  [RequestCode.BEGIN, handleBegin],
  [RequestCode.WITHIN, handleWithin],
  [RequestCode.GET_FOR_UPDATE, handleGetForUpdate],
  [RequestCode.SAVEPOINT, handleSavepoint],
  [RequestCode.ROLLBACK_TO, handleRollbackTo],
  [RequestCode.COMMIT, handleCommit],
  [RequestCode.ROLLBACK, handleRollback],
]);

const HANDLERS: readonly (Handler | undefined)[] = Array.from({ length: 128 }, (_, code) =>
  ROUTES.get(code),
);

/** Who handles requests with this code; `undefined` for HELLO and for codes that are unknown. */
export function handlerOf(code: number): Handler | undefined {
  return HANDLERS[code];
}
