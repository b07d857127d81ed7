import { FRAME_MESSAGES_MAX, WIRE_DEPTH_MAX } from "./limits.ts";
import { protocolError } from "./protocol-error.ts";

/**
 * Checks a whole frame before anything in it is acted upon: it is one msgpack array of messages,
 * each an array that begins with two unsigned integers below 2^53; every length and count is covered
 * by bytes that are there; nesting is bounded; nothing follows.
 *
 * Fields beyond the first two are checked for their extent only: their readers check the rest.
 *
 * @returns How many messages it holds.
 * @throws {KvsError} `PROTOCOL_MALFORMED` with the offset.
 *
 * Cost: about 5 ns a field; allocates nothing.
 */
export function checkFrame(bytes: Uint8Array): number {
  const count = readCount(bytes, 0, "a frame");
  if (count > FRAME_MESSAGES_MAX) throw malformed(`a frame of ${count} messages`, 0);
  let at = afterHeader(bytes, 0);
  for (let message = 0; message < count; message++) at = checkMessage(bytes, at);
  if (at !== bytes.length) throw malformed("bytes after the last message", at);
  return count;
}

function checkMessage(bytes: Uint8Array, from: number): number {
  const fields = readCount(bytes, from, "a message");
  if (fields < 2) throw malformed(`a message of ${fields} fields`, from);
  let at = afterHeader(bytes, from);
  for (let field = 0; field < fields; field++) {
    if (field < 2 && !isUnsigned(bytes, at)) throw malformed("an id or code is no integer", at);
    at = afterValue(bytes, at, 2);
  }
  return at;
}

/**
 * The offset after the value at `from`.
 *
 * @param depth Arrays and maps around it.
 * @throws {KvsError} `PROTOCOL_MALFORMED`.
 */
export function afterValue(bytes: Uint8Array, from: number, depth: number): number {
  const token = bytes[from];
  if (token === undefined) throw truncated(from);
  if (token < 0x80 || token >= 0xe0) return from + 1;
  if (token >= 0xa0 && token < 0xc0) return within(bytes, from, 1 + (token & 0x1f));
  if (isContainer(token)) return afterContainer(bytes, from, depth);
  const width = WIDTHS[token - 0xc0]!;
  if (width >= 0) return within(bytes, from, 1 + width);
  if (width === REFUSED) throw malformed(`no value begins with byte ${token}`, from);
  return afterCounted(bytes, from, -width);
}

/** Moves past a text or bytes whose length is the big-endian integer of `width` bytes at its head. */
function afterCounted(bytes: Uint8Array, from: number, width: number): number {
  const contentFrom = within(bytes, from, 1 + width);
  let length = 0;
  for (let at = from + 1; at < contentFrom; at++) length = length * 0x100 + bytes[at]!;
  const extension = isExtension(bytes[from]!) ? 1 : 0; // its type
  return within(bytes, contentFrom, length + extension);
}

/** The recursion is as deep as `WIRE_DEPTH_MAX` at most. */
function afterContainer(bytes: Uint8Array, from: number, depth: number): number {
  if (depth >= WIRE_DEPTH_MAX) {
    throw malformed(`nesting deeper than ${WIRE_DEPTH_MAX} levels`, from);
  }
  const token = bytes[from]!;
  const isMap = (token & 0xf0) === 0x80 || token >= 0xde;
  let left = countAt(bytes, from) * (isMap ? 2 : 1);
  let at = afterHeader(bytes, from);
  // A false count ends the loop soon: each round needs a byte that is there.
  while (left-- > 0) at = afterValue(bytes, at, depth + 1);
  return at;
}

function isContainer(token: number): boolean {
  return token < 0xa0 || token >= 0xdc;
}

function isExtension(token: number): boolean {
  return token >= 0xc7 && token <= 0xc9;
}

/** Whether an unsigned integer below 2^53 begins at `at`. */
function isUnsigned(bytes: Uint8Array, at: number): boolean {
  const token = bytes[at];
  if (token === undefined) throw truncated(at);
  if (token < 0x80) return true;
  if (token !== 0xcf) return token >= 0xcc && token <= 0xce;
  return at + 2 < bytes.length && bytes[at + 1] === 0 && bytes[at + 2]! < 0x20;
}

function readCount(bytes: Uint8Array, at: number, what: string): number {
  const token = bytes[at];
  if (token === undefined) throw truncated(at);
  const isArray = (token & 0xf0) === 0x90 || token === 0xdc || token === 0xdd;
  if (!isArray) throw malformed(`${what} is no array`, at);
  return countAt(bytes, at);
}

/** The count of the array or map whose head is at `from`. */
export function countAt(bytes: Uint8Array, from: number): number {
  const token = bytes[from]!;
  if (token < 0xa0) return token & 0x0f;
  const to = afterHeader(bytes, from);
  let count = 0;
  for (let at = from + 1; at < to; at++) count = count * 0x100 + bytes[at]!;
  return count;
}

/** The offset after the head of the array or map at `from`. */
export function afterHeader(bytes: Uint8Array, from: number): number {
  const token = bytes[from]!;
  if (token < 0xa0) return from + 1;
  return within(bytes, from, token === 0xdc || token === 0xde ? 3 : 5);
}

function within(bytes: Uint8Array, from: number, count: number): number {
  if (count > bytes.length - from) throw truncated(bytes.length);
  return from + count;
}

const REFUSED = -99;
/**
 * For the bytes c0 to db: how many bytes follow; negative: how wide the length is that follows.
 * Extensions (c7–c9, d4–d8) occur in no message of this version, and are skipped in later ones.
 */
const WIDTHS: readonly number[] = [
  [0, REFUSED, 0, 0], // nil, never used, false, true
  [-1, -2, -4], // bytes
  [-1, -2, -4], // extensions
  [4, 8], // floats
  [1, 2, 4, 8], // unsigned integers
  [1, 2, 4, 8], // signed integers
  [2, 3, 5, 9, 17], // extensions of a fixed length, with their type
  [-1, -2, -4], // texts
].flat();

function truncated(offset: number): Error {
  return malformed("a frame that ends in the middle of a value", offset);
}

function malformed(what: string, offset: number): Error {
  const message = `${what}, at offset ${offset}; the two sides do not speak the same protocol`;
  return protocolError("PROTOCOL_MALFORMED", message, { details: { offset } });
}
