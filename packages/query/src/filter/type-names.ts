import { type DocumentValue } from "@kvs/codec";
import { queryError } from "../query-error.ts";
import { type TypeName } from "./filter-node.ts";
import { badOperand } from "./query-reader.ts";
import { describeKind, kindOf } from "./value-kind.ts";

/** The number of each type in BSON, for `{$type: 2}`. */
const TYPE_NUMBERS: ReadonlyMap<number, string> = new Map([
  [-1, "minKey"],
  [1, "double"],
  [2, "string"],
  [3, "object"],
  [4, "array"],
  [5, "binData"],
  [6, "undefined"],
  [7, "objectId"],
  [8, "bool"],
  [9, "date"],
  [10, "null"],
  [11, "regex"],
  [12, "dbPointer"],
  [13, "javascript"],
  [14, "symbol"],
  [15, "javascriptWithScope"],
  [16, "int"],
  [17, "timestamp"],
  [18, "long"],
  [19, "decimal"],
  [127, "maxKey"],
]);

/** Of the types above, those that documents here can hold. */
const HELD: ReadonlySet<string> = new Set<TypeName>([
  "array",
  "binData",
  "bool",
  "date",
  "double",
  "int",
  "long",
  "null",
  "object",
  "string",
]);

/** The operand of `$type`: a name, a number, or a list of these. */
export function parseTypes(operand: unknown, at: string): readonly TypeName[] {
  const wanted: readonly unknown[] = Array.isArray(operand) ? operand : [operand];
  if (wanted.length === 0) throw badOperand(at, "$type takes at least one type", "name it");
  const names = wanted.flatMap((type, position) =>
    parseType(type, Array.isArray(operand) ? `${at}[${position}]` : at),
  );
  // What no document can hold, such as objectId, is a type all the same: nothing has it.
  return [...new Set(names)].filter((name): name is TypeName => HELD.has(name)).toSorted();
}

function parseType(type: unknown, at: string): readonly string[] {
  if (type === "number") return ["double", "int", "long"];
  if (typeof type === "string" && [...TYPE_NUMBERS.values()].includes(type)) return [type];
  const name = typeof type === "number" ? TYPE_NUMBERS.get(type) : undefined;
  if (name !== undefined) return [name];
  const known = `number, ${[...TYPE_NUMBERS.values()].join(", ")}`;
  if (typeof type === "string" || typeof type === "number") {
    throw queryError("QUERY_BAD_OPERAND", `at ${at}: no such type; known are ${known}`);
  }
  throw badOperand(
    at,
    `$type takes names or numbers, not ${describeKind(type)}`,
    `known are ${known}`,
  );
}

/** The type of a value, as MongoDB's driver for JavaScript would store it. */
export function typeNameOf(value: DocumentValue): TypeName {
  const kind = kindOf(value);
  if (kind === "number") return numberTypeName(value as number | bigint);
  if (kind === "boolean") return "bool";
  return kind === "bytes" ? "binData" : kind;
}

function numberTypeName(value: number | bigint): TypeName {
  if (typeof value === "bigint") return "long";
  return (value | 0) === value && !Object.is(value, -0) ? "int" : "double";
}
