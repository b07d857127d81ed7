/**
 * Orders texts by Unicode code point, which is the order of their UTF-8 bytes.
 *
 * JavaScript's `<` orders by UTF-16 code unit instead, and so puts U+10000 and above (surrogate
 * pairs, 0xD800 to 0xDFFF) before U+E000 to U+FFFF.
 *
 * @returns Negative, zero or positive. Only equal texts give zero, also with lone surrogates.
 */
export function compareStrings(left: string, right: string): number {
  if (left === right) return 0;
  const common = left.length < right.length ? left.length : right.length;
  for (let at = 0; at < common; at++) {
    const leftUnit = left.charCodeAt(at);
    const rightUnit = right.charCodeAt(at);
    if (leftUnit !== rightUnit) return codePointRank(leftUnit) - codePointRank(rightUnit);
  }
  return left.length - right.length;
}

/** Moves surrogates above all other units: they begin the code points from U+10000 on. */
function codePointRank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x1_0000 : unit;
}
