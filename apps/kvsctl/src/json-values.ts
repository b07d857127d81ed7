/**
 * Values as JSON, both ways, also those that JSON has no place for:
 *
 *   Date        {"$date":"2026-01-31T12:00:00.000Z"}
 *   Uint8Array  {"$binary":"base64…"}
 *   bigint      {"$bigint":"9007199254740993"}
 *
 * in the spelling of MongoDB's Extended JSON where that has one. NaN and infinities become `null`, as
 * JSON.stringify has it.
 */

/** One value on one line. */
export function toJson(value: unknown): string {
  return JSON.stringify(value, replace) ?? "null";
}

/** @throws {SyntaxError} if the text is no JSON. */
export function fromJson(text: string): unknown {
  return JSON.parse(text, revive);
}

/** JSON if it parses, else the text itself. */
export function parseLoosely(text: string): unknown {
  try {
    return fromJson(text);
  } catch {
    return text;
  }
}

/** `this` holds the value as it was before `toJSON` was called on it. */
function replace(this: unknown, name: string, value: unknown): unknown {
  const original = (this as Record<string, unknown>)[name];
  if (original instanceof Date) return { $date: original.toISOString() };
  if (value instanceof Uint8Array) return { $binary: Buffer.from(value).toString("base64") };
  if (typeof value === "bigint") return { $bigint: value.toString() };
  return value;
}

function revive(_name: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  const members = Object.entries(value);
  if (members.length !== 1) return value;
  const [name, content] = members[0]!;
  if (typeof content !== "string") return value;
  if (name === "$date" && !Number.isNaN(Date.parse(content))) return new Date(content);
  if (name === "$binary") return new Uint8Array(Buffer.from(content, "base64"));
  if (name === "$bigint" && /^-?\d+$/.test(content)) return BigInt(content);
  return value;
}
