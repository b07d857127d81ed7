import { compareStrings, compareValues, type DocumentObject, type DocumentValue } from "@kvs/codec";
import { indexOfName, readMember } from "../document-path.ts";
import { isArray, isObject } from "../filter/value-kind.ts";
import { queryError } from "../query-error.ts";
import { type SortSpec } from "./sort-spec.ts";

/**
 * What a document is sorted by: one value for each field, taken as MongoDB takes it.
 *
 * - A missing field counts as null, so null and missing are equal.
 * - Of an array counts the element that comes first in the field's direction: the least when
 *   ascending, the greatest when descending. Nested arrays count as a whole.
 * - An empty array is `undefined` here and comes before null.
 * - Fields that meet the same array take their values from the same element of it.
 *
 * Source: MongoDB, src/mongo/db/index/btree_key_generator.cpp and sort_key_generator.cpp.
 */
export type SortKey = readonly (DocumentValue | undefined)[];

/**
 * The key of one document. It shares values with the document.
 *
 * @throws {KvsError} `QUERY_SORT_PARALLEL_ARRAYS` if two fields meet different arrays.
 */
export function sortKeyOf(document: DocumentObject, sort: SortSpec): SortKey {
  const key: (DocumentValue | undefined)[] = [];
  for (const { path } of sort) {
    let value: DocumentValue | undefined = document;
    for (const name of path.names) {
      value = isObject(value) ? readMember(value, name) : undefined;
      if (isArray(value)) return leastKey(document, sort);
    }
    key.push(value ?? null);
  }
  return key;
}

/** Orders two keys of the same sort: negative, zero or positive. */
export function compareSortKeys(left: SortKey, right: SortKey, sort: SortSpec): number {
  for (let at = 0; at < sort.length; at++) {
    const order = compareSortValues(left[at], right[at]);
    if (order !== 0) return order * sort[at]!.direction;
  }
  return 0;
}

/** Orders two documents; for many of them make the keys once and compare those. */
export function compareDocuments(
  left: DocumentObject,
  right: DocumentObject,
  sort: SortSpec,
): number {
  return compareSortKeys(sortKeyOf(left, sort), sortKeyOf(right, sort), sort);
}

/** Orders two values of keys, ascending. Numbers and texts first: they are what people sort by. */
export function compareSortValues(
  left: DocumentValue | undefined,
  right: DocumentValue | undefined,
): number {
  if (typeof left === "number" && typeof right === "number") {
    if (left < right) return -1;
    if (left > right) return 1;
    if (left === right) return 0;
  }
  if (typeof left === "string" && typeof right === "string") return compareStrings(left, right);
  if (left === undefined || right === undefined) {
    return Number(left !== undefined) - Number(right !== undefined);
  }
  return compareValues(left, right);
}

/** The first of all keys that a document with arrays has. */
function leastKey(document: DocumentObject, sort: SortSpec): SortKey {
  const keys = new LeastKey(sort);
  const start: Place = { value: document, at: 0 };
  keys.visit(sort.map(() => start));
  return keys.least();
}

/** How far one field's path has been followed. */
interface Place {
  readonly value: DocumentValue | undefined;
  /** The next name of the path; past the last one, `value` is the field's. */
  readonly at: number;
  /** The value is a whole: an element of an array that was gone through, or named by an index. */
  readonly isWhole?: boolean;
}

/**
 * Goes through every element of the array that the fields meet, and of those within.
 *
 * Recursion ends: each level lies within an array of the level above.
 */
class LeastKey {
  readonly #sort: SortSpec;
  #least: SortKey | undefined;

  constructor(sort: SortSpec) {
    this.#sort = sort;
  }

  least(): SortKey {
    return this.#least!;
  }

  visit(from: readonly Place[]): void {
    const places = from.map((place, field) => this.#follow(place, field));
    const isOpen = places.map((place) => isArray(place.value) && place.isWhole !== true);
    const array = places[isOpen.indexOf(true)]?.value;
    if (!isArray(array)) {
      this.#offer(places.map(({ value }) => value));
      return;
    }
    if (places.some((place, field) => isOpen[field] && place.value !== array)) {
      throw parallelArrays(this.#sort.filter((_, field) => isOpen[field]));
    }
    // An empty array ends its own fields; a path that goes on beyond it finds nothing.
    const elements = array.length === 0 ? [undefined] : array;
    for (const element of elements) {
      this.visit(
        places.map((place, field) => (isOpen[field] ? this.#enter(place, field, element) : place)),
      );
    }
  }

  /** Goes on along a path until it ends or meets an array. */
  #follow(place: Place, field: number): Place {
    const { names } = this.#sort[field]!.path;
    let { value, at, isWhole = false } = place;
    while (at < names.length) {
      if (isArray(value)) {
        const index = indexOfName(names[at]!);
        if (index < 0 || index >= value.length) return { value, at };
        value = value[index];
        isWhole = at + 1 === names.length;
      } else {
        value = isObject(value) ? readMember(value, names[at]!) : null;
        isWhole = false;
      }
      value ??= null;
      at++;
    }
    return { value, at, isWhole };
  }

  /** Goes on in one element of an array. Elements that are no documents have no members. */
  #enter({ at }: Place, field: number, element: DocumentValue | undefined): Place {
    const isEnd = at === this.#sort[field]!.path.names.length;
    if (isEnd) return { value: element, at, isWhole: true };
    return { value: isObject(element) ? element : null, at };
  }

  #offer(key: SortKey): void {
    if (this.#least === undefined || compareSortKeys(key, this.#least, this.#sort) < 0) {
      this.#least = key;
    }
  }
}

function parallelArrays(fields: SortSpec): Error {
  const names = fields.map(({ path }) => JSON.stringify(path.text)).join(" and ");
  return queryError(
    "QUERY_SORT_PARALLEL_ARRAYS",
    `one document has different arrays at ${names}; sort by one of these fields only`,
  );
}
