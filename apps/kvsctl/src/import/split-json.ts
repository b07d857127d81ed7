import { Buffer } from "node:buffer";

/** The text of one JSON value, or why there is none. */
export interface JsonPiece {
  readonly text: string;
  /** Line on which it begins, from 1. */
  readonly line: number;
  readonly problem: string | undefined;
}

/** A value longer than this is no document: the limit of one is 16 MiB. */
const VALUE_BYTES_MAX: number = 32 << 20;

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
export async function* splitJson(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<JsonPiece> {
  const splitter = new Splitter();
  for await (const chunk of withoutMark(chunks)) yield* splitter.push(chunk);
  yield* splitter.push(Uint8Array.of(NEWLINE)); // ends a number or a word
  yield* splitter.end();
}

/** Cuts a stream into lines; empty ones are left out. Memory: one line and a chunk. */
export async function* splitLines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<JsonPiece> {
  const value = new ValueBytes();
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
  readonly #value = new ValueBytes();
  #line = 1;
  /** `before` until the first byte that is no space. */
  #list: "before" | "open" | "none" = "before";
  /** The value under way: its first line, and how deep it is nested where we are. */
  #isInside = false;
  #startLine = 1;
  #depth = 0;
  #isInString = false;
  #isEscaped = false;

  *push(chunk: Uint8Array): Generator<JsonPiece> {
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

  *end(): Generator<JsonPiece> {
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

  #finish(): JsonPiece {
    this.#isInside = false;
    this.#depth = 0;
    this.#isInString = false;
    this.#isEscaped = false;
    return this.#value.take(this.#startLine);
  }
}

/** Gathers the bytes of a value from chunks. */
class ValueBytes {
  #parts: Uint8Array[] = [];
  #length = 0;

  push(bytes: Uint8Array): void {
    this.#length += bytes.length;
    if (this.#length > VALUE_BYTES_MAX) this.#parts = [];
    else if (bytes.length > 0) this.#parts.push(bytes);
  }

  take(line: number): JsonPiece {
    const parts = this.#parts;
    const isTooLong = this.#length > VALUE_BYTES_MAX;
    this.#parts = [];
    this.#length = 0;
    if (isTooLong) return { text: "", line, problem: "it is longer than any document" };
    try {
      const text = new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(parts));
      return { text, line, problem: undefined };
    } catch {
      return { text: "", line, problem: "it is not text in UTF-8" };
    }
  }
}

/** Leaves out the byte-order mark that some programs put before UTF-8. */
async function* withoutMark(
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  let head: Uint8Array | undefined = new Uint8Array();
  for await (const chunk of chunks) {
    if (head === undefined) yield chunk;
    else {
      head = Buffer.concat([head, chunk]);
      if (head.length < MARK.length) continue;
      yield MARK.every((byte, at) => head![at] === byte) ? head.subarray(MARK.length) : head;
      head = undefined;
    }
  }
  if (head !== undefined) yield head;
}

const MARK = [0xef, 0xbb, 0xbf];

function isSpace(byte: number): boolean {
  return byte === 0x20 || (byte >= 0x09 && byte <= 0x0d);
}
