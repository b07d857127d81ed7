import { type ByteWriter } from "@kvs/codec";
import { type PageId, type PageView, pageIdOf } from "@kvs/pager";
import { copyBytes } from "./copy-bytes.ts";
import { OP_INSERT, writeOpHeader } from "./page-op.ts";
import { type Probe } from "./probe.ts";
import {
  HEAD_BYTES,
  INFO_VERSION,
  INTERIOR_REST_OFFSET,
  LEAF_REST_OFFSET,
  VERSION_BYTES,
  prefixLength,
} from "./tree-page.ts";

/** What stands behind a key and version: bytes of a value, or of a descriptor of its pages. */
export interface RowValue {
  /** 0, `INFO_TOMBSTONE` or `INFO_OVERFLOW`. */
  readonly flags: number;
  readonly bytes: Uint8Array;
  readonly from: number;
  readonly to: number;
}

/** Length of the cell that such a row gets in this leaf. */
export function leafCellLength(page: PageView, probe: Probe, value: RowValue): number {
  const rest = probe.length - prefixLength(page) - HEAD_BYTES;
  return LEAF_REST_OFFSET + (rest > 0 ? rest : 0) + value.to - value.from;
}

/** Writes the op that inserts a row before `slot` of a leaf. */
export function writeRowInsert(
  writer: ByteWriter,
  page: PageView,
  slot: number,
  row: { readonly probe: Probe; readonly value: RowValue },
): void {
  const { probe, value } = row;
  const prefix = prefixLength(page);
  const length = leafCellLength(page, probe, value);
  writeOpHeader(writer, OP_INSERT, pageIdOf(page));
  writeEntryWords(writer, slot, (probe.length - prefix) | value.flags, probe.headFrom(prefix));
  writer.u16(length);
  const rest = length - LEAF_REST_OFFSET - (value.to - value.from);
  const at = writer.claim(length);
  const { buffer } = writer;
  writeVersion(buffer, at, probe);
  const valueBytes = value.to - value.from;
  buffer[at + VERSION_BYTES] = valueBytes;
  buffer[at + VERSION_BYTES + 1] = valueBytes >>> 8;
  copyRest(buffer, at + LEAF_REST_OFFSET, probe, prefix);
  copyValue(buffer, at + LEAF_REST_OFFSET + rest, value);
}

/** Length of the cell that a separator gets in this interior page. */
export function separatorCellLength(page: PageView, probe: Probe, hasVersion: boolean): number {
  const rest = probe.length - prefixLength(page) - HEAD_BYTES;
  return INTERIOR_REST_OFFSET + (rest > 0 ? rest : 0) + (hasVersion ? VERSION_BYTES : 0);
}

/** A key, perhaps with a version, and the child right of it. */
export interface Separator {
  readonly probe: Probe;
  readonly hasVersion: boolean;
  readonly child: PageId;
}

/** Writes the op that inserts a separator before `slot` of an interior page. */
export function writeSeparatorInsert(
  writer: ByteWriter,
  page: PageView,
  slot: number,
  separator: Separator,
): void {
  const { probe, hasVersion, child } = separator;
  const prefix = prefixLength(page);
  const length = separatorCellLength(page, probe, hasVersion);
  const info = (probe.length - prefix) | (hasVersion ? INFO_VERSION : 0);
  writeOpHeader(writer, OP_INSERT, pageIdOf(page));
  writeEntryWords(writer, slot, info, probe.headFrom(prefix));
  writer.u16(length);
  const at = writer.claim(length);
  const { buffer } = writer;
  buffer[at] = child;
  buffer[at + 1] = child >>> 8;
  buffer[at + 2] = child >>> 16;
  buffer[at + 3] = child >>> 24;
  copyRest(buffer, at + INTERIOR_REST_OFFSET, probe, prefix);
  if (hasVersion) writeVersion(buffer, at + length - VERSION_BYTES, probe);
}

function writeEntryWords(writer: ByteWriter, slot: number, info: number, head: number): void {
  const at = writer.claim(8);
  const { buffer } = writer;
  buffer[at] = slot;
  buffer[at + 1] = slot >>> 8;
  buffer[at + 2] = info;
  buffer[at + 3] = info >>> 8;
  buffer[at + 4] = head;
  buffer[at + 5] = head >>> 8;
  buffer[at + 6] = head >>> 16;
  buffer[at + 7] = head >>> 24;
}

function writeVersion(buffer: Uint8Array, at: number, probe: Probe): void {
  const { versionHigh, versionLow } = probe;
  buffer[at] = versionHigh >>> 16;
  buffer[at + 1] = versionHigh >>> 8;
  buffer[at + 2] = versionHigh;
  buffer[at + 3] = versionLow >>> 24;
  buffer[at + 4] = versionLow >>> 16;
  buffer[at + 5] = versionLow >>> 8;
  buffer[at + 6] = versionLow;
}

/** The key behind prefix and head. */
function copyRest(buffer: Uint8Array, at: number, probe: Probe, prefix: number): void {
  const { bytes, length } = probe;
  const from = prefix + HEAD_BYTES;
  for (let byte = from; byte < length; byte++) buffer[at + byte - from] = bytes[byte]!;
}

function copyValue(buffer: Uint8Array, at: number, value: RowValue): void {
  copyBytes(buffer, at, value.bytes, value.from, value.to - value.from);
}
