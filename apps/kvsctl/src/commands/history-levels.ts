import { type HistoryLevel } from "@kvs/sim";

/** Levels that a history can be asked to have kept, the weakest first. */
export const HISTORY_LEVELS: readonly HistoryLevel[] = [
  "read-committed",
  "snapshot",
  "serializable",
  "strict-serializable",
];

export interface HistoryFlags {
  readonly level: HistoryLevel;
}
