import { CommandFailure } from "../session.ts";
import { type SourceRecord } from "./source-record.ts";
import { splitCsv } from "./split-csv.ts";

/** In the order of preference where a header has as many of each. */
const DELIMITERS = [",", ";", "\t"];

/**
 * Reads CSV with a line of names above its records; the names tell whether fields end with a comma,
 * a semicolon or a tab. Numbers become numbers where they come out as they went in, an `_id` stays
 * text, and empty fields are left out.
 *
 * @throws {CommandFailure} if the names cannot be read, or two columns have the same.
 */
export async function* readCsv(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<SourceRecord> {
  let names: readonly string[] | undefined;
  let delimiter = DELIMITERS.join("");
  let number = 0;
  const pieces = splitCsv(chunks, (byte) => delimiter.includes(String.fromCharCode(byte)));
  for await (const { text, line, problem } of pieces) {
    if (names === undefined) {
      delimiter = delimiterOf(text);
      names = readNames(text, delimiter, problem);
      continue;
    }
    const parsed =
      problem === undefined ? readRecord(text, delimiter, names) : { document: undefined, problem };
    yield { number: ++number, line, size: text.length, ...parsed };
  }
}

function delimiterOf(text: string): string {
  const count = (delimiter: string): number => text.split(delimiter).length;
  return DELIMITERS.reduce((best, each) => (count(each) > count(best) ? each : best));
}

/** A column without a name is called by its place. */
function readNames(text: string, delimiter: string, problem: string | undefined): string[] {
  if (problem !== undefined)
    throw new CommandFailure(`the first line names the columns: ${problem}`);
  const { fields, problem: reason } = readFields(text, delimiter);
  if (fields === undefined) throw new CommandFailure(`the first line names the columns: ${reason}`);
  const names = fields.map((name, at) => name.trim() || `column_${at + 1}`);
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice === undefined) return names;
  throw new CommandFailure(`two columns are called "${twice}"; rename one of them`);
}

function readRecord(
  text: string,
  delimiter: string,
  names: readonly string[],
): Pick<SourceRecord, "document" | "problem"> {
  const { fields, problem } = readFields(text, delimiter);
  if (fields === undefined) return { document: undefined, problem };
  if (fields.length !== names.length) {
    const counted = fields.length === 1 ? "1 field" : `${fields.length} fields`;
    return { document: undefined, problem: `it has ${counted}, the first line ${names.length}` };
  }
  const members: [string, unknown][] = [];
  for (const [at, field] of fields.entries()) {
    const name = names[at]!;
    if (field !== "") members.push([name, name === "_id" ? field : typed(field)]);
  }
  return { document: Object.fromEntries(members), problem: undefined };
}

interface Fields {
  readonly fields: readonly string[] | undefined;
  readonly problem: string | undefined;
}

/** The fields of one record (RFC 4180). A quote inside a field that does not begin with one is text. */
function readFields(text: string, delimiter: string): Fields {
  const fields: string[] = [];
  for (let at = 0; at <= text.length; at++) {
    const isQuoted = text[at] === '"';
    const end = isQuoted ? endOfQuoted(text, at) : text.indexOf(delimiter, at);
    if (isQuoted && end === -1) return { fields: undefined, problem: "a quote is not closed" };
    if (isQuoted && end < text.length && text[end] !== delimiter) {
      const problem = `field ${fields.length + 1} goes on behind its closing quote`;
      return { fields: undefined, problem };
    }
    const to = end === -1 ? text.length : end;
    fields.push(isQuoted ? text.slice(at + 1, to - 1).replaceAll('""', '"') : text.slice(at, to));
    at = to;
  }
  return { fields, problem: undefined };
}

/** Just behind the closing quote of the field that begins at `from`; -1 if there is none. */
function endOfQuoted(text: string, from: number): number {
  let quote = text.indexOf('"', from + 1);
  while (quote !== -1 && text[quote + 1] === '"') quote = text.indexOf('"', quote + 2);
  return quote === -1 ? -1 : quote + 1;
}

/** A number only if it is written as one would be: no leading zeros, no more digits than hold. */
function typed(text: string): unknown {
  return /^-?\d[\d.]*$/.test(text) && String(Number(text)) === text ? Number(text) : text;
}
