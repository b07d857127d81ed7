import { type ErrorDetails, KvsError, type NetworkErrorCode, type Outcome } from "@kvs/env";

/** Makes the errors of the simulated network; those that may pass are marked retryable. */
export function networkError(
  code: NetworkErrorCode,
  message: string,
  details: ErrorDetails,
  outcome: Outcome = "none",
): KvsError<NetworkErrorCode> {
  const retryable = code === "NET_REFUSED" || code === "NET_UNREACHABLE" || code === "NET_TIMEOUT";
  return new KvsError(code, message, { outcome, retryable, details });
}
