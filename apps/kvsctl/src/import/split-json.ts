import { StringDecoder } from "node:string_decoder";

/** The text of one JSON value, or why it cannot be told where it ends. */
export interface JsonPiece {
  readonly text: string;
  /** Line on which it begins, from 1. */
  readonly line: number;
  readonly problem: string | undefined;
}

/** A value longer than this is no document: the limit of one is 16 MiB. */
const VALUE_CHARACTERS_MAX: number = 32 << 20;

/**
 * Cuts a stream of JSON into its values: those of one list, or values one after the other. It only
 * finds where values end; parsing is the reader's. Memory: one value and a chunk.
 */
export async function* splitJson(chunks: AsyncIterable<Buffer>): AsyncGenerator<JsonPiece> {
  const splitter = new Splitter();
  const decoder = new StringDecoder("utf8");
  for await (const chunk of chunks) yield* splitter.push(decoder.write(chunk));
  yield* splitter.push(`${decoder.end()}\n`);
  yield* splitter.end();
}

/** Cuts a stream into lines; empty ones are left out. Memory: one line and a chunk. */
export async function* splitLines(chunks: AsyncIterable<Buffer>): AsyncGenerator<JsonPiece> {
  const decoder = new StringDecoder("utf8");
  let line = 0;
  let rest = "";
  for await (const chunk of chunks) {
    const parts = (rest + decoder.write(chunk)).split("\n");
    rest = parts.pop()!;
    for (const text of parts) {
      line++;
      if (text.trim() !== "") yield { text, line, problem: undefined };
    }
    if (rest.length <= VALUE_CHARACTERS_MAX) continue;
    yield { text: "", line: line + 1, problem: "a line longer than any document" };
    return;
  }
  const last = rest + decoder.end();
  if (last.trim() !== "") yield { text: last, line: line + 1, problem: undefined };
}

class Splitter {
  #isInList = false;
  #hasBegun = false;
  #line = 1;
  /** The value under way, its first line, and how deep it is nested. */
  #text = "";
  #startLine = 1;
  #depth = 0;
  #isInString = false;
  #isEscaped = false;

  *push(text: string): Generator<JsonPiece> {
    let from = 0;
    for (let at = 0; at < text.length; at++) {
      const character = text[at]!;
      const wasOutside = this.#depth === 0 && this.#text === "" && from === at;
      if (wasOutside && this.#skip(character)) {
        from = at + 1;
        continue;
      }
      if (wasOutside) this.#startLine = this.#line;
      const isEnd = this.#take(character);
      if (character === "\n") this.#line++;
      if (!isEnd) continue;
      const isDelimiter = this.#depth === 0 && /[\s,\]]/.test(character);
      this.#text += text.slice(from, isDelimiter ? at : at + 1);
      if (isDelimiter && character === "]") this.#isInList = false;
      from = at + 1;
      yield this.#finish(undefined);
    }
    this.#text += text.slice(from);
    if (this.#text.length > VALUE_CHARACTERS_MAX) yield this.#finish("longer than any document");
  }

  *end(): Generator<JsonPiece> {
    if (this.#text.trim() !== "") yield this.#finish("it ends in the middle of a value");
    else if (this.#isInList) {
      this.#startLine = this.#line;
      yield this.#finish("the list is not closed; is the file cut off?");
    }
  }

  /** Whether the character stands between values. */
  #skip(character: string): boolean {
    if (character === "\n") this.#line++;
    if (/[\s,\uFEFF]/.test(character)) return true;
    if (character === "[" && !this.#hasBegun) {
      this.#hasBegun = true;
      this.#isInList = true;
      return true;
    }
    this.#hasBegun = true;
    if (character !== "]" || !this.#isInList) return false;
    this.#isInList = false;
    return true;
  }

  /** Follows the value under way. Returns whether it ends with this character. */
  #take(character: string): boolean {
    if (this.#isInString) return this.#takeInString(character);
    if (character === '"') this.#isInString = true;
    else if (character === "{" || character === "[") this.#depth++;
    else if (character === "}" || character === "]") {
      if (this.#depth === 0) return true;
      this.#depth--;
      return this.#depth === 0;
    }
    return this.#depth === 0 && !this.#isInString && /[\s,]/.test(character);
  }

  #takeInString(character: string): boolean {
    if (this.#isEscaped) this.#isEscaped = false;
    else if (character === "\\") this.#isEscaped = true;
    else if (character === '"') {
      this.#isInString = false;
      return this.#depth === 0;
    }
    return false;
  }

  #finish(problem: string | undefined): JsonPiece {
    const piece = { text: this.#text, line: this.#startLine, problem };
    this.#text = "";
    this.#depth = 0;
    this.#isInString = false;
    this.#isEscaped = false;
    this.#startLine = this.#line;
    return piece;
  }
}
