import { PATH_NAMES_MAX, parsePath } from "../document-path.ts";
import { describeKind, isPlainObject } from "../filter/value-kind.ts";
import { queryError } from "../query-error.ts";

/** Which members of documents to give: only those named, or all but those named. */
export interface Projection {
  readonly type: "include" | "exclude";
  /** Whether `_id` is given as a whole. If not, `members` may name parts of it. */
  readonly includesId: boolean;
  readonly members: ProjectionTree;
}

/** Names, and beneath each "all of it" or the names that follow it in a path. */
export type ProjectionTree = ReadonlyMap<string, "all" | ProjectionTree>;

/** Fields named in one projection. */
export const PROJECTION_FIELDS_MAX = 1000;

/**
 * Parses and checks a projection: `{ name: 1, "address.city": 1 }`, `{ password: 0 }`, or nested
 * `{ address: { city: 1 } }`. `_id` is given unless it is set to 0. Nothing named: everything.
 *
 * @throws {KvsError} `QUERY_BAD_PROJECTION` for inclusion beside exclusion, or a path within
 *   another; `QUERY_UNSUPPORTED` for `$slice`, `$elemMatch`, `$meta`, positional `a.$` and computed
 *   fields; `QUERY_BAD_OPERAND`, `QUERY_BAD_PATH`, `QUERY_TOO_DEEP`, `QUERY_TOO_LARGE`.
 */
export function parseProjection(projection: unknown): Projection {
  if (!isPlainObject(projection)) {
    throw badOperand("projection", `${describeKind(projection)} is no projection`);
  }
  const reader = new ProjectionReader();
  reader.readMembers(projection, [], "projection");
  return reader.finish();
}

type MutableTree = Map<string, "all" | MutableTree>;

class ProjectionReader {
  readonly #members: MutableTree = new Map();
  #fields = 0;
  #type: "include" | "exclude" | undefined;
  #id: boolean | undefined;

  readMembers(
    members: Readonly<Record<string, unknown>>,
    above: readonly string[],
    at: string,
  ): void {
    for (const name of Object.keys(members)) {
      const place = `${at}.${name.slice(0, 100)}`;
      refuseOperator(name, place);
      const names = [...above, ...parsePath(name, place).names];
      if (names.length > PATH_NAMES_MAX) {
        throw queryError("QUERY_TOO_DEEP", "a projection nests deeper than documents can", {
          namesMax: PATH_NAMES_MAX,
        });
      }
      this.#readMember(members[name], names, place);
    }
  }

  finish(): Projection {
    const type = this.#type ?? (this.#id === true ? "include" : "exclude");
    const hasIdParts = this.#members.has("_id");
    const includesId = this.#id ?? !(type === "include" && hasIdParts);
    return { type, includesId, members: this.#members };
  }

  #readMember(value: unknown, names: readonly string[], at: string): void {
    if (isPlainObject(value)) {
      if (Object.keys(value).length === 0) throw badOperand(at, "an empty object says nothing");
      this.readMembers(value, names, at);
      return;
    }
    this.#fields++;
    if (this.#fields > PROJECTION_FIELDS_MAX) {
      throw queryError(
        "QUERY_TOO_LARGE",
        `a projection names more than the ${PROJECTION_FIELDS_MAX} fields allowed`,
        { fieldsMax: PROJECTION_FIELDS_MAX },
      );
    }
    const isIncluded = parseFlag(value, at);
    if (names.length === 1 && names[0] === "_id") {
      if (this.#id !== undefined || this.#members.has("_id")) throw collision(at);
      this.#id = isIncluded;
    } else {
      this.#setType(isIncluded ? "include" : "exclude", at);
      this.#addPath(names, at);
    }
  }

  #setType(type: "include" | "exclude", at: string): void {
    this.#type ??= type;
    if (this.#type === type) return;
    throw queryError(
      "QUERY_BAD_PROJECTION",
      `at ${at}: inclusion and exclusion stand beside each other; ` +
        "name only what to give, or only what to leave out; _id alone may differ",
    );
  }

  #addPath(names: readonly string[], at: string): void {
    if (names[0] === "_id" && this.#id !== undefined) throw collision(at);
    let tree = this.#members;
    for (const name of names.slice(0, -1)) {
      const next = tree.get(name) ?? new Map<string, "all" | MutableTree>();
      if (next === "all") throw collision(at);
      tree.set(name, next);
      tree = next;
    }
    const last = names.at(-1)!;
    if (tree.has(last)) throw collision(at);
    tree.set(last, "all");
  }
}

function parseFlag(value: unknown, at: string): boolean {
  if (typeof value === "boolean") return value;
  if (typeof value === "bigint") return value !== 0n;
  if (typeof value === "number" && !Number.isNaN(value)) return value !== 0;
  if (typeof value === "string" || Array.isArray(value)) {
    throw queryError(
      "QUERY_UNSUPPORTED",
      `at ${at}: fields computed in a projection are not supported; write 1 or 0`,
    );
  }
  throw badOperand(at, `${describeKind(value)} says neither yes nor no`);
}

function refuseOperator(name: string, at: string): void {
  const operator = name.split(".").find((part) => part.startsWith("$"));
  if (operator === undefined) return;
  const what = operator === "$" ? "the positional $" : operator.slice(0, 40);
  throw queryError(
    "QUERY_UNSUPPORTED",
    `at ${at}: ${what} is not supported in a projection; give the whole field`,
  );
}

function collision(at: string): Error {
  return queryError(
    "QUERY_BAD_PROJECTION",
    `at ${at}: the path lies within another one or equals it; name only one of them`,
  );
}

function badOperand(at: string, problem: string): Error {
  return queryError("QUERY_BAD_OPERAND", `at ${at}: ${problem}; write {field: 1} or {field: 0}`);
}
