import { Buffer } from "node:buffer";

/** The text of one record of a file, or why there is none. */
export interface TextPiece {
  readonly text: string;
  /** Line on which it begins, from 1. */
  readonly line: number;
  readonly problem: string | undefined;
}

/** A record longer than this is no document: the limit of one is 16 MiB. */
const PIECE_BYTES_MAX: number = 32 << 20;

/** Gathers the bytes of a record from chunks. */
export class PieceBytes {
  #parts: Uint8Array[] = [];
  #length = 0;

  push(bytes: Uint8Array): void {
    this.#length += bytes.length;
    if (this.#length > PIECE_BYTES_MAX) this.#parts = [];
    else if (bytes.length > 0) this.#parts.push(bytes);
  }

  take(line: number): TextPiece {
    const parts = this.#parts;
    const isTooLong = this.#length > PIECE_BYTES_MAX;
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
export async function* withoutMark(
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
