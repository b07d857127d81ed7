import { type HexdumpNote, hexdump } from "@kvs/codec";
import { type Environment, assert, readFullyAt } from "@kvs/env";
import {
  FLAG_AUTHENTICATED,
  PAGE_BITMAP,
  PAGE_BYTES,
  PAGE_EPOCH_OFFSET,
  PAGE_FILE_ID_OFFSET,
  PAGE_FLAGS_OFFSET,
  PAGE_HEADER,
  PAGE_HEADER_BYTES,
  PAGE_ID_OFFSET,
  PAGE_INTERIOR,
  PAGE_KEY_ID_OFFSET,
  PAGE_LEAF,
  PAGE_LSN_OFFSET,
  PAGE_NONCE_OFFSET,
  PAGE_OVERFLOW,
  PAGE_TAG_OFFSET,
  PAGE_TYPE_OFFSET,
  pageLsn,
} from "./page-header.ts";
import { type PageId } from "./page-id.ts";
import { findPageFault, sealedKeyOf } from "./page-seal.ts";
import { PageView } from "./page-view.ts";

const TYPE_NAMES: ReadonlyMap<number, string> = new Map([
  [PAGE_HEADER, "header"],
  [PAGE_BITMAP, "bitmap"],
  [PAGE_LEAF, "leaf"],
  [PAGE_INTERIOR, "interior"],
  [PAGE_OVERFLOW, "overflow"],
]);
const RESERVED_OFFSET = 6;
const RESERVED_TAIL_OFFSET = 60;

/**
 * Reads one page of a file, as it is on the disk, and prints it for people.
 *
 * @throws {KvsError} `DISK_NOT_FOUND`, `DISK_IO`. A damaged page is printed, and said to be damaged.
 */
export async function inspectPage(
  environment: Environment,
  path: string,
  id: PageId,
): Promise<string> {
  const file = await environment.disk.open(path, { readOnly: true });
  try {
    const page = new Uint8Array(PAGE_BYTES);
    const count = await readFullyAt(file, page, id * PAGE_BYTES);
    return printPage(page.subarray(0, count), id);
  } finally {
    await file.close();
  }
}

/**
 * Prints a page: what its header says, whether it is intact, which key its body is sealed with, and its
 * bytes as they are: a sealed body stays sealed.
 *
 * @param page A page as it is on the disk; shorter at the end of a file.
 * @param id Where it was found.
 */
export function printPage(page: Uint8Array, id: PageId): string {
  assert(page.length <= PAGE_BYTES, "a page is no longer than a page");
  if (page.length < PAGE_BYTES) {
    return `page ${id}: the file ends ${page.length} bytes into it`;
  }
  const view = new DataView(page.buffer, page.byteOffset, PAGE_BYTES);
  const fileId = view.getUint32(PAGE_FILE_ID_OFFSET, true);
  const fault = findPageFault(page, { id, fileId });
  const key = sealedKeyOf(page);
  const isHeader = (page[PAGE_FLAGS_OFFSET]! & FLAG_AUTHENTICATED) !== 0;
  const seal = key === 0 ? "" : `, ${isHeader ? "authenticated" : "sealed"} with key ${key}`;
  const type = TYPE_NAMES.get(page[PAGE_TYPE_OFFSET]!) ?? `unknown type ${page[PAGE_TYPE_OFFSET]}`;
  const state =
    fault === undefined
      ? "intact"
      : `damaged: ${fault.reason}, expected ${fault.expected}, found ${fault.found}`;
  const bytes = hexdump(page, { baseOffset: id * PAGE_BYTES, notes: headerNotes(page) });
  return `page ${id} (${type}), ${state}${seal}\n${bytes}`;
}

function headerNotes(page: Uint8Array): HexdumpNote[] {
  const view = new DataView(page.buffer, page.byteOffset, PAGE_BYTES);
  const copy = PageView.of(page.slice());
  const u32 = (offset: number): number => view.getUint32(offset, true);
  const checksum = u32(0).toString(16).padStart(8, "0");
  return [
    { from: 0, to: PAGE_TYPE_OFFSET, text: `checksum ${checksum}` },
    { from: PAGE_TYPE_OFFSET, to: PAGE_FLAGS_OFFSET, text: `type ${page[PAGE_TYPE_OFFSET]}` },
    { from: PAGE_FLAGS_OFFSET, to: RESERVED_OFFSET, text: `flags ${page[PAGE_FLAGS_OFFSET]}` },
    { from: RESERVED_OFFSET, to: PAGE_LSN_OFFSET, text: "reserved" },
    { from: PAGE_LSN_OFFSET, to: PAGE_ID_OFFSET, text: `pageLsn ${pageLsn(copy)}` },
    { from: PAGE_ID_OFFSET, to: PAGE_FILE_ID_OFFSET, text: `pageId ${u32(PAGE_ID_OFFSET)}` },
    {
      from: PAGE_FILE_ID_OFFSET,
      to: PAGE_EPOCH_OFFSET,
      text: `fileId ${u32(PAGE_FILE_ID_OFFSET)}`,
    },
    { from: PAGE_EPOCH_OFFSET, to: PAGE_KEY_ID_OFFSET, text: `epoch ${u32(PAGE_EPOCH_OFFSET)}` },
    { from: PAGE_KEY_ID_OFFSET, to: PAGE_NONCE_OFFSET, text: `keyId ${u32(PAGE_KEY_ID_OFFSET)}` },
    { from: PAGE_NONCE_OFFSET, to: PAGE_TAG_OFFSET, text: "nonce" },
    { from: PAGE_TAG_OFFSET, to: RESERVED_TAIL_OFFSET, text: "tag" },
    { from: RESERVED_TAIL_OFFSET, to: PAGE_HEADER_BYTES, text: "reserved" },
    { from: PAGE_HEADER_BYTES, to: PAGE_BYTES, text: "body" },
  ];
}
