/**
 * Codes of the simulator, the checkers and the test runners. What simulated hosts meet has the codes
 * of the real world.
 *
 * - `SIM_TOO_MANY_EVENTS`: a run did not end within its events. Look for a loop that never waits, or
 *   raise `maxEvents`.
 * - `SIM_STUCK`: a run in an instant world waits for something that will not happen, or never ends.
 *   Look for a promise that nobody settles, or for a loop.
 * - `SIM_NOT_FAILING`: a scenario to be shrunk does not fail when run again. Check that the program
 *   is deterministic.
 * - `SIM_SEED_FAILED`: a property does not hold for a seed. The message says how to repeat it.
 * - `SIM_CHOICE_FAILED`: a property does not hold for a row of choices. The message says how to
 *   repeat it.
 * - `SIM_CHOICES_TOO_MANY`: there are more rows of choices than allowed runs. Make the world smaller
 *   or raise `runsMax`.
 * - `SIM_DATADRIVEN_FAILED`: a directive of a data-driven test printed something else or threw.
 * - `SIM_DATADRIVEN_INVALID`: the text of a data-driven test breaks its form. Correct the line named.
 * - `SIM_HISTORY_INVALID`: a history breaks the rules of its format. Correct the recorder.
 */
export type SimErrorCode =
  | "SIM_TOO_MANY_EVENTS"
  | "SIM_STUCK"
  | "SIM_NOT_FAILING"
  | "SIM_SEED_FAILED"
  | "SIM_CHOICE_FAILED"
  | "SIM_CHOICES_TOO_MANY"
  | "SIM_DATADRIVEN_FAILED"
  | "SIM_DATADRIVEN_INVALID"
  | "SIM_HISTORY_INVALID";
