/**
 * How a connection is idle: `bare` sockets send nothing at all, `mute` connections are open and never
 * say hello, `silent` ones said it and nothing since.
 */
export type IdleKind = "bare" | "mute" | "silent";

/** What a holder of idle connections is told to do. Each order gets one `HolderReport`. */
export type HolderOrder =
  | {
      readonly type: "open";
      readonly port: number;
      readonly kind: IdleKind;
      readonly count: number;
    }
  /** Until at most so many are open. */
  | { readonly type: "wait"; readonly untilOpen: number }
  | { readonly type: "count" }
  | { readonly type: "close" };

/** What became of all that a holder was told to open. */
export interface HolderReport {
  readonly opened: number;
  readonly refused: number;
  /** Open at this moment. */
  readonly open: number;
  /** How often the server said what when it refused or hung up. */
  readonly reasons: Readonly<Record<string, number>>;
}
