import { PieceBytes, type TextPiece, withoutMark } from "./text-piece.ts";

const NEWLINE = 0x0a;
const QUOTE = 0x22;
const COMMA = 0x2c;
const OPEN_LIST = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_LIST = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/**
 * Cuts a stream of JSON into its values: those of one list, or values one after the other. It only
 * finds where values end; parsing is the reader's. Memory: one value and a chunk.
 *
 * It works on bytes: whatever has a meaning for it is one byte in UTF-8, and a value that is no
 * UTF-8 spoils no other.
 */
export async function* splitJson(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<TextPiece> {
  const splitter = new Splitter();
  for await (const chunk of withoutMark(chunks)) yield* splitter.push(chunk);
  yield* splitter.push(Uint8Array.of(NEWLINE)); // ends a number or a word
  yield* splitter.end();
}

/** Cuts a stream into lines; empty ones are left out. Memory: one line and a chunk. */
export async function* splitLines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<TextPiece> {
  const value = new PieceBytes();
  let line = 0;
  for await (const chunk of withoutMark(chunks)) {
    let from = 0;
    for (let to = chunk.indexOf(NEWLINE); to !== -1; to = chunk.indexOf(NEWLINE, from)) {
      value.push(chunk.subarray(from, to));
      from = to + 1;
      const piece = value.take(++line);
      if (piece.problem !== undefined || piece.text.trim() !== "") yield piece;
    }
    value.push(chunk.subarray(from));
  }
  const piece = value.take(++line);
  if (piece.problem !== undefined || piece.text.trim() !== "") yield piece;
}

/** What a byte is to the values of a stream. */
type Part = "between" | "inside" | "last" | "behind";

class Splitter {
  readonly #value = new PieceBytes();
  #line = 1;
  /** `before` until the first byte that is no space. */
  #list: "before" | "open" | "none" = "before";
  /** The value under way: its first line, and how deep it is nested where we are. */
  #isInside = false;
  #startLine = 1;
  #depth = 0;
  #isInString = false;
  #isEscaped = false;

  *push(chunk: Uint8Array): Generator<TextPiece> {
    let from = 0;
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at]!;
      const part = this.#isInside ? this.#goOn(byte) : this.#begin(byte);
      if (byte === NEWLINE) this.#line++;
      if (part === "inside") continue;
      if (part !== "between") {
        this.#value.push(chunk.subarray(from, part === "last" ? at + 1 : at));
        yield this.#finish();
      }
      from = at + 1;
    }
    this.#value.push(chunk.subarray(from));
  }

  *end(): Generator<TextPiece> {
    if (this.#isInside) yield { ...this.#finish(), problem: "it ends in the middle of a value" };
    if (this.#list !== "open") return;
    const problem = "the list is not closed; is the file cut off?";
    yield { text: "", line: this.#line, problem };
  }

  #begin(byte: number): Part {
    if (isSpace(byte) || byte === COMMA) return "between";
    if (byte === OPEN_LIST && this.#list === "before") {
      this.#list = "open";
      return "between";
    }
    if (this.#list === "before") this.#list = "none";
    if (byte === CLOSE_LIST && this.#list === "open") {
      this.#list = "none";
      return "between";
    }
    this.#isInside = true;
    this.#startLine = this.#line;
    return this.#goOn(byte);
  }

  #goOn(byte: number): Part {
    if (this.#isInString) return this.#goOnInString(byte);
    switch (byte) {
      case QUOTE:
        this.#isInString = true;
        return "inside";
      case OPEN_OBJECT:
      case OPEN_LIST:
        this.#depth++;
        return "inside";
      case CLOSE_OBJECT:
      case CLOSE_LIST:
        return this.#close(byte);
      default:
        return this.#depth === 0 && (isSpace(byte) || byte === COMMA) ? "behind" : "inside";
    }
  }

  #close(byte: number): Part {
    if (this.#depth > 0) return --this.#depth === 0 ? "last" : "inside";
    if (byte !== CLOSE_LIST || this.#list !== "open") return "last";
    this.#list = "none";
    return "behind";
  }

  #goOnInString(byte: number): Part {
    if (this.#isEscaped) this.#isEscaped = false;
    else if (byte === BACKSLASH) this.#isEscaped = true;
    // JSON has no newline in a string: its closing quote is missing, which spoils one value only.
    else if (byte === QUOTE || byte === NEWLINE) {
      this.#isInString = false;
      return this.#depth === 0 ? "last" : "inside";
    }
    return "inside";
  }

  #finish(): TextPiece {
    this.#isInside = false;
    this.#depth = 0;
    this.#isInString = false;
    this.#isEscaped = false;
    return this.#value.take(this.#startLine);
  }
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || (byte >= 0x09 && byte <= 0x0d);
}
