import { type Timestamp } from "./timestamp.ts";

/**
 * The one way in for changes: where evaluated batches go to become durable, applied and visible.
 *
 * In a process alone it is the engine's log (`Store`); in a server it is consensus. Who evaluates
 * (conditions, filters, constraints) never knows which, and has to make sure itself that what it
 * evaluated against has not changed when the batch is applied: by holding locks on the keys from
 * before it reads until `propose` has answered.
 *
 * 1. Batches are applied whole, in the order of the calls.
 * 2. When `propose` resolves, the batch is durable, and every later read sees it.
 */
export interface CommitPipe {
  /**
   * @param batch As `encodeBatch` made it; must stay unchanged until the promise settles.
   * @returns The commit timestamp: the version of what the batch wrote.
   * @throws {KvsError} with the outcome "none" if the batch certainly has no effect, "unknown" if
   *   nobody can tell.
   */
  propose(batch: Uint8Array): Promise<{ readonly version: Timestamp }>;
}
