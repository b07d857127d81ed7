import { isKvsError } from "@kvs/env";

/** A passing error is met so often before it is taken for a lasting one. */
const ATTEMPTS_MAX = 20;

/**
 * Tries again what failed in a way that may pass, a bounded number of times.
 *
 * @param undo Takes back what a failed attempt may have done.
 * @throws The error of the last attempt, or at once any that will not pass.
 */
export async function persist<T>(
  attempt: () => Promise<T>,
  undo: () => Promise<void> = async () => undefined,
): Promise<T> {
  for (let attempts = 1; ; attempts++) {
    try {
      return await attempt();
    } catch (error) {
      const isPassing = isKvsError(error, "DISK_IO", "DISK_FULL", "DISK_TOO_MANY_FILES");
      if (!isPassing || attempts >= ATTEMPTS_MAX) throw error;
      await undo();
    }
  }
}
