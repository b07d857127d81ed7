/**
 * Codes of the simulator itself; what simulated hosts meet has the codes of the real world.
 *
 * - `SIM_TOO_MANY_EVENTS`: a run did not end within its events. Look for a loop that never waits,
 *   or raise `maxEvents`.
 * - `SIM_NOT_FAILING`: a scenario to be shrunk does not fail when run again. Check that the program
 *   is deterministic.
 */
export type SimErrorCode = "SIM_TOO_MANY_EVENTS" | "SIM_NOT_FAILING";
