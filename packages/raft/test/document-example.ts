/** The bytes of the nth listing of a document: lines of an offset, hex digits and perhaps text. */
export function exampleBytes(document: string, example: number): Uint8Array {
  const blocks = Array.from(document.matchAll(/^```bytes\n(.*?)^```$/gms), (match) => match[1]!);
  const bytes: number[] = [];
  for (const line of blocks[example]!.trimEnd().split("\n")) {
    const [, offset, hex] = /^([0-9a-f]{8}) {2}((?:[0-9a-f]{2} +)+)/.exec(`${line} `)!;
    if (Number.parseInt(offset!, 16) !== bytes.length) throw new Error(`a gap before ${offset}`);
    const digits = hex!.trim().split(/ +/);
    for (const each of digits) bytes.push(Number.parseInt(each, 16));
  }
  return Uint8Array.from(bytes);
}
