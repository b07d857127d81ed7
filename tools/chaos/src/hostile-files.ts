import { crc32 } from "@kvs/codec";
import { type Random } from "@kvs/env";

/** Formats: docs/formats/page.md, docs/formats/wal.md. */
const PAGE_BYTES = 4096;
const PAGE_HEADER_BYTES = 64;
const PAGE_TYPE_OFFSET = 4;
const SEGMENT_HEADER_BYTES = 64;
const LOG_ID_FROM = 16;
const LOG_ID_TO = 24;
const FRAGMENT_HEADER_BYTES = 32;
const FRAGMENT_LENGTH_OFFSET = 4;
const FRAGMENT_KIND_OFFSET = 12;
/** Bytes changed in one place, at most. */
const CHANGES_MAX = 4;
/** Bytes at which code goes wrong. */
const EDGES = [0, 1, 0x7f, 0x80, 0xfe, 0xff];
/** Numbers of two bytes likewise: lengths and offsets in a page. */
const WORD_EDGES = [0, 1, 63, 64, 4095, 4096, 0x7fff, 0xffff];

/** The files of a store by name, below its directory. */
export type StoreFiles = ReadonlyMap<string, Uint8Array>;

export interface Damage {
  readonly files: StoreFiles;
  /** What was changed: for people. */
  readonly what: string;
  /** Whether checksums are right again: a forgery, no accident. */
  readonly isForged: boolean;
}

/** The page file's name; all others are segments of the log. */
export const PAGES_NAME = "pages.kvs";

/** Changes some bytes of a store: anywhere, or in a page or record whose checksum is mended then. */
export function damage(files: StoreFiles, random: Random): Damage {
  const drawn = random.nextFloat();
  if (drawn < 0.25) return damageAnywhere(files, random);
  return drawn < 0.7 ? forgePage(files, random) : forgeRecord(files, random);
}

function damageAnywhere(files: StoreFiles, random: Random): Damage {
  const name = pick([...files.keys()], random);
  const bytes = files.get(name)!.slice();
  for (let count = 1 + random.below(CHANGES_MAX); count > 0; count--) {
    bytes[random.below(bytes.length)]! ^= 1 + random.below(255);
  }
  return { files: replace(files, name, bytes), what: `bytes of ${name}`, isForged: false };
}

function forgePage(files: StoreFiles, random: Random): Damage {
  const bytes = files.get(PAGES_NAME)!.slice();
  let at = 0;
  do at = random.below(bytes.length / PAGE_BYTES) * PAGE_BYTES;
  while (bytes[at + PAGE_TYPE_OFFSET] === 0);
  const page = bytes.subarray(at, at + PAGE_BYTES);
  const isHeader = random.chance(0.2);
  change(isHeader ? page.subarray(4, PAGE_HEADER_BYTES) : page.subarray(PAGE_HEADER_BYTES), random);
  viewOf(page).setUint32(0, crc32(page.subarray(4)), true);
  const what = `a page of type ${page[PAGE_TYPE_OFFSET]}`;
  return { files: replace(files, PAGES_NAME, bytes), what, isForged: true };
}

function forgeRecord(files: StoreFiles, random: Random): Damage {
  const logs = [...files.keys()].filter((name) => name !== PAGES_NAME);
  const name = pick(logs, random);
  const bytes = files.get(name)!.slice();
  const fragments = fragmentsOf(bytes);
  if (fragments.length === 0) return damageAnywhere(files, random);
  const fragment = pick(fragments, random);
  const { length } = fragment;
  const isHeader = random.chance(0.1);
  change(fragment.subarray(isHeader ? 4 : FRAGMENT_HEADER_BYTES), random);
  const seed = crc32(bytes.subarray(LOG_ID_FROM, LOG_ID_TO));
  viewOf(fragment).setUint32(0, crc32(fragment.subarray(4, length), seed), true);
  const what = `a record of kind ${fragment[FRAGMENT_KIND_OFFSET]}`;
  return { files: replace(files, name, bytes), what, isForged: true };
}

/** The fragments of a segment, as far as their lengths lead. */
function fragmentsOf(segment: Uint8Array): Uint8Array[] {
  const fragments: Uint8Array[] = [];
  const view = viewOf(segment);
  let at = SEGMENT_HEADER_BYTES;
  while (at + FRAGMENT_HEADER_BYTES < segment.length && segment[at + FRAGMENT_KIND_OFFSET] !== 0) {
    const end = at + FRAGMENT_HEADER_BYTES + view.getUint32(at + FRAGMENT_LENGTH_OFFSET, true);
    if (end > segment.length) break;
    fragments.push(segment.subarray(at, end));
    at = end;
  }
  return fragments;
}

/** Changes a few bytes, near the start more often than elsewhere: there the lengths are. */
function change(bytes: Uint8Array, random: Random): void {
  const reach = random.chance(0.5) ? Math.min(bytes.length, 64) : bytes.length;
  if (reach < 2) return;
  for (let count = 1 + random.below(CHANGES_MAX); count > 0; count--) {
    const at = random.below(reach - 1);
    const how = random.below(4);
    if (how === 0) bytes[at]! ^= 1 << random.below(8);
    else if (how === 1) bytes[at] = pick(EDGES, random);
    else if (how === 2) bytes[at] = random.below(256);
    else viewOf(bytes).setUint16(at, pick(WORD_EDGES, random), true);
  }
}

function replace(files: StoreFiles, name: string, bytes: Uint8Array): StoreFiles {
  return new Map([...files, [name, bytes]]);
}

function pick<T>(choices: readonly T[], random: Random): T {
  return choices[random.below(choices.length)]!;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}
