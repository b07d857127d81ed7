/** 64-bit positions in bytes, as two halves: no BigInt is made. */

const TWO_32 = 0x1_0000_0000;

/** Writes a safe integer >= 0, little-endian. */
export function putUint64(view: DataView, offset: number, value: number): void {
  view.setUint32(offset, value >>> 0, true);
  view.setUint32(offset + 4, Math.floor(value / TWO_32), true);
}

/** Reads a safe integer; `undefined` if it is 2^53 or more. */
export function getUint64(view: DataView, offset: number): number | undefined {
  const value = view.getUint32(offset + 4, true) * TWO_32 + view.getUint32(offset, true);
  return Number.isSafeInteger(value) ? value : undefined;
}
