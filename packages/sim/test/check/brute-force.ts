import { IMPOSSIBLE, type Model, type TimedOperation } from "../../src/check/model.ts";

/**
 * Whether some order of one key's operations explains every answer: tries them all, without any of
 * the shortcuts of the real search. For 8 operations at most.
 */
export function isLinearizableByBruteForce<State, Operation>(
  model: Model<State, Operation>,
  operations: readonly TimedOperation<Operation>[],
): boolean {
  const extend = (state: State, left: readonly TimedOperation<Operation>[]): boolean => {
    if (left.every((timed) => timed.completedAt === Infinity)) return true;
    return left.some((next) => {
      if (left.some((other) => other.completedAt < next.invokedAt)) return false;
      const after = model.step(state, next.operation);
      if (after === IMPOSSIBLE) return false;
      return extend(
        after,
        left.filter((other) => other !== next),
      );
    });
  };
  return extend(model.init(), operations);
}
