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

/**
 * The same judgement with a memo, for some dozens of operations with little concurrency: keeps
 * every set of configurations as texts, and knows nothing of reads, contents or thrift.
 */
export function isLinearizableByLevels<State, Operation>(
  model: Model<State, Operation>,
  operations: readonly TimedOperation<Operation>[],
): boolean {
  let level = new Map<string, Configuration<State>>();
  addTo(level, model, { state: model.init(), left: operations.map((_, id) => id) });
  for (; level.size > 0;) {
    const next = new Map<string, Configuration<State>>();
    for (const { state, left } of level.values()) {
      const firstReturn = Math.min(...left.map((id) => operations[id]!.completedAt));
      if (firstReturn === Infinity) return true;
      for (const id of left) {
        const { operation, invokedAt } = operations[id]!;
        const after = invokedAt <= firstReturn ? model.step(state, operation) : IMPOSSIBLE;
        if (after === IMPOSSIBLE) continue;
        addTo(next, model, { state: after, left: left.filter((other) => other !== id) });
      }
    }
    level = next;
  }
  return false;
}

interface Configuration<State> {
  readonly state: State;
  readonly left: readonly number[];
}

function addTo<State>(
  level: Map<string, Configuration<State>>,
  model: Pick<Model<State, never>, "identity">,
  configuration: Configuration<State>,
): void {
  const { state, left } = configuration;
  level.set(JSON.stringify([model.identity(state), left]), configuration);
}
