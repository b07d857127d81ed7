/** A broken invariant: a bug in the program, never a fault of the caller, the disk or the network. */
export class AssertionFailure extends Error {
  override readonly name = "AssertionFailure";
}

/**
 * Stops the engine when `condition` is false. Never catch what it throws: the state can no longer
 * be trusted.
 *
 * @param invariant What must hold, in the positive: "the term never goes back".
 * @throws {AssertionFailure} if `condition` is false.
 */
export function assert(condition: boolean, invariant: string): asserts condition {
  if (!condition) throw new AssertionFailure(invariant);
}

/**
 * Marks the end of an exhaustive `switch`: a compile error while a case is missing, a crash if an
 * unknown value arrives all the same.
 *
 * @throws {AssertionFailure} always.
 */
export function unreachable(value: never, what = "value"): never {
  throw new AssertionFailure(`every ${what} is handled, but not ${JSON.stringify(value)}`);
}
