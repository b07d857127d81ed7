import { DOCUMENT_DEPTH_MAX, type DocumentValue } from "@kvs/codec";
import { queryError } from "../query-error.ts";
import { FILTER_DEPTH_MAX, FILTER_TESTS_MAX, FILTER_VALUES_MAX } from "./filter-node.ts";
import {
  copyDate,
  describeKind,
  isDate,
  isPlainObject,
  type MutableObject,
  setMember,
} from "./value-kind.ts";

/** Reads one query from outside: counts what it costs and copies its values. */
export class QueryReader {
  #tests = 0;
  #values = 0;

  /** @throws {KvsError} `QUERY_TOO_LARGE` at the condition that is one too many. */
  countTest(): void {
    this.#tests++;
    if (this.#tests > FILTER_TESTS_MAX) throw tooLarge("conditions", FILTER_TESTS_MAX);
  }

  /** @throws {KvsError} `QUERY_TOO_DEEP`. */
  checkDepth(depth: number, at: string): void {
    if (depth > FILTER_DEPTH_MAX) throw tooDeep(at, FILTER_DEPTH_MAX);
  }

  /**
   * A deep copy of a value to compare with, so that a later change by the caller has no effect.
   * Members that are `undefined` are left out, as they are when a document is stored.
   *
   * @throws {KvsError} `QUERY_BAD_OPERAND` for what no document can hold; `QUERY_TOO_DEEP`, also
   *   for a cycle; `QUERY_TOO_LARGE`.
   */
  value(value: unknown, at: string, depth = 0): DocumentValue {
    this.#values++;
    if (this.#values > FILTER_VALUES_MAX) throw tooLarge("values", FILTER_VALUES_MAX);
    if (depth > DOCUMENT_DEPTH_MAX) throw tooDeep(at, DOCUMENT_DEPTH_MAX);
    if (value === null || typeof value === "boolean" || typeof value === "number") return value;
    if (typeof value === "string") return text(value, at);
    if (typeof value === "bigint") return integer(value, at);
    if (typeof value === "object") return this.#compound(value, at, depth);
    throw badOperand(
      at,
      `${describeKind(value)} is no value of documents`,
      "for a field without a value write null or {$exists: false}",
    );
  }

  #compound(value: object, at: string, depth: number): DocumentValue {
    if (Array.isArray(value)) {
      return Array.from(value, (element, position) =>
        this.value(element, `${at}[${position}]`, depth + 1),
      );
    }
    if (value instanceof Uint8Array) return new Uint8Array(value);
    if (isDate(value)) {
      if (Number.isNaN(value.getTime())) throw badOperand(at, "the date is invalid", "mend it");
      return copyDate(value);
    }
    if (isPlainObject(value)) return this.#object(value, at, depth);
    throw badOperand(
      at,
      `${describeKind(value)} is no value of documents`,
      "write a JSON value, bytes or a date; a regular expression goes beside the field itself",
    );
  }

  #object(
    source: Readonly<Record<string, unknown>>,
    at: string,
    depth: number,
  ): Readonly<MutableObject> {
    const copy: MutableObject = {};
    for (const name of Object.keys(source)) {
      const member = source[name];
      if (member === undefined) continue;
      setMember(copy, text(name, at), this.value(member, `${at}.${name}`, depth + 1));
    }
    return copy;
  }
}

function text(value: string, at: string): string {
  if (!value.isWellFormed()) throw badOperand(at, "a text has a lone surrogate", "mend it");
  return value;
}

/** As documents store it: an integer that is safe becomes a number. */
function integer(value: bigint, at: string): DocumentValue {
  const asNumber = Number(value);
  if (Number.isSafeInteger(asNumber)) return asNumber;
  if (BigInt.asIntN(64, value) !== value && BigInt.asUintN(64, value) !== value) {
    throw badOperand(at, "an integer has more than 64 bits", "write a number instead");
  }
  return value;
}

/** `QUERY_BAD_OPERAND` with the place in the query, what is wrong, and what to do. */
export function badOperand(at: string, problem: string, advice: string): Error {
  return queryError("QUERY_BAD_OPERAND", `at ${at}: ${problem}; ${advice}`);
}

function tooLarge(what: string, max: number): Error {
  return queryError(
    "QUERY_TOO_LARGE",
    `a filter has more than the ${max} ${what} allowed; split it into several queries`,
    { max },
  );
}

function tooDeep(at: string, depthMax: number): Error {
  return queryError(
    "QUERY_TOO_DEEP",
    `at ${shortened(at)}: the filter nests deeper than the ${depthMax} levels allowed, or in a cycle`,
    { depthMax },
  );
}

/** A hundred levels make a long place; its ends say enough. */
function shortened(at: string): string {
  return at.length <= 100 ? at : `${at.slice(0, 50)} … ${at.slice(-40)}`;
}
