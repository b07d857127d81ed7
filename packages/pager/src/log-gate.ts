import { type PageLsn } from "./page-id.ts";

/** What the pager needs of the log: the WAL rule, no page reaches the disk before its log does. */
export interface LogGate {
  /** Every record whose LSN is at most this survives a crash. Never goes back. */
  readonly durableLsn: number;
  /**
   * Resolves when `durableLsn` is at least `lsn`.
   *
   * @throws {KvsError} A retryable one leaves the pages dirty; any other poisons the pager.
   */
  makeDurable(lsn: PageLsn): Promise<void>;
}

/** For page files without a log: nothing has to be durable before a page. */
export const noLog: LogGate = {
  durableLsn: Number.MAX_SAFE_INTEGER,
  makeDurable: () => Promise.resolve(),
};
