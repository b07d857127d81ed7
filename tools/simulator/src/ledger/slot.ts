/**
 * One slot of a segment: a record with what is needed to tell that it is whole and at home.
 *
 *   offset  size  field      integers are little-endian
 *        0     4  checksum   CRC-32 of bytes [4, SLOT_BYTES)
 *        4     4  segment    which segment of which node: exposes a write to the wrong file
 *        8     4  index      position in the segment: exposes a write to the wrong place
 *       12     4  length     bytes of the text
 *       16     …  text       UTF-8; the rest of the slot is zero
 */
import { crc32 } from "node:zlib";
import { assert } from "@kvs/env";

/** Less than a sector, so that torn writes cut between records, and records share sectors. */
export const SLOT_BYTES = 192;

const HEADER_BYTES = 16;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Where a slot belongs. */
export interface SlotHome {
  readonly segment: number;
  readonly index: number;
}

/** What a slot turned out to hold. */
export type SlotContent =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "empty" }
  | { readonly type: "damaged" };

/** Fills one slot of `target`, from `offset` on. */
export function writeSlot(target: Uint8Array, offset: number, home: SlotHome, text: string): void {
  const bytes = encoder.encode(text);
  assert(bytes.length <= SLOT_BYTES - HEADER_BYTES, "a record fits into a slot");
  const slot = target.subarray(offset, offset + SLOT_BYTES).fill(0);
  const view = new DataView(slot.buffer, slot.byteOffset, slot.length);
  view.setUint32(4, home.segment, true);
  view.setUint32(8, home.index, true);
  view.setUint32(12, bytes.length, true);
  slot.set(bytes, HEADER_BYTES);
  view.setUint32(0, crc32(slot.subarray(4)), true);
}

/**
 * Reads one slot.
 *
 * @param isTrusting Believe the bytes without looking at the checksum and the home: a sabotage.
 */
export function readSlot(slot: Uint8Array, home: SlotHome, isTrusting: boolean): SlotContent {
  assert(slot.length === SLOT_BYTES, "slots have one size");
  if (slot.every((byte) => byte === 0)) return { type: "empty" };
  const view = new DataView(slot.buffer, slot.byteOffset, slot.length);
  const length = view.getUint32(12, true);
  if (length > SLOT_BYTES - HEADER_BYTES) return { type: "damaged" };
  const isWhole =
    view.getUint32(0, true) === crc32(slot.subarray(4)) &&
    view.getUint32(4, true) === home.segment &&
    view.getUint32(8, true) === home.index;
  if (!isWhole && !isTrusting) return { type: "damaged" };
  return {
    type: "text",
    text: decoder.decode(slot.subarray(HEADER_BYTES, HEADER_BYTES + length)),
  };
}
