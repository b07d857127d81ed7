import Table from "cli-table3";
import { toJson } from "./json-values.ts";

/** Cells are cut to this many characters on a terminal. */
const CELL_CHARACTERS_MAX = 60;
/** Columns of a table of documents; what is left goes into the last one. */
const COLUMNS_MAX = 8;

/** Where a command writes: tables for people, or a JSON value per line for programs. */
export class Output {
  readonly isJson: boolean;
  /** Whether a person reads it. */
  readonly isTerminal: boolean;
  readonly #stream: NodeJS.WritableStream;

  constructor(isJson: boolean, stream: NodeJS.WriteStream = process.stdout) {
    this.isJson = isJson;
    this.isTerminal = stream.isTTY === true;
    this.#stream = stream;
  }

  line(text: string): void {
    this.#stream.write(`${text}\n`);
  }

  /** One value on one line, as JSON; waits while the reader is slow. */
  async value(value: unknown): Promise<void> {
    const hasRoom = this.#stream.write(`${toJson(value)}\n`);
    if (!hasRoom) await new Promise((resolve) => this.#stream.once("drain", resolve));
  }

  /** A sentence for people; nothing with `--json`. */
  say(text: string): void {
    if (!this.isJson) this.line(text);
  }

  /** Rows under headings. */
  table(headings: readonly string[], rows: readonly (readonly unknown[])[]): void {
    const table = new Table({ head: [...headings], style: { head: [], border: [] } });
    for (const row of rows) table.push(row.map((cell) => cut(show(cell))));
    this.line(table.toString());
  }

  /** Documents as a table: a column for each name, most frequent first. */
  documents(documents: readonly object[]): void {
    const counts = new Map<string, number>();
    for (const document of documents) {
      for (const name of Object.keys(document)) counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    const names = [...counts.keys()].toSorted((a, b) => counts.get(b)! - counts.get(a)!);
    const shown = names.slice(0, COLUMNS_MAX);
    const rows = documents.map((document) => {
      const members = document as Readonly<Record<string, unknown>>;
      return shown.map((name) => (Object.hasOwn(members, name) ? members[name] : ""));
    });
    this.table(shown, rows);
    if (names.length > shown.length) {
      this.line(`(not shown: ${names.slice(COLUMNS_MAX).join(", ")}; --json shows everything)`);
    }
  }
}

function show(value: unknown): string {
  return typeof value === "string" ? value : toJson(value);
}

function cut(text: string): string {
  const line = text.replaceAll(/\s+/g, " ");
  return line.length > CELL_CHARACTERS_MAX ? `${line.slice(0, CELL_CHARACTERS_MAX - 1)}…` : line;
}
