import { type DocumentPath, parsePath } from "../document-path.ts";
import { describeKind, isPlainObject } from "../filter/value-kind.ts";
import { queryError } from "../query-error.ts";

/** One field to sort by. */
export interface SortField {
  readonly path: DocumentPath;
  /** 1 ascending, -1 descending. */
  readonly direction: 1 | -1;
}

/** Fields to sort by, the first one first. None: documents keep the order in which they come. */
export type SortSpec = readonly SortField[];

/** Fields of one sort; a compound index of MongoDB has as many. */
export const SORT_FIELDS_MAX = 32;

/**
 * Parses and checks what to sort by: `{ age: -1, "name.last": 1 }`, or `[["age", -1], …]`.
 *
 * Use the list where a name could be an integer: JavaScript moves such members of an object to the
 * front, `{ b: 1, 7: 1 }` sorts by "7" first.
 *
 * @throws {KvsError} `QUERY_BAD_OPERAND`, `QUERY_BAD_PATH`, `QUERY_UNSUPPORTED`, `QUERY_TOO_LARGE`.
 */
export function parseSort(sort: unknown): SortSpec {
  const members = membersOf(sort);
  if (members.length > SORT_FIELDS_MAX) {
    throw queryError(
      "QUERY_TOO_LARGE",
      `a sort has ${members.length} fields; at most ${SORT_FIELDS_MAX} are allowed`,
      { fields: members.length, fieldsMax: SORT_FIELDS_MAX },
    );
  }
  const seen = new Set<string>();
  return members.map(([name, direction]) => {
    const at = `sort.${name.slice(0, 100)}`;
    if (name.startsWith("$")) throw badSort(at, "a name begins with $", "name a field");
    if (seen.has(name)) throw badSort(at, "the field stands twice", "name it once");
    seen.add(name);
    return { path: parsePath(name, at), direction: parseDirection(direction, at) };
  });
}

function membersOf(sort: unknown): readonly (readonly [string, unknown])[] {
  if (isPlainObject(sort)) return Object.keys(sort).map((name) => [name, sort[name]]);
  if (!Array.isArray(sort)) {
    throw badSort("sort", `${describeKind(sort)} is no sort`, "write {field: 1} or [[field, 1]]");
  }
  return sort.map((pair: unknown, position) => {
    if (Array.isArray(pair) && pair.length === 2 && typeof pair[0] === "string") {
      return [pair[0], pair[1]];
    }
    throw badSort(`sort[${position}]`, `${describeKind(pair)} is no pair`, "write [field, 1]");
  });
}

function parseDirection(direction: unknown, at: string): 1 | -1 {
  if (direction === 1 || direction === -1) return direction;
  if (isPlainObject(direction)) {
    throw queryError(
      "QUERY_UNSUPPORTED",
      `at ${at}: a sort by an expression, such as $meta, is not supported; sort by a field`,
    );
  }
  throw badSort(at, "the direction is neither 1 nor -1", "write 1 to ascend, -1 to descend");
}

function badSort(at: string, problem: string, advice: string): Error {
  return queryError("QUERY_BAD_OPERAND", `at ${at}: ${problem}; ${advice}`);
}
