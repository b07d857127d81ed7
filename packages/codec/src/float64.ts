/**
 * IEEE 754 doubles as eight bytes, big-endian unless the name says otherwise, at any offset, without a view per call.
 *
 * The eight scratch bytes are filled before each use in the same call: nothing passes from one call
 * to the next.
 */
const scratch = new Uint8Array(8);
const scratchView = new DataView(scratch.buffer);

/**
 * Writes `value` into the eight bytes at `offset`. Every NaN is written as 7F F8 00 …, so that equal
 * values have equal bytes on every machine.
 */
export function writeFloat64(target: Uint8Array, offset: number, value: number): void {
  fillScratch(value);
  for (let at = 0; at < 8; at++) target[offset + at] = scratch[at]!;
}

/** As `writeFloat64`, the lowest byte first. */
export function writeFloat64LittleEndian(target: Uint8Array, offset: number, value: number): void {
  fillScratch(value);
  for (let at = 0; at < 8; at++) target[offset + at] = scratch[7 - at]!;
}

/** Reads the eight bytes at `offset`; the caller has checked that they are there. */
export function readFloat64(source: Uint8Array, offset: number): number {
  for (let at = 0; at < 8; at++) scratch[at] = source[offset + at]!;
  return scratchView.getFloat64(0);
}

/** As `readFloat64`, the lowest byte first. */
export function readFloat64LittleEndian(source: Uint8Array, offset: number): number {
  for (let at = 0; at < 8; at++) scratch[7 - at] = source[offset + at]!;
  return scratchView.getFloat64(0);
}

/** Reads a 32-bit float from the four bytes at `offset`; the caller has checked them. */
export function readFloat32(source: Uint8Array, offset: number): number {
  for (let at = 0; at < 4; at++) scratch[at] = source[offset + at]!;
  return scratchView.getFloat32(0);
}

function fillScratch(value: number): void {
  scratchView.setFloat64(0, value);
  if (Number.isNaN(value)) scratchView.setBigUint64(0, CANONICAL_NAN);
}

const CANONICAL_NAN = 0x7ff8_0000_0000_0000n;
