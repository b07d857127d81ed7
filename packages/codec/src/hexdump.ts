import { assert } from "@kvs/env";

/** What a range of bytes is, in words. */
export interface HexdumpNote {
  /** Offset of its first byte. */
  readonly from: number;
  /** Offset after its last byte, greater than `from`. */
  readonly to: number;
  readonly text: string;
}

export interface HexdumpOptions {
  /** What the first byte's offset is called: the position of the bytes in their file. Default: 0. */
  readonly baseOffset?: number;
  /** In order and without overlap; offsets count from the first byte. Default: none. */
  readonly notes?: readonly HexdumpNote[];
  /** Bytes shown at most; a last line counts the rest. Default: 65,536. */
  readonly maxBytes?: number;
}

/** Bytes in a full row. */
const ROW_BYTES = 16;
/** More than sixteen pages of bytes are not read by people. */
const HEXDUMP_MAX_BYTES = 65_536;

/**
 * Prints bytes for people: offset, hexadecimal, ASCII, and what each range means.
 *
 *     00000000  60                                               |`|                 tuple
 *     00000001  40 61 00                                         |@a.|               text "a"
 *
 * A note begins a row of its own; bytes without a note stand in rows of sixteen. A run of rows that
 * repeat the one before is cut to a line with `*`.
 *
 * @returns Lines without a newline after the last; empty for no bytes.
 */
export function hexdump(bytes: Uint8Array, options: HexdumpOptions = {}): string {
  const { baseOffset = 0, notes = [], maxBytes = HEXDUMP_MAX_BYTES } = options;
  const end = Math.min(bytes.length, maxBytes);
  const printer = new RowPrinter(bytes, baseOffset);
  let at = 0;
  for (const note of notes) {
    assert(note.from >= at && note.to > note.from, "notes are in order and do not overlap");
    assert(note.to <= bytes.length, "notes lie within the bytes");
    printer.range(at, Math.min(note.from, end), "");
    printer.range(note.from, Math.min(note.to, end), note.text);
    at = note.to;
  }
  printer.range(at, end, "");
  if (end < bytes.length) printer.lines.push(`… ${bytes.length - end} more bytes`);
  return printer.lines.join("\n");
}

class RowPrinter {
  readonly lines: string[] = [];
  readonly #bytes: Uint8Array;
  readonly #baseOffset: number;

  constructor(bytes: Uint8Array, baseOffset: number) {
    this.#bytes = bytes;
    this.#baseOffset = baseOffset;
  }

  /** Prints the rows of [from, to), the first one with `text`. */
  range(from: number, to: number, text: string): void {
    for (let row = from; row < to; row += ROW_BYTES) {
      const isRepeated = row > from && row + ROW_BYTES < to && this.#repeats(row);
      if (!isRepeated) this.lines.push(this.#row(row, Math.min(row + ROW_BYTES, to), text, from));
      else if (this.lines.at(-1) !== "*") this.lines.push("*");
    }
  }

  /** Whether a full row equals the one before it. */
  #repeats(row: number): boolean {
    for (let at = row; at < row + ROW_BYTES; at++) {
      if (this.#bytes[at] !== this.#bytes[at - ROW_BYTES]) return false;
    }
    return true;
  }

  #row(from: number, to: number, text: string, rangeFrom: number): string {
    const row = this.#bytes.subarray(from, to);
    const offset = (this.#baseOffset + from).toString(16).padStart(8, "0");
    const hex = Array.from(row, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const ascii = Array.from(row, printable).join("");
    const note = from === rangeFrom ? text : "";
    return `${offset}  ${hex.padEnd(47)}  ${`|${ascii}|`.padEnd(18)}  ${note}`.trimEnd();
  }
}

function printable(byte: number): string {
  return byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : ".";
}
