import { PieceBytes, type TextPiece, withoutMark } from "./text-piece.ts";

const NEWLINE = 0x0a;
const RETURN = 0x0d;
const QUOTE = 0x22;

/**
 * Cuts CSV into its records: lines, save that a quoted field may hold newlines. Empty lines are left
 * out. What a record holds is the parser's; a bad one spoils no other, but a quote that is never
 * closed takes in all that follows.
 *
 * @param delimiter A byte, known once the first line is: fields end there.
 */
export async function* splitCsv(
  chunks: AsyncIterable<Uint8Array>,
  isDelimiter: (byte: number) => boolean,
): AsyncGenerator<TextPiece> {
  const splitter = new CsvSplitter(isDelimiter);
  for await (const chunk of withoutMark(chunks)) yield* splitter.push(chunk);
  yield* splitter.end();
}

class CsvSplitter {
  readonly #isDelimiter: (byte: number) => boolean;
  readonly #record = new PieceBytes();
  #line = 1;
  #startLine = 1;
  /** Where we are: at the beginning of a field, in one, in quotes, or behind a quote within those. */
  #place: "start" | "plain" | "quoted" | "behind-quote" = "start";

  constructor(isDelimiter: (byte: number) => boolean) {
    this.#isDelimiter = isDelimiter;
  }

  *push(chunk: Uint8Array): Generator<TextPiece> {
    let from = 0;
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at]!;
      const isEnd = byte === NEWLINE && this.#place !== "quoted";
      this.#place = isEnd ? "start" : this.#next(byte);
      if (byte === NEWLINE) this.#line++;
      if (!isEnd) continue;
      this.#record.push(chunk.subarray(from, at));
      from = at + 1;
      yield* this.#take();
    }
    this.#record.push(chunk.subarray(from));
  }

  *end(): Generator<TextPiece> {
    const isOpen = this.#place === "quoted";
    for (const piece of this.#take()) {
      yield isOpen ? { ...piece, problem: "a quote is not closed" } : piece;
    }
  }

  #next(byte: number): "start" | "plain" | "quoted" | "behind-quote" {
    if (this.#place === "quoted") return byte === QUOTE ? "behind-quote" : "quoted";
    // A quote opens a field at its beginning; within quotes, two of them stand for one.
    if (byte === QUOTE && this.#place !== "plain") return "quoted";
    return this.#isDelimiter(byte) ? "start" : "plain";
  }

  *#take(): Generator<TextPiece> {
    const piece = this.#record.take(this.#startLine);
    this.#startLine = this.#line;
    const text =
      piece.text.charCodeAt(piece.text.length - 1) === RETURN
        ? piece.text.slice(0, -1)
        : piece.text;
    if (piece.problem !== undefined || text.trim() !== "") yield { ...piece, text };
  }
}
