import { KvsError } from "@kvs/env";

/**
 * What clients asked and were answered: the neutral form that every judge reads, ours and others'.
 *
 * As text it is JSON Lines, one event a line, in the order in which the events happened:
 *
 *   {"index":0,"time":12,"process":3,"type":"invoke","f":"read","value":["x",null]}
 *   {"index":1,"time":57,"process":3,"type":"ok","f":"read","value":["x",null]}
 *
 * Numbered rules; `validateHistory` checks them:
 * 1. `index` counts from 0 without gaps; `time` never goes back.
 * 2. A process has at most one operation open. A completion names the same function and keys, and
 *    an `ok` the same written values, as its invocation. Reads are invoked with `null`.
 * 3. `ok`: it happened, and `value` is the answer. `fail`: it certainly did not happen. `info`:
 *    nobody knows; the process is never used again. No completion at all means `info`.
 * 4. No value is written twice to a key, and `null` (absent) is never written: a delete writes a
 *    tag of its own.
 * 5. The database was empty at the start, and a read before the first write proves it.
 *
 * Source: the history format of Jepsen (Kingsbury), with one map a line in JSON instead of EDN.
 */
export type HistoryEvent = HistoryCall & {
  readonly index: number;
  /** Nanoseconds on one monotonic clock: an integer in [0, 2^53). */
  readonly time: number;
  /** A logical client: an integer, at least 0. */
  readonly process: number;
  readonly type: HistoryEventType;
};

export type HistoryEventType = "invoke" | "ok" | "fail" | "info";

/** What is asked (in an invocation) or was answered (in an `ok`). */
export type HistoryCall =
  | { readonly f: "read"; readonly value: readonly [HistoryKey, HistoryValue] }
  | { readonly f: "write"; readonly value: readonly [HistoryKey, HistoryValue] }
  | {
      readonly f: "cas";
      /** The key, and the values [expected, new]. A mismatch is a `fail`. */
      readonly value: readonly [HistoryKey, readonly [HistoryValue, HistoryValue]];
    }
  | { readonly f: "txn"; readonly value: readonly MicroOperation[] };

export type HistoryFunction = HistoryCall["f"];

/** What a function is given and what it answers: the `value` of its events. */
export type HistoryAnswer<F extends HistoryFunction> = Extract<HistoryCall, { f: F }>["value"];

export type HistoryKey = string | number;

/** A register's content; `null` is an absent key, and a read that has not been answered. */
export type HistoryValue = string | number | null;

/**
 * One step of a transaction: append to a list, write a register, read either; or read all registers
 * whose keys are texts in a range [from, to): those that hold something, in order of their keys.
 */
export type MicroOperation =
  | readonly ["append", HistoryKey, HistoryValue]
  | readonly ["w", HistoryKey, HistoryValue]
  | readonly ["r", HistoryKey, HistoryValue | readonly HistoryValue[]]
  | readonly ["range", KeyRange, RangeAnswer | null];

/** From the first key, included, to the last, excluded. */
export type KeyRange = readonly [from: string, to: string];

/** The keys of a range that hold something, and what. */
export type RangeAnswer = readonly (readonly [key: string, value: HistoryValue])[];

/** Writes one event a line, each line ended by a newline. Key order is fixed, so is the text. */
export function formatHistory(events: readonly HistoryEvent[]): string {
  const lines = events.map(({ index, time, process, type, f, value }) =>
    JSON.stringify({ index, time, process, type, f, value }),
  );
  return lines.length === 0 ? "" : `${lines.join("\n")}\n`;
}

/**
 * Reads the events of a text and checks the shape of each alone; `validateHistory` checks what
 * they say together. Empty lines are skipped; unknown fields are dropped.
 *
 * @throws {KvsError} `SIM_HISTORY_INVALID`, whose `details.line` counts from 1.
 */
export function parseHistory(text: string): HistoryEvent[] {
  const events: HistoryEvent[] = [];
  const lines = text.split("\n");
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at]!;
    if (line.trim() !== "") events.push(parseEvent(line, at + 1));
  }
  return events;
}

