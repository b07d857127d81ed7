import { DOCUMENT_DEPTH_MAX, type DocumentObject, type DocumentValue } from "@kvs/codec";
import { type FindQuery } from "./collection.ts";
import { protocolError } from "./protocol-error.ts";

/** Regular expressions of one query. */
const EXPRESSIONS_MAX = 1000;
/** Values of a filter that are looked at for regular expressions: a cycle has no end. */
const VALUES_MAX = 100_000;

/** Names and positions that lead to a value of a filter. */
type Path = readonly (string | number)[];

/**
 * The document of a query, as FIND and COUNT carry it: its members as they are, save that a document
 * holds no regular expressions. These leave null in their places, and are listed in a member of their
 * own, `expressions`, as `[path within the filter, source, flags]`.
 */
export function queryDocument(query: FindQuery): DocumentObject {
  const expressions: DocumentValue[] = [];
  const search = new ExpressionSearch((path, { source, flags }) => {
    expressions.push([path, source, flags]);
  });
  const filter = search.without(query.filter, []) as DocumentValue | undefined;
  const { sort, skip, limit, projection } = query;
  const plain: DocumentObject = { filter, sort, skip, limit, projection };
  return expressions.length === 0 ? plain : { ...plain, expressions };
}

/**
 * The query that a document stands for. Members that are unknown are ignored; what those that are
 * known may hold is for the database to say, apart from the expressions.
 *
 * @param document Freshly decoded; its filter is changed.
 * @throws {KvsError} `BAD_OPTION` if an expression is none, or has no place in the filter.
 */
export function readQueryDocument(document: DocumentObject): FindQuery {
  const { filter, sort, skip, limit, projection, expressions } = document;
  if (expressions !== undefined) placeExpressions(document, expressions);
  const members = Object.entries({ filter, sort, skip, limit, projection });
  return Object.fromEntries(members.filter(([, member]) => member !== undefined)) as FindQuery;
}

/** Copies what holds regular expressions, and tells where they were. */
class ExpressionSearch {
  readonly #found: (path: Path, expression: RegExp) => void;
  #left = VALUES_MAX;

  constructor(found: (path: Path, expression: RegExp) => void) {
    this.#found = found;
  }

  /** The value itself if it holds none; else a copy with null in their places. */
  without(value: unknown, path: Path): unknown {
    if (typeof value !== "object" || value === null) return value;
    // What is not looked at, the encoder will refuse: it is too deep, or too large.
    if (path.length > DOCUMENT_DEPTH_MAX || this.#left-- <= 0) return value;
    if (value instanceof RegExp) {
      this.#found(path, value);
      return null;
    }
    if (Array.isArray(value)) return this.#withoutIn(value, path);
    if (Object.getPrototypeOf(value) !== Object.prototype) return value;
    return this.#withoutMembers(value as Readonly<Record<string, unknown>>, path);
  }

  #withoutIn(values: readonly unknown[], path: Path): unknown {
    const copies = values.map((value, position) => this.without(value, [...path, position]));
    return copies.every((copy, position) => copy === values[position]) ? values : copies;
  }

  #withoutMembers(object: Readonly<Record<string, unknown>>, path: Path): unknown {
    const copies = Object.entries(object).map(
      ([name, value]) => [name, this.without(value, [...path, name])] as const,
    );
    return copies.every(([name, copy]) => copy === object[name])
      ? object
      : Object.fromEntries(copies);
  }
}

function placeExpressions(document: DocumentObject, expressions: DocumentValue): void {
  const list: readonly DocumentValue[] = Array.isArray(expressions) ? expressions : [];
  if (!Array.isArray(expressions) || list.length > EXPRESSIONS_MAX) throw misplaced();
  for (const each of list) {
    const [path, source, flags]: readonly DocumentValue[] = Array.isArray(each) ? each : [];
    if (!Array.isArray(path) || typeof source !== "string" || typeof flags !== "string") {
      throw misplaced();
    }
    place(document, ["filter", ...(path as DocumentValue[])], toExpression(source, flags));
  }
}

/** Follows own members only, so that no path leads to a prototype. */
function place(root: DocumentObject, path: readonly DocumentValue[], expression: RegExp): void {
  let holder: unknown = root;
  for (const [depth, step] of path.entries()) {
    const isStep = typeof step === "string" || typeof step === "number";
    if (!isStep || typeof holder !== "object" || holder === null || !Object.hasOwn(holder, step)) {
      throw misplaced();
    }
    if (depth < path.length - 1) {
      holder = (holder as Readonly<Record<string, unknown>>)[step];
    } else {
      const how = { value: expression, writable: true, enumerable: true, configurable: true };
      Object.defineProperty(holder, step, how);
    }
  }
}

/** Nothing is matched with it here: the database translates it into one that takes linear time. */
function toExpression(source: string, flags: string): RegExp {
  try {
    return new RegExp(source, flags);
  } catch (cause) {
    throw protocolError("BAD_OPTION", "a regular expression of the query is none", { cause });
  }
}

function misplaced(): Error {
  return protocolError("BAD_OPTION", "the regular expressions of a query are not well-formed");
}
