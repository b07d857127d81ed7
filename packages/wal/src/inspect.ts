import { type DataKeys, type Environment, isKvsError } from "@kvs/env";
import { hexdump } from "@kvs/codec";

import { type Fragment, LogCursor, type Rejection } from "./log-cursor.ts";
import { sealKeyId } from "./fragment-seal.ts";
import { isCompressed } from "./record-compression.ts";
import { FIRST_FRAGMENT, LAST_FRAGMENT, SEALED_FRAGMENT, sealBytesOf } from "./record-format.ts";
import { RecordOpener } from "./record-opener.ts";
import { noSabotage } from "./sabotage.ts";
import { SEGMENT_HEADER_BYTES } from "./segment-format.ts";
import { SegmentSet } from "./segment-set.ts";
import { RECORD_BYTES_MAX } from "./wal-options.ts";

/** Bytes of a payload shown unless asked for more: a few lines. */
const PAYLOAD_BYTES_SHOWN = 64;

export interface DumpOptions {
  /** The start or the end of a record; default: the log's head. */
  readonly from?: number;
  /** Stop at the first record that begins here or later. Default: the log's end. */
  readonly to?: number;
  /** Bytes of each payload to show. Default: 64. */
  readonly payloadBytes?: number;
  /** A name for a kind, instead of its number. */
  readonly kindName?: (kind: number) => string;
  /** Opens sealed records, to show what is in them. */
  readonly keys?: DataKeys;
  /** What a record's payload means, instead of its bytes. Gets whole records only. */
  readonly describe?: (kind: number, payload: Uint8Array) => string;
}

/**
 * Prints a log for people, record by record, as text lines. Changes nothing; the log must not be
 * open for writing.
 *
 *     log/00000000000000000000.wal  base 0  67108864 bytes
 *     64  kind 1  whole  epoch 2  5 bytes  → 101  durable before: 64
 *       00000000  68 65 6c 6c 6f                                   |hello|
 *     101  end of the log (zeros)
 *
 * The last line tells where reading ended and why: `zeros` is a clean end; `WAL_DAMAGED` or a torn
 * tail can be told apart by `checkWal`.
 */
export async function* dumpWal(
  environment: Environment,
  path: string,
  options: DumpOptions = {},
): AsyncGenerator<string, void, void> {
  const segments = await SegmentSet.open(environment, path, true);
  if (segments === undefined) {
    yield `${path} holds no log`;
    return;
  }
  try {
    const opener = new RecordOpener({
      source: segments,
      compressors: environment.compressors,
      keys: options.keys,
      maxRecordBytes: RECORD_BYTES_MAX,
      sabotage: noSabotage,
    });
    yield* dumpSegments(segments, opener, options);
  } finally {
    await segments.close();
  }
}

async function* dumpSegments(
  segments: SegmentSet,
  opener: RecordOpener,
  options: DumpOptions,
): AsyncGenerator<string, void, void> {
  const from = options.from ?? segments.headBase + SEGMENT_HEADER_BYTES;
  const mayBeginInside = options.from === undefined;
  const cursor = new LogCursor({ source: segments, from, mayBeginInside });
  let base = -1;
  for (;;) {
    const step = cursor.step();
    if (step === undefined) {
      await cursor.fill();
      continue;
    }
    if (step.type === "rejection") {
      yield describeEnd(step);
      return;
    }
    if (step.start >= (options.to ?? Infinity)) return;
    const next = segments.geometry.baseOf(step.start);
    if (next !== base) yield describeSegment(segments, next);
    base = next;
    yield describeFragment(step, opener, options);
  }
}

function describeSegment(segments: SegmentSet, base: number): string {
  return `${segments.pathOf(base)}  base ${base}  ${segments.geometry.segmentBytes} bytes`;
}

function describeFragment(fragment: Fragment, opener: RecordOpener, options: DumpOptions): string {
  const { start, lsn, kind, epoch, flags, syncedDistance } = fragment;
  const part = partName(flags);
  const name = options.kindName?.(kind) ?? `kind ${kind}`;
  const line =
    `${start}  ${name}  ${part}  epoch ${epoch}  ${packingName(fragment)}` +
    `${fragment.payload.length - sealBytesOf(flags)} bytes  → ${lsn}  ` +
    `durable before: ${start - syncedDistance}`;
  const payload = openedPayload(fragment, opener, options);
  if (typeof payload === "string") return `${line}\n  ${payload}`;
  if (payload === undefined) return line;
  if (options.describe !== undefined && part === "whole") {
    return `${line}\n  ${options.describe(kind, payload)}`;
  }
  const maxBytes = options.payloadBytes ?? PAYLOAD_BYTES_SHOWN;
  const dump = hexdump(payload, { maxBytes });
  return dump === "" ? line : `${line}\n${dump.replaceAll(/^/gm, "  ")}`;
}

/** How a fragment is stored, if not as it was appended. */
function packingName({ flags, payload }: Fragment): string {
  const sealed = (flags & SEALED_FRAGMENT) === 0 ? "" : `sealed with key ${sealKeyId(payload)}  `;
  return isCompressed(flags) ? `${sealed}compressed  ` : sealed;
}

/** What can be shown of a payload: nothing of a sealed one without keys, or why it cannot be opened. */
function openedPayload(
  fragment: Fragment,
  opener: RecordOpener,
  { keys }: DumpOptions,
): Uint8Array | string | undefined {
  const { flags, start, payload } = fragment;
  if ((flags & SEALED_FRAGMENT) !== 0 && keys === undefined) return undefined;
  try {
    const content = opener.open(fragment, start, payload);
    return partName(flags) === "whole" ? opener.restore(flags, start, content) : content;
  } catch (error) {
    if (isKvsError(error)) return error.code;
    throw error;
  }
}

function partName(flags: number): string {
  const isFirst = (flags & FIRST_FRAGMENT) !== 0;
  const isLast = (flags & LAST_FRAGMENT) !== 0;
  if (isFirst) return isLast ? "whole" : "first";
  return isLast ? "last" : "middle";
}

function describeEnd({ position, reason, expected, found }: Rejection): string {
  const detail = expected === undefined ? "" : `: expected ${expected}, found ${found}`;
  return `${position}  end of the log (${reason}${detail})`;
}