/** The error of everything that is wrong with a history. `line` counts from 1. */
export function historyError(
  line: number,
  problem: string,
  cause?: unknown,
): KvsError<"SIM_HISTORY_INVALID"> {
  return new KvsError("SIM_HISTORY_INVALID", `line ${line}: ${problem}`, {
    outcome: "none",
    details: { line },
    ...(cause === undefined ? {} : { cause }),
  });
}

function parseEvent(text: string, line: number): HistoryEvent {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw historyError(line, "this is not JSON", cause);
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) {
    throw historyError(line, "an event is a JSON object");
  }
  const fields = new Map<string, unknown>(Object.entries(parsed));
  const index = counterField(fields, "index", line);
  const time = counterField(fields, "time", line);
  const process = counterField(fields, "process", line);
  const type = fields.get("type");
  if (!isEventType(type)) {
    throw historyError(line, `"type" is invoke, ok, fail or info, not ${JSON.stringify(type)}`);
  }
  return { index, time, process, type, ...parseCall(fields, line) };
}

function counterField(fields: ReadonlyMap<string, unknown>, name: string, line: number): number {
  const value = fields.get(name);
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  throw historyError(line, `"${name}" is an integer in [0, 2^53), not ${JSON.stringify(value)}`);
}

function isEventType(value: unknown): value is HistoryEventType {
  return value === "invoke" || value === "ok" || value === "fail" || value === "info";
}

function parseCall(fields: ReadonlyMap<string, unknown>, line: number): HistoryCall {
  const f = fields.get("f");
  const value = fields.get("value");
  switch (f) {
    case "read":
    case "write":
      return { f, value: parseRegisterValue(value, f, line) };
    case "cas":
      return { f, value: parseCasValue(value, line) };
    case "txn":
      if (Array.isArray(value) && value.every(isMicroOperation)) return { f, value };
      throw historyError(
        line,
        'the value of a txn is a list of ["append" | "w" | "r", key, value] and ["range", [from, to], pairs]',
      );
    default:
      throw historyError(line, `"f" is read, write, cas or txn, not ${JSON.stringify(f)}`);
  }
}

function parseRegisterValue(
  value: unknown,
  f: "read" | "write",
  line: number,
): HistoryAnswer<"read"> {
  if (isPair(value) && isKey(value[0]) && isValue(value[1])) return [value[0], value[1]];
  throw historyError(line, `the value of a ${f} is [key, value]`);
}

function parseCasValue(value: unknown, line: number): HistoryAnswer<"cas"> {
  if (isPair(value) && isKey(value[0]) && isPair(value[1])) {
    const [expected, next] = value[1];
    if (isValue(expected) && isValue(next)) return [value[0], [expected, next]];
  }
  throw historyError(line, "the value of a cas is [key, [expected, new]]");
}

function isPair(value: unknown): value is readonly [unknown, unknown] {
  return Array.isArray(value) && value.length === 2;
}

function isKey(value: unknown): value is HistoryKey {
  return typeof value === "string" || typeof value === "number";
}

function isValue(value: unknown): value is HistoryValue {
  return value === null || isKey(value);
}

function isMicroOperation(step: unknown): step is MicroOperation {
  if (!Array.isArray(step) || step.length !== 3) return false;
  const value: unknown = step[2];
  if (step[0] === "range") return isRange(step[1]) && (value === null || isRangeAnswer(value));
  if (!isKey(step[1])) return false;
  if (step[0] === "r") return isValue(value) || (Array.isArray(value) && value.every(isValue));
  return (step[0] === "append" || step[0] === "w") && isValue(value);
}

function isRange(value: unknown): value is KeyRange {
  return isPair(value) && typeof value[0] === "string" && typeof value[1] === "string";
}

function isRangeAnswer(value: unknown): value is RangeAnswer {
  return Array.isArray(value) && value.every(isRangeEntry);
}

function isRangeEntry(entry: unknown): boolean {
  return isPair(entry) && typeof entry[0] === "string" && isValue(entry[1]);
}
