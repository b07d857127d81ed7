/** Dates as values of documents: a point in time that is given, never the clock's. */

/** The first and the last millisecond of a `Date`, counted from 1970: ±100,000,000 days. */
export const DATE_MAX_MS = 8.64e15;

export function isDate(value: unknown): value is Date {
  // oxlint-disable-next-line eslint/no-restricted-globals -- Asks for the class, reads no clock.
  return value instanceof Date;
}

/** @param ms An integer, at most `DATE_MAX_MS` from 1970 either way. */
export function toDate(ms: number): Date {
  // oxlint-disable-next-line eslint/no-restricted-globals -- With an argument it reads no clock.
  return new Date(ms);
}
