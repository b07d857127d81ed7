import { statSync } from "node:fs";
import { isKvsError } from "@kvs/env";
import { type Collection, type Database } from "@kvs/protocol";
import { type OpenSource, type SourceFormat, openSource } from "../import/record-source.ts";
import { ImportProgress } from "../import/import-progress.ts";
import { CommandFailure, type Session, callersPath, withDatabase } from "../session.ts";

/** Documents of one request, and requests under way: enough to keep the server's log busy. */
const BATCH_DOCUMENTS = 256;
const BATCHES_MAX = 8;
/** Bad records named one by one; the rest is only counted. */
const PROBLEMS_SHOWN = 20;

export interface ImportFlags {
  readonly format?: SourceFormat;
  readonly stopOnError?: boolean;
}

/** What an import came to. */
interface Tally {
  inserted: number;
  /** Were there already: a repeated import finds what the first one stored. */
  existing: number;
  bad: number;
}

/**
 * Stores the records of a file as documents.
 *
 * A record without an `_id` gets one from the file's name and its number, so that an import that was
 * interrupted is simply repeated: what is there already stays as it is.
 */
export async function importFile(
  session: Session,
  collection: string,
  file: string,
  flags: ImportFlags,
): Promise<void> {
  const source = openSource(file, flags.format, sizeOf(file));
  const tally: Tally = { inserted: 0, existing: 0, bad: 0 };
  const progress = new ImportProgress(source, session.output);
  const startMs = performance.now();
  try {
    await withDatabase(session, (database) =>
      new Importer({ database, collection, source, tally, progress, flags }).run(),
    );
  } finally {
    progress.stop();
  }
  const seconds = Math.max(0.001, (performance.now() - startMs) / 1000);
  await report(session, tally, seconds);
}

interface ImporterParts {
  readonly database: Database;
  readonly collection: string;
  readonly source: OpenSource;
  readonly tally: Tally;
  readonly progress: ImportProgress;
  readonly flags: ImportFlags;
}

class Importer {
  readonly #parts: ImporterParts;
  readonly #collection: Collection<object>;
  readonly #underWay = new Set<Promise<void>>();
  #failure: unknown = undefined;

  constructor(parts: ImporterParts) {
    this.#parts = parts;
    this.#collection = parts.database.collection<object>(parts.collection);
  }

  async run(): Promise<void> {
    const { source } = this.#parts;
    let batch: object[] = [];
    for await (const { number, line, document, problem } of source.records) {
      if (this.#failure !== undefined) break;
      if (document === undefined) {
        this.#noteProblem(number, line, problem ?? "no document");
        continue;
      }
      batch.push(this.#withId(document, number));
      if (batch.length < BATCH_DOCUMENTS) continue;
      await this.#send(batch);
      batch = [];
    }
    if (batch.length > 0 && this.#failure === undefined) await this.#send(batch);
    await Promise.all(this.#underWay);
    if (this.#failure !== undefined) throw this.#failure;
  }

  #withId(document: object, number: number): object {
    const given = (document as { readonly _id?: unknown })._id;
    if (typeof given === "string") return document;
    const _id =
      given === undefined ? `${this.#parts.source.name}:${number}` : JSON.stringify(given);
    return { ...document, _id };
  }

  /** Begins to store a batch; waits while too many are under way. */
  async #send(batch: readonly object[]): Promise<void> {
    while (this.#underWay.size >= BATCHES_MAX) await Promise.race(this.#underWay);
    const storing = this.#store(batch)
      .catch((error: unknown) => {
        this.#failure ??= error;
      })
      .finally(() => this.#underWay.delete(storing));
    this.#underWay.add(storing);
  }

  async #store(batch: readonly object[]): Promise<void> {
    const { tally, progress } = this.#parts;
    try {
      await this.#collection.insertMany(batch);
      tally.inserted += batch.length;
    } catch (error) {
      if (batch.length === 1 && isKvsError(error, "DUPLICATE_ID")) tally.existing++;
      else if (batch.length === 1 && isBadDocument(error)) this.#noteBad(batch[0]!, error);
      else if (isKvsError(error, "DUPLICATE_ID") || isBadDocument(error)) {
        await this.#storeHalves(batch); // one of them is the reason: the others are stored
        return;
      } else throw error;
    }
    progress.note(tally.inserted + tally.existing);
  }

  async #storeHalves(batch: readonly object[]): Promise<void> {
    const middle = Math.ceil(batch.length / 2);
    await this.#store(batch.slice(0, middle));
    await this.#store(batch.slice(middle));
  }

  #noteBad(document: object, error: unknown): void {
    const { _id } = document as { readonly _id?: unknown };
    const reason = error instanceof Error ? error.message : String(error);
    this.#count(`document ${JSON.stringify(_id)}: ${reason}`);
  }

  #noteProblem(number: number, line: number, problem: string): void {
    this.#count(`record ${number}, line ${line}: ${problem}`);
  }

  #count(message: string): void {
    const { tally, flags, progress } = this.#parts;
    tally.bad++;
    if (flags.stopOnError === true) throw new CommandFailure(`${message}; stopped`);
    if (tally.bad <= PROBLEMS_SHOWN) progress.say(message);
    if (tally.bad === PROBLEMS_SHOWN + 1) progress.say("further bad records are only counted");
  }
}

/** Whether the document itself is at fault, so that others may still be stored. */
function isBadDocument(error: unknown): boolean {
  return (
    isKvsError(error) && (error.code.startsWith("CODEC_") || error.code.startsWith("QUERY_BAD"))
  );
}

async function report(session: Session, tally: Tally, seconds: number): Promise<void> {
  const { output } = session;
  const documentsPerSecond = Math.round((tally.inserted + tally.existing) / seconds);
  if (output.isJson) await output.value({ ...tally, seconds, documentsPerSecond });
  else {
    const existing = tally.existing === 0 ? "" : `, ${tally.existing} were there already`;
    const bad = tally.bad === 0 ? "" : `, ${tally.bad} bad`;
    const rate = `${seconds.toFixed(1)} s, ${documentsPerSecond} documents/s`;
    output.say(`imported ${tally.inserted} documents${existing}${bad} (${rate})`);
  }
  if (tally.bad > 0) process.exitCode = 1;
}

function sizeOf(file: string): number | undefined {
  if (file === "-") return undefined;
  try {
    return statSync(callersPath(file)).size;
  } catch (error) {
    throw new CommandFailure(`${file} cannot be read`, { cause: error });
  }
}
