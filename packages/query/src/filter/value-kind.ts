import { type DocumentObject, type DocumentValue } from "@kvs/codec";

/** The types that queries tell apart, each a bracket of its own in comparisons. */
export type ValueKind =
  | "null"
  | "number"
  | "string"
  | "object"
  | "array"
  | "bytes"
  | "boolean"
  | "date";

/** The kind of a value; a `bigint` is a number. */
export function kindOf(value: DocumentValue): ValueKind {
  if (typeof value === "string") return "string";
  if (typeof value === "number" || typeof value === "bigint") return "number";
  if (typeof value === "boolean") return "boolean";
  return value === null ? "null" : objectKind(value);
}

function objectKind(value: object): ValueKind {
  if (Array.isArray(value)) return "array";
  if (value instanceof Uint8Array) return "bytes";
  return isDate(value) ? "date" : "object";
}

export function isDate(value: unknown): value is Date {
  // oxlint-disable-next-line eslint/no-restricted-globals -- Asks for the class, reads no clock.
  return value instanceof Date;
}

/** A copy of a date. */
export function copyDate(date: Date): Date {
  // oxlint-disable-next-line eslint/no-restricted-globals -- With an argument it reads no clock.
  return new Date(date.getTime());
}

export function isArray(value: unknown): value is readonly DocumentValue[] {
  return Array.isArray(value);
}

/** Whether a document's value is an embedded document: no array, bytes or date. */
export function isObject(value: DocumentValue | undefined): value is DocumentObject {
  return typeof value === "object" && value !== null && objectKind(value) === "object";
}

/**
 * Whether something from outside is an object literal: its prototype is null or one that has none,
 * as `Object.prototype` of any realm. Instances of classes are not, arrays neither.
 */
export function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** An object that is being built. */
export type MutableObject = Record<string, DocumentValue>;

/** Gives `object` a member of its own, whatever its name: an assignment to `__proto__` would not. */
export function setMember(object: MutableObject, name: string, value: DocumentValue): void {
  if (name === "__proto__") {
    Object.defineProperty(object, name, {
      value,
      writable: true,
      enumerable: true,
      configurable: true,
    });
  } else {
    object[name] = value;
  }
}

/** A type as messages name it; never the value itself. */
export function describeKind(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "an array";
  if (value instanceof RegExp) return "a regular expression";
  if (typeof value === "object" && !isPlainObject(value)) return "an instance of a class";
  const names: Readonly<Record<string, string>> = {
    undefined: "undefined",
    string: "a text",
    object: "an object",
  };
  return names[typeof value] ?? `a ${typeof value}`;
}
