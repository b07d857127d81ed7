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

const ROUTES: ReadonlyMap<number, Handler> = new Map([
  [RequestCode.PING, handlePing],
  [RequestCode.STATS, handleStats],
  [RequestCode.CHECKPOINT, handleCheckpoint],
  [RequestCode.GET, handleGet],
  [RequestCode.PUT, handlePut],
  [RequestCode.DELETE, handleDelete],
  [RequestCode.BATCH, handleBatch],
  [RequestCode.SCAN, handleScan],
  [RequestCode.CURSOR_NEXT, handleCursorNext],
  [RequestCode.CURSOR_CLOSE, handleCursorClose],
  [RequestCode.INSERT, handleInsert],
  [RequestCode.FETCH, handleFetch],
  [RequestCode.FETCH_ENVELOPE, handleFetchEnvelope],
  [RequestCode.UPDATE, handleUpdate],
  [RequestCode.REMOVE, handleRemove],
  [RequestCode.FIND, handleFind],
  [RequestCode.COUNT, handleCount],
]);

const HANDLERS: readonly (Handler | undefined)[] = Array.from({ length: 128 }, (_, code) =>
  ROUTES.get(code),
);

/** Who handles requests with this code; `undefined` for HELLO and for codes that are unknown. */
export function handlerOf(code: number): Handler | undefined {
  return HANDLERS[code];
}
