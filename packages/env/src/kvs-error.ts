/**
 * What is known of the effect of a failed operation.
 *
 * - `none`: it certainly did not happen, and will not.
 * - `applied`: it certainly happened; only the answer is bad.
 * - `unknown`: nobody can tell. Read before you repeat.
 */
export type Outcome = "none" | "applied" | "unknown";

/** Plain facts for logs and the wire: ids and numbers, never user values. */
export type ErrorDetails = Readonly<Record<string, string | number | boolean>>;

export interface KvsErrorOptions {
  /** What is known of the effect. Required, so that nobody claims "none" by forgetting to think. */
  readonly outcome: Outcome;
  /** Whether the same request may succeed later, unchanged. Default: false. */
  readonly retryable?: boolean;
  readonly details?: ErrorDetails;
  readonly cause?: unknown;
}

/**
 * The one class of operating errors that crosses a package boundary: disk full, not leader,
 * conflict, corrupt page. Branch on `code`, never on the text.
 *
 * The message says what happened and what to do. It begins with the code, so that a bare log line
 * can be looked up in docs/errors.md.
 */
export class KvsError<Code extends string = string> extends Error {
  override readonly name = "KvsError";
  /** Layer prefix and reason: `WAL_SYNC_FAILED`; or a documented general one: `OVERLOADED`. */
  readonly code: Code;
  readonly retryable: boolean;
  readonly outcome: Outcome;
  readonly details: ErrorDetails;

  constructor(code: Code, message: string, options: KvsErrorOptions) {
    super(`${code}: ${message}`, "cause" in options ? { cause: options.cause } : undefined);
    this.code = code;
    this.retryable = options.retryable ?? false;
    this.outcome = options.outcome;
    this.details = options.details ?? {};
  }
}

/** Whether `error` is a `KvsError`, and of one of `codes` if any are given. */
export function isKvsError(error: unknown, ...codes: readonly string[]): error is KvsError {
  return error instanceof KvsError && (codes.length === 0 || codes.includes(error.code));
}
