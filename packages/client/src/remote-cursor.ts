import { CURSOR_BATCH_DEFAULT, type FrameReader, RequestCode, requestKind } from "@kvs/protocol";
import { type Channel } from "./channel.ts";
import { type RequestPath } from "./request.ts";

const NEXT = requestKind(RequestCode.CURSOR_NEXT)!;
const CLOSE = requestKind(RequestCode.CURSOR_CLOSE)!;

/** One step of a walk that the server makes. */
export interface WalkStep<T> {
  readonly items: readonly T[];
  /** The cursor that goes on, or 0. */
  readonly cursor: number;
  /** Where the cursor lives. */
  readonly channel: Channel;
}

/** Reads the items of a step from `fields` elements of an answer. */
export type ItemsReader<T> = (reader: FrameReader, fields: number) => T[];

/** Reads a step. */
export function readStep<T>(
  readItems: ItemsReader<T>,
): (reader: FrameReader, channel: Channel) => WalkStep<T> {
  return (reader, channel) => {
    const cursor = reader.uint();
    return { cursor, channel, items: readItems(reader, reader.array()) };
  };
}

/**
 * Walks over what the server sends step by step, and tells it when the loop ends early.
 *
 * @param open Asks for the first step: `itemsMax` items at most.
 */
export async function* walk<T>(
  path: RequestPath,
  open: (itemsMax: number) => Promise<WalkStep<T>>,
  readItems: ItemsReader<T>,
): AsyncGenerator<T, void, undefined> {
  const itemsMax = CURSOR_BATCH_DEFAULT;
  let step = await open(itemsMax);
  let isOpen = step.cursor !== 0;
  try {
    for (;;) {
      yield* step.items;
      if (!isOpen) return;
      const { cursor, channel } = step;
      isOpen = false; // a step that fails has closed the cursor
      step = await path.requestOn(
        channel,
        NEXT,
        (frame) => {
          frame.uint(cursor);
          frame.uint(itemsMax);
        },
        readStep(readItems),
      );
      isOpen = step.cursor !== 0;
    }
  } finally {
    if (isOpen) closeCursor(path, step);
  }
}

/** Nobody waits for it: a cursor that cannot be told expires by itself. */
function closeCursor(
  path: RequestPath,
  { cursor, channel }: { readonly cursor: number; readonly channel: Channel },
): void {
  const closed = path.requestOn(
    channel,
    CLOSE,
    (frame) => {
      frame.uint(cursor);
      frame.nil();
    },
    () => undefined,
  );
  closed.catch(() => undefined);
}
