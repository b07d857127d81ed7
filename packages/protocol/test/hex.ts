/** Bytes as lower-case hexadecimal digits with spaces between, as the documents write them. */
export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
}

export function fromHex(hex: string): Uint8Array {
  return Uint8Array.from(hex.trim().split(/\s+/), (digits) => Number.parseInt(digits, 16));
}
