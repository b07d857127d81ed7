/**
 * What a document may hold: JSON, and 64-bit integers, bytes, dates, NaN and the infinities.
 *
 * - A `bigint` is an integer that does not fit a safe integer: one that does comes back as a number.
 * - A member that is `undefined` is absent.
 * - Objects are plain: their prototype is `Object.prototype` or null. They come back with
 *   `Object.prototype`.
 */
export type DocumentValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | Date
  | readonly DocumentValue[]
  | DocumentObject;

export interface DocumentObject {
  readonly [name: string]: DocumentValue | undefined;
}

/** What is refused before memory is taken for it. */
export interface DocumentLimits {
  /** Arrays and objects within each other, 0 to 1000; a lone number has depth 0. Default: 100. */
  readonly depthMax?: number;
  /** Encoded bytes. Default: 16 MiB. */
  readonly maxBytes?: number;
}

export const DOCUMENT_DEPTH_MAX = 100;
export const DOCUMENT_MAX_BYTES: number = 16 << 20;

/** The deepest nesting that can be asked for: it still fits a stack of 1 MB many times over. */
export const NESTING_MAX = 1000;
