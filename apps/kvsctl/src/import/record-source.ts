import { createReadStream } from "node:fs";
import { basename } from "node:path";
import { type Readable } from "node:stream";
import { parse } from "csv-parse";
import { fromJson } from "../json-values.ts";
import { CommandFailure, callersPath } from "../session.ts";
import { type JsonPiece, splitJson, splitLines } from "./split-json.ts";

/** One record of a file, or what is wrong with it. */
export interface SourceRecord {
  /** 1 for the first record of the file. */
  readonly number: number;
  /** Line on which it begins, where that is known. */
  readonly line: number;
  readonly document: object | undefined;
  /** Why there is no document. */
  readonly problem: string | undefined;
}

export type SourceFormat = "json" | "jsonl" | "csv";

/** A file or standard input, and how far it was read. */
export interface OpenSource {
  /** For ids: the file's name, without its folder. */
  readonly name: string;
  readonly format: SourceFormat;
  readonly totalBytes: number | undefined;
  readonly bytesRead: () => number;
  readonly records: AsyncIterable<SourceRecord>;
}

/**
 * Opens a file of JSON (a list of documents, or one document), JSON Lines or CSV, or standard input.
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
  const counted = count(stream, (length) => (bytes += length));
  return {
    name: path === "-" ? "stdin" : basename(path),
    format: chosen,
    totalBytes,
    bytesRead: () => bytes,
    records: chosen === "csv" ? readCsv(counted) : readPieces(piecesOf(chosen, counted)),
  };
}

function formatOf(path: string): SourceFormat {
  if (path === "-") return "jsonl";
  const ending = /\.([^.]+)$/.exec(path)?.[1]?.toLowerCase();
  if (ending === "json") return "json";
  if (ending === "jsonl" || ending === "ndjson") return "jsonl";
  if (ending === "csv") return "csv";
  throw new CommandFailure(
    `${path}: the ending does not tell the format; say --format json, jsonl or csv`,
  );
}

async function* count(
  stream: Readable,
  note: (length: number) => void,
): AsyncGenerator<Buffer, void, undefined> {
  for await (const chunk of stream) {
    const bytes = Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk));
    note(bytes.length);
    yield bytes;
  }
}

function piecesOf(
  format: "json" | "jsonl",
  chunks: AsyncIterable<Buffer>,
): AsyncGenerator<JsonPiece> {
  return format === "json" ? splitJson(chunks) : splitLines(chunks);
}

async function* readPieces(pieces: AsyncIterable<JsonPiece>): AsyncGenerator<SourceRecord> {
  let number = 0;
  for await (const { text, line, problem } of pieces) {
    number++;
    yield problem === undefined ? parseRecord(text, number, line) : bad(number, line, problem);
  }
}

function parseRecord(text: string, number: number, line: number): SourceRecord {
  try {
    const value = fromJson(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      return { number, line, document: value, problem: undefined };
    }
    return bad(number, line, "a document is an object, not a bare value or a list");
  } catch (error) {
    return bad(number, line, error instanceof Error ? error.message : String(error));
  }
}

/** The first line names the members. Numbers become numbers, empty fields are left out. */
async function* readCsv(chunks: AsyncIterable<Buffer>): AsyncGenerator<SourceRecord> {
  const parser = parse({
    columns: true,
    bom: true,
    info: true,
    skip_empty_lines: true,
    relax_column_count: true,
  });
  const feeding = feed(chunks, parser);
  let number = 0;
  for await (const row of parser as AsyncIterable<CsvRow>) {
    number++;
    const { record, info } = row;
    if (info.error !== undefined) yield bad(number, info.lines, info.error.message);
    else yield { number, line: info.lines, document: typed(record), problem: undefined };
  }
  await feeding;
}

interface CsvRow {
  readonly record: Readonly<Record<string, string>>;
  readonly info: { readonly lines: number; readonly error?: Error };
}

async function feed(chunks: AsyncIterable<Buffer>, parser: NodeJS.WritableStream): Promise<void> {
  for await (const chunk of chunks) {
    if (!parser.write(chunk)) await new Promise((resolve) => parser.once("drain", resolve));
  }
  parser.end();
}

function typed(record: Readonly<Record<string, string>>): object {
  const members: [string, unknown][] = [];
  for (const [name, text] of Object.entries(record)) {
    if (text === "") continue;
    members.push([name, NUMBER.test(text) ? Number(text) : text]);
  }
  return Object.fromEntries(members);
}

/** Numbers that come out as they went in: no leading zeros, no more digits than are exact. */
const NUMBER = /^-?(?:0|[1-9]\d{0,14})(?:\.\d{1,10})?$/;

function bad(number: number, line: number, problem: string): SourceRecord {
  return { number, line, document: undefined, problem };
}
