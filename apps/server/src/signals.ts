/** A second Ctrl-C within this time is the same one: a terminal delivers it twice through npm. */
const SAME_SIGNAL_MS = 2000;

/**
 * Calls `stop` when the process is asked to end, by Ctrl-C or SIGTERM; at a later second request,
 * `force`.
 */
export function onStopSignal(stop: () => void, force: () => void): void {
  let firstMs: number | undefined;
  const handle = (): void => {
    const nowMs = performance.now();
    if (firstMs === undefined) {
      firstMs = nowMs;
      stop();
    } else if (nowMs - firstMs > SAME_SIGNAL_MS) {
      force();
    }
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, handle);
}
