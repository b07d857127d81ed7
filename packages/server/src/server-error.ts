import { KvsError, type KvsErrorOptions } from "@kvs/env";

/**
 * Codes of the server itself. What it sends to clients has codes of `@kvs/protocol` and of the
 * layers below.
 *
 * - `SERVER_INSECURE`: the server would listen beyond this machine, without encryption or login; say `insecure` if the network is trusted.
 * - `TOO_MANY_DATABASES` (retryable): as many databases are in use as the server may hold open.
 */
export type ServerErrorCode = "SERVER_INSECURE" | "TOO_MANY_DATABASES";

/** Makes the error; the caller throws it. Nothing happened. */
export function serverError(
  code: ServerErrorCode,
  message: string,
  options: Omit<KvsErrorOptions, "outcome"> = {},
): KvsError<ServerErrorCode> {
  return new KvsError(code, message, { outcome: "none", ...options });
}
