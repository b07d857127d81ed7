import { type Clock, yieldTurn } from "@kvs/env";
import { type Entry } from "@kvs/txn";

/** Time after which a walk lets the event loop run. */
const SLICE_MS = 4;
/** Rows of the first step of a walk, and of the longest: some 1 ms of work on small documents. */
const CHUNK_ROWS_FIRST = 8;
const CHUNK_ROWS_MAX = 256;
/** A step ends with the row that reaches this. */
const CHUNK_BYTES: number = 256 << 10;

/** Rows some at a time: few at first, then more. Lets the event loop run in between. */
export async function* inChunks(
  clock: Clock,
  entries: AsyncIterable<Entry>,
): AsyncGenerator<readonly Entry[], void, undefined> {
  let sliceEnd = clock.monotonicMs() + SLICE_MS;
  let rows: Entry[] = [];
  let bytes = 0;
  let rowsMax = CHUNK_ROWS_FIRST;
  for await (const entry of entries) {
    rows.push(entry);
    bytes += entry.value.length;
    if (rows.length < rowsMax && bytes < CHUNK_BYTES) continue;
    yield rows;
    rows = [];
    bytes = 0;
    rowsMax = Math.min(rowsMax * 2, CHUNK_ROWS_MAX);
    if (clock.monotonicMs() < sliceEnd) continue;
    await yieldTurn(clock);
    sliceEnd = clock.monotonicMs() + SLICE_MS;
  }
  if (rows.length > 0) yield rows;
}
