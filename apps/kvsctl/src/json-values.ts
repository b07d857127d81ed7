/**
 * Values as JSON, both ways, also those that JSON has no place for:
 *
 *   Date        {"$date":"2026-01-31T12:00:00.000Z"}
 *   Uint8Array  {"$binary":"base64…"}
 *   bigint      {"$bigint":"9007199254740993"}
 *   number      {"$number":"NaN"}, also Infinity, -Infinity and -0
 *   object      {"$literal":{…}} around an object that looks like one of these
 *
 * `fromJson(toJson(value))` is `value`. Members that are `undefined` are left out.
 */

/** Nesting that is followed: more than a document may have. */
const DEPTH_MAX = 200;

/** One value on one line. */
export function toJson(value: unknown): string {
  return JSON.stringify(toPlain(value)) ?? "null";
}

/** @throws {SyntaxError} if the text is no JSON. */
export function fromJson(text: string): unknown {
  return fromPlain(JSON.parse(text), DEPTH_MAX);
}

/** JSON if it parses, else the text itself. */
export function parseLoosely(text: string): unknown {
  try {
    return fromJson(text);
  } catch {
    return text;
  }
}

/** An object with members of its own: no list, date or bytes. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null) return false;
  return !Array.isArray(value) && !(value instanceof Date) && !(value instanceof Uint8Array);
}

function toPlain(value: unknown): unknown {
  if (typeof value === "number") return toPlainNumber(value);
  if (typeof value === "bigint") return { $bigint: value.toString() };
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(toPlain);
  if (value instanceof Date) return { $date: value.toISOString() };
  if (value instanceof Uint8Array) return { $binary: Buffer.from(value).toString("base64") };
  const members = Object.entries(value).map(([name, member]) => [name, toPlain(member)] as const);
  const plain: unknown = Object.fromEntries(members);
  return members.length === 1 && SPECIAL.has(members[0]![0]) ? { $literal: plain } : plain;
}

function toPlainNumber(value: number): unknown {
  if (Number.isFinite(value) && !Object.is(value, -0)) return value;
  return { $number: Object.is(value, -0) ? "-0" : String(value) };
}

function fromPlain(value: unknown, depthLeft: number): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (depthLeft === 0) throw new SyntaxError(`it is nested deeper than ${DEPTH_MAX} levels`);
  if (Array.isArray(value)) return value.map((each) => fromPlain(each, depthLeft - 1));
  const members = Object.entries(value);
  if (members.length === 1) {
    const [name, content] = members[0]!;
    if (name === "$literal" && isObject(content)) return fromMembers(content, depthLeft - 1);
    if (typeof content === "string") return SPECIAL.get(name)?.(content) ?? value;
  }
  return fromMembers(value, depthLeft);
}

function fromMembers(value: object, depthLeft: number): unknown {
  // Not by assignment: a member may be called __proto__.
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [name, fromPlain(member, depthLeft - 1)]),
  );
}

/** What the text in an object with only this member stands for; `undefined` if for nothing. */
const SPECIAL: ReadonlyMap<string, (text: string) => unknown> = new Map<
  string,
  (text: string) => unknown
>([
  ["$date", toDate],
  ["$binary", toBytes],
  ["$bigint", toBigint],
  ["$number", toNumber],
  ["$literal", () => undefined],
]);

function toDate(text: string): Date | undefined {
  return Number.isNaN(Date.parse(text)) ? undefined : new Date(text);
}

function toBytes(text: string): Uint8Array | undefined {
  const isBase64 = /^[A-Za-z0-9+/]*={0,2}$/.test(text);
  return isBase64 ? new Uint8Array(Buffer.from(text, "base64")) : undefined;
}

function toBigint(text: string): bigint | undefined {
  return /^-?\d+$/.test(text) ? BigInt(text) : undefined;
}

function toNumber(text: string): number | undefined {
  return ["NaN", "Infinity", "-Infinity", "-0"].includes(text) ? Number(text) : undefined;
}
