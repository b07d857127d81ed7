import Table from "cli-table3";
import { toJson } from "./json-values.ts";

/** A cell is cut to this many characters, or fewer where the terminal is narrow. */
const CELL_CHARACTERS_MAX = 60;
/** Columns narrower than this tell nothing. */
const CELL_CHARACTERS_MIN = 10;
/** Around the text of a cell: a space on both sides and a line. */
const CELL_FRAME = 3;
const TERMINAL_COLUMNS = 80;

/** Where a command writes: tables for people, or a JSON value per line for programs. */
export class Output {
  readonly isJson: boolean;
  /** Whether a person reads it. */
  readonly isTerminal: boolean;
  readonly #stream: NodeJS.WriteStream;

  constructor(isJson: boolean, stream: NodeJS.WriteStream = process.stdout) {
    this.isJson = isJson;
    this.isTerminal = stream.isTTY; // undefined where the stream is a file or a pipe
    this.#stream = stream;
  }

  /** Text and a newline; waits while the reader is slow. */
  async line(text: string): Promise<void> {
    const hasRoom = this.#stream.write(`${this.isTerminal ? harmless(text) : text}\n`);
    if (!hasRoom) await new Promise((resolve) => this.#stream.once("drain", resolve));
  }

  /** One value on one line, as JSON. */
  value(value: unknown): Promise<void> {
    return this.line(toJson(value));
  }

  /** A sentence for people; nothing with `--json`. */
  async say(text: string): Promise<void> {
    if (!this.isJson) await this.line(text);
  }

  /** Rows under headings, as wide as the terminal at most. */
  table(headings: readonly string[], rows: readonly (readonly unknown[])[]): Promise<void> {
    const columns = this.#columns();
    const cells = rows.map((row) => row.map((cell) => oneLine(cell)));
    const widths = headings.map((heading, at) =>
      cells.reduce((most, row) => Math.max(most, row[at]!.length), heading.length),
    );
    const fitted = fitWidths(widths, columns);
    const table = new Table({
      head: [...headings],
      style: { head: [], border: [], compact: true },
    });
    for (const row of cells) table.push(row.map((cell, at) => cut(cell, fitted[at]!)));
    return this.line(table.toString());
  }

  /** Documents as a table: a column for each name, most frequent first. */
  async documents(documents: readonly object[]): Promise<void> {
    const counts = new Map<string, number>();
    for (const document of documents) {
      for (const name of Object.keys(document)) counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    const names = [...counts.keys()].toSorted((a, b) => rank(b, counts) - rank(a, counts));
    const room = Math.floor((this.#columns() - 1) / (CELL_CHARACTERS_MIN + CELL_FRAME));
    const shown = names.slice(0, Math.max(1, room));
    const rows = documents.map((document) => {
      const members = document as Readonly<Record<string, unknown>>;
      return shown.map((name) => (Object.hasOwn(members, name) ? members[name] : ""));
    });
    await this.table(shown, rows);
    if (names.length === shown.length) return;
    await this.line(
      `(no room for ${names.slice(shown.length).join(", ")}; --json shows everything)`,
    );
  }

  #columns(): number {
    const { columns } = this.#stream as Partial<NodeJS.WriteStream>;
    return columns === undefined || columns === 0 ? TERMINAL_COLUMNS : columns;
  }
}

/** How early a column stands: `_id` first, then by how many documents have it. */
function rank(name: string, counts: ReadonlyMap<string, number>): number {
  return name === "_id" ? Infinity : counts.get(name)!;
}

/** Makes the widest columns narrower until all of them fit. */
export function fitWidths(widths: readonly number[], columns: number): number[] {
  const fitted = widths.map((width) => Math.min(width, CELL_CHARACTERS_MAX));
  const room = columns - 1 - CELL_FRAME * fitted.length;
  for (;;) {
    const sum = fitted.reduce((total, width) => total + width, 0);
    const widest = Math.max(...fitted);
    if (sum <= room || widest <= CELL_CHARACTERS_MIN) return fitted;
    fitted[fitted.indexOf(widest)] = widest - 1;
  }
}

function oneLine(value: unknown): string {
  const text = typeof value === "string" ? value : toJson(value);
  return harmless(text.slice(0, CELL_CHARACTERS_MAX * 4).replaceAll(/\s+/g, " "));
}

function cut(text: string, width: number): string {
  const characters = Array.from(text); // a surrogate pair is not cut apart
  return characters.length > width ? `${characters.slice(0, width - 1).join("")}…` : text;
}

/** Stored text may hold sequences that command a terminal: they are shown instead. */
function harmless(text: string): string {
  // oxlint-disable-next-line no-control-regex -- that is what is looked for
  return text.replaceAll(/[\u0000-\u0008\u000B-\u001F\u007F-\u009F]/g, (character) => {
    return `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`;
  });
}
