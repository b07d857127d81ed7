/** From the loudest to the quietest. */
export type TraceLevel = "error" | "warn" | "info" | "debug" | "trace";

/** Facts of one event: ids, numbers and short names, never user values. */
export type TraceFields = Readonly<Record<string, string | number | boolean | undefined>>;

/**
 * Where running code says what it does. Applications write it to a log; a simulation folds it into
 * its trace hash.
 */
export interface Trace {
  /** Whether events of `level` go anywhere: ask before you build costly fields. */
  isEnabled(level: TraceLevel): boolean;
  /**
   * Notes one event.
   *
   * @param component The package and part that speaks: `wal.segment`.
   * @param message A fixed sentence without values; the values are in `fields`.
   */
  event(level: TraceLevel, component: string, message: string, fields?: TraceFields): void;
}

/** Says nothing, anywhere. */
export const noTrace: Trace = {
  isEnabled: () => false,
  event: () => undefined,
};
