/** One record of a file, or what is wrong with it. */
export interface SourceRecord {
  /** 1 for the first record of the file. */
  readonly number: number;
  /** Line on which it begins, from 1. */
  readonly line: number;
  readonly document: object | undefined;
  /** Why there is no document. */
  readonly problem: string | undefined;
  /** Characters of its text, about. */
  readonly size: number;
}
