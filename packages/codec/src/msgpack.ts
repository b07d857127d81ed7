/**
 * The first bytes of msgpack values, and what follows each.
 *
 *   00–7f  integer 0 to 127         c0  null           c4 c5 c6  bytes, length of 1, 2, 4 bytes
 *   80–8f  object of 0 to 15        c2  false          ca cb     float of 32, 64 bits
 *   90–9f  array of 0 to 15         c3  true           cc–cf     unsigned of 8, 16, 32, 64 bits
 *   a0–bf  text of 0 to 31 bytes    d6 d7 c7  date     d0–d3     signed of 8, 16, 32, 64 bits
 *   e0–ff  integer -32 to -1        d9 da db  text     dc dd  array    de df  object
 *
 * Integers are big-endian. All others (c1, and extensions but the timestamp) are refused.
 *
 * Source: the MessagePack specification, 2017, with its timestamp extension.
 */
export const Token = {
  MAP: 0x80,
  ARRAY: 0x90,
  STRING: 0xa0,
  NULL: 0xc0,
  FALSE: 0xc2,
  TRUE: 0xc3,
  BYTES_8: 0xc4,
  BYTES_16: 0xc5,
  BYTES_32: 0xc6,
  EXTENSION_8: 0xc7,
  FLOAT_32: 0xca,
  FLOAT_64: 0xcb,
  UNSIGNED_8: 0xcc,
  UNSIGNED_16: 0xcd,
  UNSIGNED_32: 0xce,
  UNSIGNED_64: 0xcf,
  SIGNED_8: 0xd0,
  SIGNED_16: 0xd1,
  SIGNED_32: 0xd2,
  SIGNED_64: 0xd3,
  EXTENSION_FIXED_4: 0xd6,
  EXTENSION_FIXED_8: 0xd7,
  STRING_8: 0xd9,
  STRING_16: 0xda,
  STRING_32: 0xdb,
  ARRAY_16: 0xdc,
  ARRAY_32: 0xdd,
  MAP_16: 0xde,
  MAP_32: 0xdf,
  NEGATIVE: 0xe0,
} as const;

/** What kind of value a first byte begins. */
export const Shape = {
  REFUSED: 0,
  /** A number, a boolean or null: the width is that of what follows. */
  SCALAR: 1,
  /** These four are followed by a length of the width (0: it is in the first byte). */
  BYTES: 2,
  STRING: 3,
  ARRAY: 4,
  MAP: 5,
  /** A timestamp: the width is that of its payload, 4, 8 or 12. */
  TIMESTAMP: 6,
} as const;

/** The type of the timestamp extension, -1. */
export const TIMESTAMP_TYPE = 0xff;

/** First byte from c0 to df, its shape, its width. What is not listed is refused. */
const ROWS: readonly (readonly [token: number, shape: number, width: number])[] = [
  [Token.NULL, Shape.SCALAR, 0],
  [Token.FALSE, Shape.SCALAR, 0],
  [Token.TRUE, Shape.SCALAR, 0],
  [Token.BYTES_8, Shape.BYTES, 1],
  [Token.BYTES_16, Shape.BYTES, 2],
  [Token.BYTES_32, Shape.BYTES, 4],
  [Token.EXTENSION_8, Shape.TIMESTAMP, 12],
  [Token.FLOAT_32, Shape.SCALAR, 4],
  [Token.FLOAT_64, Shape.SCALAR, 8],
  [Token.UNSIGNED_8, Shape.SCALAR, 1],
  [Token.UNSIGNED_16, Shape.SCALAR, 2],
  [Token.UNSIGNED_32, Shape.SCALAR, 4],
  [Token.UNSIGNED_64, Shape.SCALAR, 8],
  [Token.SIGNED_8, Shape.SCALAR, 1],
  [Token.SIGNED_16, Shape.SCALAR, 2],
  [Token.SIGNED_32, Shape.SCALAR, 4],
  [Token.SIGNED_64, Shape.SCALAR, 8],
  [Token.EXTENSION_FIXED_4, Shape.TIMESTAMP, 4],
  [Token.EXTENSION_FIXED_8, Shape.TIMESTAMP, 8],
  [Token.STRING_8, Shape.STRING, 1],
  [Token.STRING_16, Shape.STRING, 2],
  [Token.STRING_32, Shape.STRING, 4],
  [Token.ARRAY_16, Shape.ARRAY, 2],
  [Token.ARRAY_32, Shape.ARRAY, 4],
  [Token.MAP_16, Shape.MAP, 2],
  [Token.MAP_32, Shape.MAP, 4],
];

/** `Shape` of each first byte. Never written after this module is loaded. */
export const SHAPE_OF: Uint8Array = new Uint8Array(256)
  .fill(Shape.SCALAR, 0, Token.MAP)
  .fill(Shape.MAP, Token.MAP, Token.ARRAY)
  .fill(Shape.ARRAY, Token.ARRAY, Token.STRING)
  .fill(Shape.STRING, Token.STRING, Token.NULL)
  .fill(Shape.SCALAR, Token.NEGATIVE);

/** Width in bytes for each first byte, as its shape says. Never written after loading. */
export const WIDTH_OF: Uint8Array = new Uint8Array(256);

for (const [token, shape, width] of ROWS) {
  SHAPE_OF[token] = shape;
  WIDTH_OF[token] = width;
}

/** The length or count of a text, bytes, array or object whose first byte is at `offset`. */
export function readLength(bytes: Uint8Array, offset: number): number {
  const token = bytes[offset]!;
  const width = WIDTH_OF[token]!;
  if (width === 0) return token & (token >= Token.STRING ? 0x1f : 0x0f);
  return readUnsigned(bytes, offset + 1, width);
}

/** The unsigned big-endian integer of `width` (1, 2 or 4) bytes at `offset`. */
export function readUnsigned(bytes: Uint8Array, offset: number, width: number): number {
  let value = bytes[offset]!;
  for (let at = offset + 1; at < offset + width; at++) value = value * 0x100 + bytes[at]!;
  return value;
}
