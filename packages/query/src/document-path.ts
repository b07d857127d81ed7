import { type DocumentObject, type DocumentValue } from "@kvs/codec";
import { isArray, isObject } from "./filter/value-kind.ts";
import { queryError } from "./query-error.ts";

/**
 * A dotted path, parsed and checked once.
 *
 * How a path meets arrays is MongoDB's rule, quirks included:
 *
 * 1. Where the path goes on and meets an array, it goes on in each element that is a document.
 *    Elements that are arrays are passed over.
 * 2. A part that is an index ("0", "12", never "01") also goes on in the element at that place,
 *    which may then be an array too. Rule 1 holds beside it, so `a.0` also finds the member "0" of
 *    each document in `a`, or that it is missing.
 * 3. Where the path ends at an array by a name, it reaches each element and then the array itself.
 *    Where it ends at an array by an index, it reaches only that array.
 * 4. A document or element of rule 1 that lacks a name on the way gives "missing" once; an array
 *    without documents in it gives nothing.
 *
 * Source: MongoDB, src/mongo/db/matcher/path.cpp, BSONElementIterator.
 */
export interface DocumentPath {
  /** As written: names joined by dots. */
  readonly text: string;
  /** At least one, none of them empty. */
  readonly names: readonly string[];
}

/** As deep as documents may nest, and one more for the last name. */
export const PATH_NAMES_MAX = 101;

/** As long as the longest key: an index may have to store the path's value beside it. */
export const PATH_MAX_CHARACTERS = 1024;

/**
 * Parses a dotted path.
 *
 * @param at Where the path stands in the query, for the message.
 * @throws {KvsError} `QUERY_BAD_PATH`, `QUERY_TOO_DEEP`, `QUERY_TOO_LARGE`.
 */
export function parsePath(text: string, at = "path"): DocumentPath {
  if (text.length > PATH_MAX_CHARACTERS) {
    throw queryError(
      "QUERY_TOO_LARGE",
      `a path at ${at.slice(0, PATH_MAX_CHARACTERS)} has ${text.length} characters; ` +
        `at most ${PATH_MAX_CHARACTERS} are allowed`,
      { characters: text.length, charactersMax: PATH_MAX_CHARACTERS },
    );
  }
  const names = text.split(".");
  if (names.includes("") || !text.isWellFormed()) {
    throw queryError(
      "QUERY_BAD_PATH",
      `the path ${JSON.stringify(text)} at ${at} has an empty name or a lone surrogate; ` +
        "write names joined by single dots",
    );
  }
  if (names.length > PATH_NAMES_MAX) {
    throw queryError(
      "QUERY_TOO_DEEP",
      `a path at ${at} has ${names.length} names; documents nest at most ${PATH_NAMES_MAX - 1} levels`,
      { names: names.length, namesMax: PATH_NAMES_MAX },
    );
  }
  return { text, names };
}

/** A question about a value that a path reaches; `undefined` is "missing". */
export type ValueQuestion = (value: DocumentValue | undefined) => boolean;

/** A question about a document. */
export type DocumentQuestion = (document: DocumentObject) => boolean;

/**
 * What a path does with an array at its end: `elements` reaches each element, then the array;
 * `whole` only the array.
 */
export type LeafArrays = "elements" | "whole";

/**
 * Compiles "does `question` hold for any value that `path` reaches?". The answer ends at the first
 * value that satisfies.
 *
 * Cost: for a path of one name one read of a member; nothing is allocated.
 */
export function compilePath(
  path: DocumentPath,
  question: ValueQuestion,
  leafArrays: LeafArrays = "elements",
): DocumentQuestion {
  const atLeaf = leafArrays === "whole" ? question : orElements(question);
  const name = path.names[0]!;
  if (path.names.length > 1) {
    const search = new PathSearch(path, question, atLeaf);
    return (document) => search.isFoundInObject(document, 0);
  }
  if (isInheritedName(name)) return (document) => atLeaf(readMember(document, name));
  if (leafArrays === "whole") return (document) => question(document[name]);
  return (document) => {
    const value = document[name];
    return isArray(value) ? isFoundInElements(value, question) : question(value);
  };
}

/**
 * Every value that `path` reaches, in the order of the document, by the rules of `DocumentPath`.
 * What is missing is left out.
 */
export function valuesAt(
  document: DocumentObject,
  path: DocumentPath,
  leafArrays: LeafArrays = "elements",
): readonly DocumentValue[] {
  const values: DocumentValue[] = [];
  const collect = (value: DocumentValue | undefined): boolean => {
    if (value !== undefined) values.push(value);
    return false;
  };
  compilePath(path, collect, leafArrays)(document);
  return values;
}

/** An object's own member, or `undefined`: what it inherits does not count. */
export function readMember(object: DocumentObject, name: string): DocumentValue | undefined {
  return isInheritedName(name) && !Object.hasOwn(object, name) ? undefined : object[name];
}

/** Names that a plain read would find on the prototype: `constructor`, `__proto__`, `toString`. */
function isInheritedName(name: string): boolean {
  return name in Object.prototype;
}

/** The array index that a name stands for, or -1. "01" is a name only. */
export function indexOfName(name: string): number {
  const index = Number(name);
  return Number.isSafeInteger(index) && index >= 0 && String(index) === name ? index : -1;
}

function orElements(question: ValueQuestion): ValueQuestion {
  return (value) => (isArray(value) ? isFoundInElements(value, question) : question(value));
}

/** Rule 3, an array at the end of the path. */
function isFoundInElements(array: readonly DocumentValue[], question: ValueQuestion): boolean {
  for (let position = 0; position < array.length; position++) {
    if (question(array[position])) return true;
  }
  return question(array);
}

/** Follows a path of several names. Recursion ends: each call stands one name further. */
class PathSearch {
  readonly #names: readonly string[];
  readonly #indexes: readonly number[];
  /** Whether no name of the path can be inherited, so that a plain read finds only own members. */
  readonly #isPlain: boolean;
  readonly #question: ValueQuestion;
  readonly #atLeaf: ValueQuestion;

  constructor(path: DocumentPath, question: ValueQuestion, atLeaf: ValueQuestion) {
    this.#names = path.names;
    this.#indexes = path.names.map(indexOfName);
    this.#isPlain = !path.names.some(isInheritedName);
    this.#question = question;
    this.#atLeaf = atLeaf;
  }

  isFoundInObject(start: DocumentObject, from: number): boolean {
    let object = start;
    const last = this.#names.length - 1;
    for (let at = from; at < last; at++) {
      const value = this.#read(object, at);
      if (isArray(value)) return this.#isFoundInArray(value, at + 1);
      if (!isObject(value)) return this.#question(undefined);
      object = value;
    }
    return this.#atLeaf(this.#read(object, last));
  }

  #read(object: DocumentObject, at: number): DocumentValue | undefined {
    const name = this.#names[at]!;
    return this.#isPlain ? object[name] : readMember(object, name);
  }

  #isFoundInArray(array: readonly DocumentValue[], at: number): boolean {
    const index = this.#indexes[at]!;
    for (let position = 0; position < array.length; position++) {
      const element = array[position];
      if (isObject(element) && this.isFoundInObject(element, at)) return true;
      if (position === index && this.#isFoundAtIndex(element, at + 1)) return true;
    }
    return false;
  }

  /** Rule 2; `at` is the place of the name after the index. */
  #isFoundAtIndex(element: DocumentValue | undefined, at: number): boolean {
    if (at === this.#names.length) return this.#question(element);
    if (isArray(element)) return this.#isFoundInArray(element, at);
    return isObject(element) && this.isFoundInObject(element, at);
  }
}
