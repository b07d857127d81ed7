/** A key as a string of as many characters, one a byte: sorts as the bytes do. */
export type ModelKey = string;

export function toModelKey(key: Uint8Array): ModelKey {
  let text = "";
  for (const byte of key) text += String.fromCharCode(byte);
  return text;
}

export function toKeyBytes(key: ModelKey): Uint8Array {
  const bytes = new Uint8Array(key.length);
  for (let at = 0; at < key.length; at++) bytes[at] = key.charCodeAt(at);
  return bytes;
}
