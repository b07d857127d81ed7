import { Readable, pipeline } from "node:stream";
import { type CsvError, type InfoRecord, parse } from "csv-parse";
import { CommandFailure } from "../session.ts";
import { type SourceRecord } from "./source-record.ts";

/** An unclosed quote swallows what follows, up to so many characters. */
const RECORD_CHARACTERS_MAX: number = 32 << 20;

type Row = Readonly<Record<string, string>>;

/**
 * Reads CSV with a line of names above its records. Numbers become numbers where they come out as
 * they went in, an `_id` stays text, and empty fields are left out.
 *
 * @throws {CommandFailure} if two columns have the same name.
 */
export async function* readCsv(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<SourceRecord> {
  let number = 0;
  const skipped: SourceRecord[] = [];
  const parser = parse({
    columns: checkNames,
    bom: true,
    skip_empty_lines: true,
    relax_column_count: true,
    max_record_size: RECORD_CHARACTERS_MAX,
    skip_records_with_error: true,
    on_skip: (error) => {
      skipped.push(unreadable(++number, error));
    },
    on_record: (row: Row, context) => toRecord(++number, row, context),
  });
  pipeline(Readable.from(chunks), parser, () => undefined); // an error comes out of the parser, too
  for await (const record of parser as AsyncIterable<SourceRecord>) {
    while ((skipped[0]?.number ?? Infinity) < record.number) yield skipped.shift()!;
    yield record;
  }
  yield* skipped;
}

/** The first line. A column without a name is called by its place. */
function checkNames(line: readonly string[]): string[] {
  const names = line.map((name, at) => (name.trim() === "" ? `column_${at + 1}` : name.trim()));
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice === undefined) return names;
  throw new CommandFailure(`two columns are called "${twice}"; rename one of them`);
}

function toRecord(
  number: number,
  row: Row,
  { lines, error }: Pick<InfoRecord, "lines"> & { readonly error: Error | undefined },
): SourceRecord {
  const fields = Object.entries(row);
  const breaks = fields.reduce((sum, [, text]) => sum + text.split("\n").length - 1, 0);
  const size = fields.reduce((sum, [, text]) => sum + text.length, 0);
  const record = { number, line: lines - breaks, size };
  const problem = error === undefined ? undefined : withoutLine(error.message);
  if (problem !== undefined) return { ...record, document: undefined, problem };
  if (fields.some(([, text]) => text.includes("\uFFFD"))) {
    return { ...record, document: undefined, problem: "it is not text in UTF-8" };
  }
  return { ...record, document: toDocument(fields), problem: undefined };
}

function unreadable(number: number, error: CsvError | undefined): SourceRecord {
  const line = (error as { readonly lines?: number } | undefined)?.lines ?? 0;
  const problem = withoutLine(error?.message ?? "it cannot be read");
  return { number, line, document: undefined, problem, size: 0 };
}

function toDocument(fields: readonly (readonly [string, string])[]): object {
  const members: [string, unknown][] = [];
  for (const [name, text] of fields) {
    if (text !== "") members.push([name, name === "_id" ? text : typed(text)]);
  }
  return Object.fromEntries(members);
}

/** A number only if it is written as a number would be: no leading zeros, no more digits. */
function typed(text: string): unknown {
  return /^-?\d[\d.]*$/.test(text) && String(Number(text)) === text ? Number(text) : text;
}

/** csv-parse tells the line by itself; ours stands before the message. */
function withoutLine(message: string): string {
  return message.replace(/ (?:on|at) line \d+/, "");
}
