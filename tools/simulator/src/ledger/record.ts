/** What a client asked a node to keep. */
export interface Entry {
  /** Who asked: a client's name. */
  readonly client: string;
  /** Counts the client's requests to this node; a greater one is never kept before a smaller. */
  readonly request: number;
  /** `append`: keep it. `set`: keep it, and it is the register's value from now on. */
  readonly kind: "append" | "set";
  readonly value: string;
}

/** An entry with its place in the ledger of its origin. */
export interface LedgerRecord extends Entry {
  /** The node that took the entry from its client. */
  readonly origin: string;
  /** The life of the origin in which it did; every life has a greater number. */
  readonly epoch: number;
  /** Counts the origin's records of one epoch, from 1. */
  readonly sequence: number;
  /** Milliseconds: the origin's wall clock, but never less than the stamp before. */
  readonly stampMs: number;
}

/** A place in the ledger of one origin. */
export interface RecordPlace {
  readonly epoch: number;
  readonly sequence: number;
}

/** Before every record. */
export const NO_PLACE: RecordPlace = { epoch: 0, sequence: 0 };

/** Negative if `left` comes first, 0 if they are the same place. */
export function comparePlaces(left: RecordPlace, right: RecordPlace): number {
  return left.epoch - right.epoch || left.sequence - right.sequence;
}

/** The entry's name, unique in a run. */
export function entryKey(entry: Pick<Entry, "client" | "request">, origin: string): string {
  return `${entry.client}/${entry.request}@${origin}`;
}

/** The record's text in files and frames. The order of the fields is fixed, so is the text. */
export function encodeRecord(record: LedgerRecord): string {
  const { origin, epoch, sequence, stampMs, client, request, kind, value } = record;
  return JSON.stringify([origin, epoch, sequence, stampMs, client, request, kind, value]);
}

/** Reads what {@link encodeRecord} wrote, or returns `undefined` if it is anything else. */
export function decodeRecord(text: string): LedgerRecord | undefined {
  const fields = parseFields(text);
  const [origin, epoch, sequence, stampMs, client, request, kind, value] = fields;
  if (!isText(origin) || !isText(client) || !isText(value)) return undefined;
  if (!isCount(epoch) || !isCount(sequence) || !isCount(stampMs) || !isCount(request)) {
    return undefined;
  }
  if (kind !== "append" && kind !== "set") return undefined;
  return { origin, epoch, sequence, stampMs, client, request, kind, value };
}

function parseFields(text: string): readonly unknown[] {
  try {
    const parsed: unknown = JSON.parse(text);
    return Array.isArray(parsed) ? parsed : [];
  } catch {
    return [];
  }
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
