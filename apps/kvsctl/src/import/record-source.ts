import { createReadStream } from "node:fs";
import { basename } from "node:path";
import { type Readable } from "node:stream";
import { fromJson, isObject } from "../json-values.ts";
import { CommandFailure, callersPath } from "../session.ts";
import { readCsv } from "./read-csv.ts";
import { type SourceRecord } from "./source-record.ts";
import { splitJson, splitLines } from "./split-json.ts";
import { type TextPiece } from "./text-piece.ts";

export type SourceFormat = "json" | "jsonl" | "csv";
export const SOURCE_FORMATS: readonly SourceFormat[] = ["json", "jsonl", "csv"];

/** A file or standard input, and how far it was read. */
export interface OpenSource {
  /** For ids: the file's name, without its folder. */
  readonly name: string;
  readonly totalBytes: number | undefined;
  readonly bytesRead: () => number;
  readonly records: AsyncIterable<SourceRecord>;
  /** Ends `records` early. */
  readonly stop: () => void;
}

/**
 * Opens a file of JSON (a list of documents, or one after the other), JSON Lines or CSV, or standard
 * input.
 *
 * @param path "-" is standard input.
 * @param format By the file's ending unless given; standard input is JSON Lines.
 */
export function openSource(
  path: string,
  format: SourceFormat | undefined,
  totalBytes: number | undefined,
): OpenSource {
  const chosen = format ?? formatOf(path);
  const stream: Readable = path === "-" ? process.stdin : createReadStream(callersPath(path));
  let bytes = 0;
  const counted = readBytes(stream, path, (length) => (bytes += length));
  return {
    name: path === "-" ? "stdin" : basename(path),
    totalBytes,
    bytesRead: () => bytes,
    records: readRecords(chosen, counted),
    stop: () => void stream.destroy(),
  };
}

/** The records of a stream of bytes. */
function readRecords(
  format: SourceFormat,
  chunks: AsyncIterable<Uint8Array>,
): AsyncIterable<SourceRecord> {
  if (format === "csv") return readCsv(chunks);
  return readPieces(format === "json" ? splitJson(chunks) : splitLines(chunks));
}

export function formatOf(path: string): SourceFormat {
  if (path === "-") return "jsonl";
  const ending = /\.([^./]+)$/.exec(path)?.[1]?.toLowerCase();
  if (ending === "json") return "json";
  if (ending === "jsonl" || ending === "ndjson") return "jsonl";
  if (ending === "csv") return "csv";
  throw new CommandFailure(
    `the name ${path} does not tell its format; say --format json, jsonl or csv`,
  );
}

async function* readBytes(
  stream: Readable,
  path: string,
  note: (length: number) => void,
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    for await (const chunk of stream as AsyncIterable<Uint8Array>) {
      note(chunk.length);
      yield chunk;
    }
  } catch (error) {
    const { code } = error as { readonly code?: unknown };
    if (code === "ERR_STREAM_PREMATURE_CLOSE") return; // `stop` was called
    const reason = code === "EISDIR" ? "it is a folder" : String(code ?? error);
    throw new CommandFailure(`${path} cannot be read: ${reason}`, { cause: error });
  }
}

async function* readPieces(pieces: AsyncIterable<TextPiece>): AsyncGenerator<SourceRecord> {
  let number = 0;
  for await (const { text, line, problem } of pieces) {
    number++;
    const parsed = problem === undefined ? parseDocument(text) : { problem, document: undefined };
    yield { number, line, size: text.length, ...parsed };
  }
}

function parseDocument(text: string): Pick<SourceRecord, "document" | "problem"> {
  try {
    const value = fromJson(text);
    if (isObject(value)) return { document: value, problem: undefined };
    return { document: undefined, problem: "a document is an object, not a bare value or a list" };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { document: undefined, problem: `not JSON: ${reason}` };
  }
}
