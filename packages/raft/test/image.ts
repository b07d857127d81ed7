/** The initial value of `foldEntry`. */
export const INITIAL_HASH = 0x811c9dc5;

/** FNV-1a over what was folded before, the term and the payload. */
export function foldEntry(before: number, term: number, payload: Uint8Array): number {
  let hash = Math.imul(before ^ term, 0x01000193) >>> 0;
  for (const byte of payload) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash;
}

/** An image of a state: its hash, and a filling that depends on it. */
export function encodeImage(
  state: { readonly index: number; readonly hash: number },
  sizeBytes: number,
): Uint8Array {
  const bytes = new Uint8Array(Math.max(4, sizeBytes));
  new DataView(bytes.buffer).setUint32(0, state.hash, true);
  for (let at = 4; at < bytes.length; at++) bytes[at] = (state.index * 31 + at) & 0xff;
  return bytes;
}

export function decodeImage(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
}

export function simpleChecksum(bytes: Uint8Array): number {
  return foldEntry(INITIAL_HASH, bytes.length, bytes);
}
