import { assert } from "@kvs/env";
import { CURSOR_BATCH_BYTES, type FrameWriter } from "@kvs/protocol";
import { type CursorField, type CursorSource, type CursorStep } from "../session/cursor-table.ts";
import { type AnswerWriter, type Handler, type RequestContext, writeDone } from "./handler.ts";

/** CURSOR_NEXT cursor, itemsMax → cursor or 0 at the end, items. */
export const handleCursorNext: Handler = (context, reader) => {
  const id = reader.uint();
  context.later(step(context, id, reader.uint()), writeStep);
};

/** CURSOR_CLOSE cursor → nothing. Closing what is not open is fine. */
export const handleCursorClose: Handler = (context, reader) => {
  context.cursors.close(reader.uint());
  context.answer(undefined, writeDone);
};

/** Opens a cursor and answers with its first step. */
export function openCursor(
  context: RequestContext,
  itemsMax: number,
  makeSource: () => CursorSource,
): void {
  context.cursors.checkRoom();
  const id = context.cursors.open(makeSource(), context.nowMs);
  context.later(step(context, id, itemsMax), writeStep);
}

/** A step, and the cursor to go on with: 0 after the last. */
interface AnsweredStep {
  readonly cursor: number;
  readonly step: CursorStep;
}

async function step(context: RequestContext, id: number, asked: number): Promise<AnsweredStep> {
  const itemsMax = Math.max(1, Math.min(asked, context.itemsMax));
  const bounds = { itemsMax, bytesMax: CURSOR_BATCH_BYTES, nowMs: context.nowMs };
  const made = await context.cursors.step(id, bounds);
  return { cursor: made.isEnd ? 0 : id, step: made };
}

const writeStep: AnswerWriter<AnsweredStep> = (frame, id, { cursor, step: made }) => {
  frame.beginResponse(2, id);
  frame.uint(cursor);
  frame.array(made.fields.length);
  for (const field of made.fields) writeField(frame, field);
  frame.end();
};

function writeField(frame: FrameWriter, field: CursorField): void {
  if (field === undefined) frame.nil();
  else if (typeof field === "number") frame.uint(field);
  else frame.bytes(field);
  assert(typeof field !== "number" || field >= 0, "a version is not negative");
}
