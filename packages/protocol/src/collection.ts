/** A document as it was stored: the caller's members and its `_id`. */
export type Stored<T> = T & { readonly _id: string };

/** A document with what the database knows of it. */
export interface DocumentEnvelope<T> {
  readonly _id: string;
  /** How often it was written: 1 after the insert. */
  readonly _version: number;
  /** When it was last written, as ISO 8601 in UTC. */
  readonly _timestamp: string;
  readonly data: T;
}

/** Options of a collection. None yet; schema and indexes come here. */
export type CollectionOptions<T extends object> = {
  readonly [Option in never]: T;
};

/** Documents under ids, found by filters in MongoDB's spelling and meaning. */
export interface Collection<T extends object> {
  readonly name: string;
  /**
   * Stores a new document.
   *
   * @returns Its `_id`: the one given, a text of 1 to 512 bytes, or a new UUIDv7.
   * @throws {KvsError} `DUPLICATE_ID` if there is one with this `_id`; `QUERY_BAD_ID`; `CODEC_…` for
   *   what cannot be a document.
   */
  insert(document: T): Promise<string>;
  /** Stores new documents, all or none. */
  insertMany(documents: readonly T[]): Promise<string[]>;
  get(id: string): Promise<Stored<T> | undefined>;
  getDocument(id: string): Promise<DocumentEnvelope<T> | undefined>;
  /**
   * Replaces a document.
   *
   * @returns Whether there was one, or `upsert` made it.
   * @throws {KvsError} `VERSION_MISMATCH` if `ifVersion` is not its `_version`.
   */
  update(id: string, replacement: T, options?: UpdateOptions): Promise<boolean>;
  /** Removes a document. Returns whether there was one. @throws {KvsError} `VERSION_MISMATCH`. */
  delete(id: string, options?: DocumentCondition): Promise<boolean>;
  /** @throws {KvsError} `QUERY_…`, when the cursor is first used. */
  find(query?: FindQuery): Cursor<Stored<T>>;
  count(filter?: object): Promise<number>;
}

export interface DocumentCondition {
  /** Only if the document's `_version` is this; 0: only if there is none. */
  readonly ifVersion?: number;
}

export interface UpdateOptions extends DocumentCondition {
  /** Inserts the replacement if there is no document. Default: false. */
  readonly upsert?: boolean;
}

/** What to find, in MongoDB's spelling. */
export interface FindQuery {
  /** May hold regular expressions of JavaScript where MongoDB's may hold its own. */
  readonly filter?: object;
  /** Field → 1 or -1, in order of weight. */
  readonly sort?: Readonly<Record<string, 1 | -1>>;
  readonly skip?: number;
  readonly limit?: number;
  /** Field → 1 (keep these) or 0 (leave these out). */
  readonly projection?: Readonly<Record<string, 0 | 1 | boolean>>;
}

/**
 * The documents that a query finds, as of the moment of the first step. Use it once: as an async
 * iterable, or through one of the methods; a second use is `BAD_OPTION`.
 *
 * On a server a walk that is not stepped for a minute ends with `CURSOR_EXPIRED`, and one whose
 * connection breaks with `CONNECTION_LOST`. Leave the loop, and what the walk held is given up.
 */
export interface Cursor<T> extends AsyncIterable<T> {
  toArray(): Promise<T[]>;
  first(): Promise<T | undefined>;
  /** How many there are; skip and limit count. */
  count(): Promise<number>;
}
