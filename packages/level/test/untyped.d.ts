declare module "abstract-level/test" {
  /** The published suite: it registers its tests with `test`, a `tape`. */
  export default function suite(options: {
    readonly test: unknown;
    readonly factory: (options?: object) => object;
  }): void;
}

declare module "tape" {
  export interface TapeRow {
    readonly type: "test" | "assert" | "end";
    /** Of a test its number, of an assertion its number within its test. */
    readonly id?: number;
    readonly name?: string;
    readonly ok?: boolean;
    /** Whether a test was left out, or why. */
    readonly skip?: boolean | string;
    readonly todo?: boolean | string;
    readonly test?: number;
    readonly error?: unknown;
    readonly expected?: unknown;
    readonly actual?: unknown;
    readonly operator?: string;
  }
  export interface TapeStream {
    on(event: "data", listener: (row: TapeRow) => void): void;
    on(event: "end", listener: () => void): void;
  }
  export interface TapeHarness {
    createStream(options: { readonly objectMode: true }): TapeStream;
  }
  const tape: { createHarness(options?: { autoclose?: boolean }): TapeHarness };
  export default tape;
}
