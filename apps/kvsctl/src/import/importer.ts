import { isKvsError } from "@kvs/env";
import { type Collection } from "@kvs/protocol";
import { toJson } from "../json-values.ts";
import { CommandFailure } from "../session.ts";
import { type SourceRecord } from "./source-record.ts";

/** Documents and characters of one request, and requests under way: enough to keep the log busy. */
const BATCH_DOCUMENTS = 256;
const BATCH_CHARACTERS: number = 1 << 20;
const BATCHES_MAX = 8;

/** Digits of a record's number in the id that it gets. */
const ID_DIGITS = 9;

/** What an import came to. */
export interface Tally {
  inserted: number;
  /** Were there already: a repeated import finds what the first one stored. */
  existing: number;
  bad: number;
}

export interface ImporterOptions {
  readonly collection: Collection<object>;
  /** Of the file: what ids begin with. */
  readonly name: string;
  readonly stopsOnError: boolean;
  /** Gets a line for each bad record. */
  readonly onProblem: (text: string) => void;
  /** Called as documents are stored. */
  readonly onStored: (tally: Tally) => void;
}

/** A record that has an id and may be stored. */
interface Candidate {
  readonly record: SourceRecord;
  readonly document: { readonly _id: string };
}

/**
 * Stores records as documents, many requests at a time.
 *
 * A record without an `_id` gets one from the file's name and its number. So a repeated import finds
 * what is there already, and leaves it as it is.
 */
export class Importer {
  readonly tally: Tally = { inserted: 0, existing: 0, bad: 0 };
  readonly #options: ImporterOptions;
  readonly #underWay = new Set<Promise<void>>();
  #batch: Candidate[] = [];
  #batchCharacters = 0;
  #failure: { readonly error: unknown } | undefined;
  #isStopped = false;

  constructor(options: ImporterOptions) {
    this.#options = options;
  }

  /** Takes no more records; what is under way is finished. */
  stop(): void {
    this.#isStopped = true;
  }

  /**
   * Stores what `records` gives, until its end, a failure, or `stop`.
   *
   * @throws {CommandFailure} at a bad record, if that was asked for; what stood before it is stored.
   * @throws what the database throws.
   */
  async run(records: AsyncIterable<SourceRecord>): Promise<void> {
    try {
      for await (const record of records) {
        if (this.#isStopped || this.#failure !== undefined) break;
        this.#take(record);
        if (this.#isFull()) await this.#send();
      }
    } catch (error) {
      this.#failure ??= { error };
    }
    await this.#send();
    await Promise.all(this.#underWay);
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  #isFull(): boolean {
    return this.#batch.length >= BATCH_DOCUMENTS || this.#batchCharacters >= BATCH_CHARACTERS;
  }

  #take(record: SourceRecord): void {
    if (record.document === undefined) {
      this.#noteBad(record, record.problem ?? "there is no document");
      return;
    }
    const _id = idOf(record.document, makeId(this.#options.name, record.number));
    if (_id === undefined) {
      this.#noteBad(record, "its _id is neither a text nor a number");
      return;
    }
    this.#batch.push({ record, document: { ...record.document, _id } });
    this.#batchCharacters += record.size;
  }

  /** Begins to store the batch; waits while too many are under way. */
  async #send(): Promise<void> {
    const batch = this.#batch;
    this.#batch = [];
    this.#batchCharacters = 0;
    if (batch.length === 0) return;
    while (this.#underWay.size >= BATCHES_MAX) await Promise.race(this.#underWay);
    const storing = this.#store(batch)
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .finally(() => this.#underWay.delete(storing));
    this.#underWay.add(storing);
  }

  async #store(batch: readonly Candidate[]): Promise<void> {
    try {
      await this.#options.collection.insertMany(batch.map(({ document }) => document));
      this.tally.inserted += batch.length;
    } catch (error) {
      if (isKvsError(error, "DUPLICATE_ID")) await this.#storeMissing(batch);
      else if (isBadDocument(error)) await this.#storeGood(batch, error);
      else throw error;
    }
    this.#options.onStored(this.tally);
  }

  /** Some of the ids are taken: stores the others. */
  async #storeMissing(batch: readonly Candidate[]): Promise<void> {
    const missing = new Map<string, Candidate>(); // a file may name an id twice: the first holds
    const found = await Promise.all(
      batch.map(({ document }) => this.#options.collection.get(document._id)),
    );
    for (const [at, candidate] of batch.entries()) {
      const { _id } = candidate.document;
      if (found[at] === undefined && !missing.has(_id)) missing.set(_id, candidate);
    }
    this.tally.existing += batch.length - missing.size;
    if (missing.size > 0) await this.#store([...missing.values()]);
  }

  /** One of them cannot be stored: finds it by halves. */
  async #storeGood(batch: readonly Candidate[], error: unknown): Promise<void> {
    if (batch.length === 1) {
      this.#noteBad(batch[0]!.record, error instanceof Error ? error.message : String(error));
      return;
    }
    const middle = Math.ceil(batch.length / 2);
    await this.#store(batch.slice(0, middle));
    await this.#store(batch.slice(middle));
  }

  #noteBad({ number, line }: SourceRecord, problem: string): void {
    const text = `record ${number}, line ${line}: ${problem}`;
    this.tally.bad++;
    if (this.#options.stopsOnError) throw new CommandFailure(text);
    this.#options.onProblem(text);
  }
}

/** In the order of the records, so that a collection has the order of its file. */
function makeId(name: string, number: number): string {
  return `${name}:${String(number).padStart(ID_DIGITS, "0")}`;
}

/** The `_id` that a record has or gets; `undefined` if it has one that cannot be. */
function idOf(document: object, made: string): string | undefined {
  const { _id } = document as { readonly _id?: unknown };
  if (_id === undefined) return made;
  if (typeof _id === "string") return _id;
  if (typeof _id === "number" || typeof _id === "bigint") return String(_id);
  const { $oid } = (_id ?? {}) as { readonly $oid?: unknown }; // an export of MongoDB
  if (typeof $oid === "string") return $oid;
  return typeof _id === "object" && _id !== null ? toJson(_id) : undefined;
}

/** Whether the document itself is at fault, so that others may still be stored. */
function isBadDocument(error: unknown): boolean {
  if (!isKvsError(error)) return false;
  return error.code.startsWith("CODEC_") || BAD_DOCUMENT_CODES.has(error.code);
}

const BAD_DOCUMENT_CODES: ReadonlySet<string> = new Set(["QUERY_BAD_ID", "BATCH_TOO_LARGE"]);
